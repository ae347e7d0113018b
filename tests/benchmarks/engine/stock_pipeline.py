"""diffusers' own pipeline around the modules of a live model: what rendering is measured against."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any

import torch
from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import StableDiffusionPipeline
from diffusers.pipelines.stable_diffusion_xl.pipeline_stable_diffusion_xl import StableDiffusionXLPipeline
from diffusers.schedulers.scheduling_dpmsolver_multistep import DPMSolverMultistepScheduler
from torch import Tensor

from engine.live.model import LiveModel
from engine.prompts.conditioner import Conditioner, ConditioningRequest
from engine.prompts.encoders import towers_of
from engine.shots.shot import Shot


def stock_render(live: LiveModel, shots: Sequence[Shot]) -> Callable[[], Tensor]:
    """Return what renders the shots with the stock pipeline: DPM++ 2M with Karras' levels, texts encoded beforehand.

    Args:
        live: The modules; the pipeline's VAE is a copy in the UNet's precision, as people load it.
        shots: Equal in size, steps and guidance, with prompts of one length.
    """
    first, dtype = shots[0], next(live.unet.parameters()).dtype
    device = next(live.unet.parameters()).device
    pipeline = _pipeline(live, dtype)
    inputs = _texts(live, shots, dtype)
    seeds = [shot.seed for shot in shots]

    def render() -> Tensor:
        generators = [torch.Generator("cpu").manual_seed(seed) for seed in seeds]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # the scheduler's, of numpy
            return pipeline(
                **inputs,
                width=first.width,
                height=first.height,
                num_inference_steps=first.steps,
                guidance_scale=first.cfg,
                generator=generators,
                output_type="pt",
            ).images.to(device)

    return render


def _pipeline(live: LiveModel, dtype: torch.dtype) -> Any:
    scheduler = DPMSolverMultistepScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", use_karras_sigmas=True, steps_offset=1
    )
    vae: Any = deepcopy(live.vae)
    parts: dict[str, Any] = {"vae": vae.to(dtype), "unet": live.unet, "scheduler": scheduler}
    parts |= {"text_encoder": None, "tokenizer": None, "feature_extractor": None}
    if live.text_encoder_g is not None:
        parts |= {"text_encoder_2": None, "tokenizer_2": None, "image_encoder": None}
        whole: Any = StableDiffusionXLPipeline(**parts, add_watermarker=False)
    else:
        parts |= {"safety_checker": None, "image_encoder": None}
        whole = StableDiffusionPipeline(**parts, requires_safety_checker=False)
    whole.set_progress_bar_config(disable=True)
    return whole


def _texts(live: LiveModel, shots: Sequence[Shot], dtype: torch.dtype) -> dict[str, Tensor]:
    """The shots' texts as the pipeline takes them, encoded by the engine."""
    conditioner = Conditioner(towers_of(live, live.family))
    inputs: dict[str, Tensor] = {}
    for prefix, texts in (("", [s.prompt for s in shots]), ("negative_", [s.negative for s in shots])):
        requests = [ConditioningRequest(text=text, clip_skip=1) for text in texts]
        timelines = conditioner.timelines(requests)
        inputs[f"{prefix}prompt_embeds"] = torch.stack([one.contexts[0] for one in timelines]).to(dtype)
        if live.text_encoder_g is not None:
            pooled = [one.pooled[0] for one in timelines if one.pooled]
            inputs[f"{prefix}pooled_prompt_embeds"] = torch.stack(pooled).to(dtype)
    return inputs
