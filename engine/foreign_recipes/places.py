"""Block weights of other tools as steps of a dialect: what they merge apart, the steps say in words that exist.

Tools give the same 26 or 20 numbers to other tensors: of ``time_embed``, of the VAE, of SDXL's ``label_emb``. SD1 and
SD2 are said in the dialect ``classic``, with elemental rules for what differs from its block; SDXL in ``head``, whose
110 ids have a number for each. A VAE that stays A's is kept out by a filter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from engine.architecture.layout import shapes
from engine.architecture.widths import REAL, FamilyName
from engine.recipes.blocks import BLOCKS, EXTENDED_BLOCKS, XL_BLOCKS, place_of
from engine.recipes.dialects import dialect_of
from engine.recipes.recipe import MergeStep
from engine.recipes.steps import Filter, number

DIALECTS: dict[FamilyName, str] = {"sd1": "classic", "sd2": "classic", "sdxl": "head"}
"""The dialect in which weights by place are written, by family."""

_EXTENDED_FORM = len(EXTENDED_BLOCKS)
OPEN_CLIP_NOTE = (
    "positional_embedding, text_projection and logit_scale of the second text encoder stay A's here, as in SuperMerger"
)
"""What recipes of SD2 and SDXL never merge, and other tools may."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceWeights:
    """The weights of one merge, by place.

    Attributes:
        blocks: of every block of the family, BASE (the text encoders) first.
        time_embed: of ``time_embed``.
        out: of the last layers, ``out.0`` and ``out.2``.
        vae: of the VAE; None: it stays A's whatever the mode does.
        label_emb: SDXL: of ``label_emb``.
        parts: further weights of parts of blocks: (block, part of key names) to weight.
    """

    blocks: tuple[float, ...]
    time_embed: float
    out: float
    vae: float | None = None
    label_emb: float = 0.0
    parts: Mapping[tuple[str, str], float] = field(default_factory=dict[tuple[str, str], float])


def merge_step(
    weights: PlaceWeights,
    family: FamilyName,
    *,
    models: tuple[str, ...],
    mode: str = "Weight sum",
    calculation: str = "normal",
    elemental: str = "",
) -> MergeStep:
    """Return the step that merges with these weights, for the dialect ``DIALECTS[family]``.

    Args:
        weights: by place.
        family: of the models.
        models: names of A, B and, where the mode takes three, C.
        mode: merge mode with one ratio.
        calculation: calculation mode.
        elemental: further rules, of blocks as the family names them (``elemental_ids`` for SDXL).
    """
    chosen = Filter(kind="exclude", blocks=("VAE",)) if weights.vae is None else None
    rules = [*_rules(weights, family), *([elemental] if elemental else [])]
    return MergeStep(
        models=models,
        alpha=_extended_row(weights) if family == "sdxl" else weights.blocks,
        mode=mode,
        calculation=calculation,
        elemental=",".join(rules),
        filter=chosen,
    )


def _rules(weights: PlaceWeights, family: FamilyName) -> list[str]:
    """The elemental rules for what has another weight than its block."""
    if family == "sdxl":
        found = [
            f"{' '.join(extended_ids(block))}:{part}:{number(ratio)}" for (block, part), ratio in weights.parts.items()
        ]
        return [*found, *([] if weights.vae is None else [f"VAE::{number(weights.vae)}"])]
    of_block = dict(zip(BLOCKS, weights.blocks, strict=True))
    places = {("OUT11", "time_embed"): weights.time_embed, ("OUT11", ".out."): weights.out, **weights.parts}
    if weights.vae is not None:
        places["BASE", "first_stage_model"] = weights.vae
    return [f"{block}:{part}:{number(ratio)}" for (block, part), ratio in places.items() if ratio != of_block[block]]


def _extended_row(weights: PlaceWeights) -> tuple[float, ...]:
    """The 110 numbers; the dialect reads that of CLIPL for the VAE, which has a rule or a filter."""
    of_block = dict(zip(XL_BLOCKS, weights.blocks, strict=True))
    row = {name: of_block[block] for block in XL_BLOCKS for name in extended_ids(block)}
    row |= {"TIME": weights.time_embed, "LABEL": weights.label_emb, "OUT9": weights.out}
    return tuple(row.get(name, 0.0) for name in EXTENDED_BLOCKS)


def elemental_ids(text: str, family: FamilyName) -> str | None:
    """Return plain elemental rules with blocks as the step wants them; None where a rule cannot be said so.

    Args:
        text: ``OUT05 OUT08:attn1:0.5`` and the like, blocks by their true names.
        family: SDXL's blocks become the 110 ids.
    """
    if family != "sdxl":
        return text
    rules: list[str] = []
    for segment in (part.strip() for part in text.replace("\n", ",").split(",")):
        blocks, *rest = segment.split(":")
        names = blocks.split()
        if len(rest) != 2 or not names or not {*names} <= {*XL_BLOCKS}:
            return None
        rules.append(":".join([" ".join(one for name in names for one in extended_ids(name)), *rest]))
    return ",".join(rules)


@lru_cache(maxsize=32)
def extended_ids(block: str) -> tuple[str, ...]:
    """Return the ids, among the 110, of one of SDXL's blocks; without TIME, LABEL, OUT9 and VAE, which stand alone."""
    rules = dialect_of("head")
    places = {place for key in shapes(REAL["sdxl"]) if (place := place_of(key, "sdxl", rules))}
    alone = {"TIME", "LABEL", "OUT9", "VAE"}
    return tuple(name for name in EXTENDED_BLOCKS if (block, name) in places and name not in alone)


def plain_row(row: list[float], family: FamilyName) -> tuple[float, ...] | None:
    """Return a row of a family's blocks, BASE first; None where its length is another.

    26 numbers for SDXL lose those of the blocks that it lacks, and one number fewer than blocks is without BASE.
    """
    blocks = XL_BLOCKS if family == "sdxl" else BLOCKS
    if family == "sdxl" and len(row) == len(BLOCKS):
        named = dict(zip(BLOCKS, row, strict=True))
        return tuple(named[block] for block in XL_BLOCKS)
    if len(row) == len(blocks) - 1:
        return (0.0, *row)
    return tuple(row) if len(row) == len(blocks) else None
