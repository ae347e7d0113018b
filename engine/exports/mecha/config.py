"""What sd-mecha 1.1.8 knows of SD1 and SDXL: the keys of a model, and the blocks that its literals of blocks have.

Facts of its files ``sd1-ldm.yaml``, ``sdxl-sgm.yaml`` and of its methods ``convert_sd1_blocks_to_ldm`` and
``convert_sdxl_blocks_to_sgm`` (https://github.com/ljleb/sd-mecha).
"""

from __future__ import annotations

import re
from functools import cache

from engine.architecture.layout import shapes
from engine.architecture.widths import SD1, SDXL, SDXL_TEXT_L, TEXT, UNET, VAE, FamilyName
from engine.recipes.blocks import BLOCKS, XL_BLOCKS

CONFIGS: dict[FamilyName, str] = {"sd1": "sd1-ldm", "sdxl": "sdxl-sgm"}
"""What sd-mecha calls the original layout of a family; it has none for SD2."""
BLOCK_CONFIGS: dict[FamilyName, str] = {"sd1": "sd1-supermerger_blocks", "sdxl": "sdxl-supermerger_blocks"}
"""What it calls the blocks of a family."""
CONVERTERS: dict[FamilyName, str] = {"sd1": "convert_sd1_blocks_to_ldm", "sdxl": "convert_sdxl_blocks_to_sgm"}
"""The methods that give every key the number of its block."""
BLOCK_NAMES: dict[FamilyName, tuple[str, ...]] = {"sd1": BLOCKS, "sdxl": (*XL_BLOCKS, "VAE")}
"""The blocks; all must be named."""
VAE_COMPONENT = "vae"
"""The component whose keys are those of the VAE."""

_SCHEDULE = (
    "alphas_cumprod", "alphas_cumprod_prev", "betas", "log_one_minus_alphas_cumprod", "posterior_log_variance_clipped",
    "posterior_mean_coef1", "posterior_mean_coef2", "posterior_variance", "sqrt_alphas_cumprod",
    "sqrt_one_minus_alphas_cumprod", "sqrt_recip_alphas_cumprod", "sqrt_recipm1_alphas_cumprod",
)  # fmt: skip
_XL_MARKS = ("edm_vpred.sigma_max", "edm_vpred.sigma_min", "v_pred", "ztsnr")
_NUMBERED = (("input_blocks", "IN"), ("middle_block", "M"), ("output_blocks", "OUT"))
_BLOCK = re.compile(r"\.(input_blocks|middle_block|output_blocks)\.(\d+)\.")


@cache
def config_keys(family: FamilyName) -> frozenset[str]:
    """Return the keys that sd-mecha reads and writes; it leaves out all others."""
    if family == "sdxl":
        return frozenset((*shapes(SDXL), f"{SDXL_TEXT_L}embeddings.position_ids", *_SCHEDULE, *_XL_MARKS))
    own = shapes(SD1)
    averages = {f"model_ema.{key.removeprefix('model.').replace('.', '')}" for key in own if key.startswith(UNET)}
    more = (f"{TEXT}embeddings.position_ids", "model_ema.decay", "model_ema.num_updates")
    return frozenset((*own, *averages, *more, *_SCHEDULE))


def config_block(key: str, family: FamilyName) -> str:
    """Return the block whose number sd-mecha gives a key."""
    if key.startswith(UNET):
        return _unet_block(key, "OUT08" if family == "sdxl" else "OUT11")
    return "VAE" if family == "sdxl" and key.startswith(VAE) else "BASE"


def _unet_block(key: str, last: str) -> str:
    if ".time_embed" in key or ".label_emb" in key:
        return "BASE"
    match = None if ".out." in key else _BLOCK.search(key)
    if match is None:
        return last
    name = dict(_NUMBERED)[match.group(1)]
    return "M00" if name == "M" else f"{name}{int(match.group(2)):02d}"
