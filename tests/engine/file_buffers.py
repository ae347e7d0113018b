"""The tensors of real checkpoints that are no weights."""

from __future__ import annotations

from dataclasses import dataclass

from engine.architecture.widths import SDXL_TEXT_L, TEXT, Shape, Widths

_SCHEDULE = (
    "betas", "alphas_cumprod", "alphas_cumprod_prev", "sqrt_alphas_cumprod", "sqrt_one_minus_alphas_cumprod",
    "log_one_minus_alphas_cumprod", "sqrt_recip_alphas_cumprod", "sqrt_recipm1_alphas_cumprod", "posterior_variance",
    "posterior_log_variance_clipped", "posterior_mean_coef1", "posterior_mean_coef2",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Buffer:
    """A tensor that is no weight: its shape, and its dtype as safetensors names it."""

    shape: Shape
    dtype: str


def buffers(widths: Widths) -> dict[str, Buffer]:
    """Return shape and dtype of what real files may hold besides, by key: any of these, or none.

    CLIP-L's position numbers, the noise schedule of SD1 and SD2, SDXL's noise levels and marks, EMA counters.
    """
    schedule = Buffer(shape=(1000,), dtype="F32")
    found = {"model_ema.decay": Buffer(shape=(), dtype="F32"), "model_ema.num_updates": Buffer(shape=(), dtype="I32")}
    if widths.family == "sdxl":
        found |= {"denoiser.sigmas": schedule, "v_pred": Buffer(shape=(0,), dtype="F32")}
        found["ztsnr"] = found["v_pred"]
    else:
        found |= dict.fromkeys(_SCHEDULE, schedule)
    if widths.family != "sd2":
        prefix = SDXL_TEXT_L if widths.family == "sdxl" else TEXT
        found[f"{prefix}embeddings.position_ids"] = Buffer(shape=(1, widths.positions), dtype="I64")
    return found
