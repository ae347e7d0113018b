"""Which of its block weights each tool takes for a tensor.

The rules are those of Merge Block Weighted (bbc-mc, 8a62a75; meh 0.9.5 has the same) and of Chattiori-Model-Merger
(5fc7fc2). Both look for parts of the names of tensors.
"""

from __future__ import annotations

from engine.architecture.widths import FamilyName
from engine.recipes.blocks import block_of, is_merged, xl_block_of

UNET = "model.diffusion_model."
VAE = "first_stage_model"
POSITIONS = "cond_stage_model.transformer.text_model.embeddings.position_ids"
_BLOCK_PARTS = ("time_embed", ".out.", ".input_blocks.", ".middle_block.", ".output_blocks.")


def mbw_slot(key: str) -> str | None:
    """Return the slot of a tensor in Merge Block Weighted and in meh; None: it is not merged.

    ``time_embed`` goes with IN00 and ``.out.`` with OUT11, in SDXL too; all else beside the blocks, ``label_emb`` and
    the VAE too, with the base alpha.
    """
    if "model" not in key or POSITIONS in key:
        return None
    if UNET not in key or not any(part in key for part in _BLOCK_PARTS):
        return "BASE"
    return block_of(key, time_embed="IN00")


def chattiori_slot(key: str, family: FamilyName) -> str | None:
    """Return the slot of a tensor in Chattiori-Model-Merger; None: it is not merged.

    The VAE is kept; ``time_embed`` goes with OUT11 in SD1 and SD2, and is not merged in SDXL, as ``label_emb``.
    """
    if "model" not in key or VAE in key or key == POSITIONS:
        return None
    if family != "sdxl":
        return block_of(key, time_embed="OUT11")
    place = xl_block_of(key) if is_merged(key) else None
    return place[0] if place else None
