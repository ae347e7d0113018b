"""Samplers that need more of the denoiser than a guided latent: DDIM CFG++ and LCM, on a tiny model."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor

from engine.prompts.conditioner import Conditioner
from engine.rendering.first_pass import first_pass
from engine.rendering.guidance import is_guided
from engine.rendering.renderer import Renderer
from engine.sampling.schedules import ddim_own
from engine.sampling.sigmas import sd1_levels
from engine.shots.shot import Shot
from tests.engine.models.tiny_models import TinyModel, tiny_model
from tests.engine.rendering.test_renderer import Watched, model_with

SHOT = Shot(prompt="a red house", negative="grey", seed=5, width=96, height=96, steps=5, cfg=6.0, sampler="DDIM CFG++")
LEVELS = sd1_levels()


@pytest.fixture(scope="module")
def model() -> TinyModel:
    return tiny_model()


def latents_of(model: Any, shot: Shot) -> Tensor:
    denoiser = Renderer(model).denoiser
    with torch.inference_mode():
        return first_pass([shot], denoiser.of([shot]), denoiser.levels, denoiser.device)


@pytest.mark.parametrize("cfg", [1.0, 6.0])
def test_cfgpp_goes_to_the_guided_latent_along_the_noise_of_the_negative(model: TinyModel, cfg: float) -> None:
    """By the formula in the WebUI's variables: variance kept, the scale divided by 12.5; also at scale 1."""
    conditioner, unet = Conditioner(model.text_encoder), model.unet
    with torch.inference_mode():
        positive, negative = (conditioner.encode([(text, 1)]) for text in (SHOT.prompt, SHOT.negative))
        x = torch.randn((1, 4, 12, 12), generator=torch.Generator().manual_seed(SHOT.seed))
        sigmas = ddim_own(LEVELS, SHOT.steps)
        for sigma, target in pairwise(sigmas):
            kept, after = 1 / (1 + sigma**2), 1 / (1 + target**2)
            time = torch.full((), LEVELS.time_of(sigma))
            wanted, other = (
                unet(x, time, encoder_hidden_states=context, return_dict=False)[0] for context in (positive, negative)
            )
            guided = other + (wanted - other) * (cfg / 12.5)
            clean = (x - math.sqrt(1 - kept) * guided) / math.sqrt(kept)
            x = math.sqrt(after) * clean + math.sqrt(1 - after) * other
    torch.testing.assert_close(latents_of(model, replace(SHOT, cfg=cfg)), x, rtol=1e-4, atol=1e-4)


def test_cfgpp_is_always_guided() -> None:
    assert is_guided(replace(SHOT, cfg=1.0))
    assert not is_guided(replace(SHOT, cfg=1.0, sampler="DDIM"))


def test_lcm_asks_at_the_times_it_was_distilled_at_and_weights_the_answer(model: TinyModel) -> None:
    times: list[float] = []

    class Clock(Watched):
        def forward(self, x: Tensor, time: Tensor, **rest: Any) -> tuple[Tensor, ...]:
            times.append(float(time))
            return super().forward(x, time, **rest)

    shot = replace(SHOT, sampler="LCM", steps=4, cfg=1.0)
    latents_of(model_with(model, unet=Clock(model.unet)), shot)
    assert times == [999, 679, 339, 19]
    conditioner, sigma = Conditioner(model.text_encoder), float(LEVELS.sigmas[19])
    with torch.inference_mode():
        x = torch.randn((1, 4, 12, 12), generator=torch.Generator().manual_seed(1)) * 3
        context = conditioner.encode([(SHOT.prompt, 1)])
        noise = model.unet(
            x / math.sqrt(1 + sigma**2), torch.tensor(19.0), encoder_hidden_states=context, return_dict=False
        )[0]
        found = Renderer(model).denoiser.of([shot])(x, sigma)
    weighted = (x - sigma * noise) * 190 / math.sqrt(190**2 + 0.25) + x * 0.25 / (190**2 + 0.25)
    torch.testing.assert_close(found, weighted, rtol=1e-5, atol=1e-6)
    assert float((found - (x - sigma * noise)).abs().max()) > 5e-6


def test_every_picture_of_dpm_adaptive_takes_steps_of_its_own(model: TinyModel) -> None:
    shots = [replace(SHOT, sampler="DPM adaptive", seed=seed, steps=20) for seed in (1, 2)]
    watched = Watched(model.unet)
    Renderer(model_with(model, unet=watched)).render(shots)
    assert set(watched.batches) == {2}  # a prompt and its negative, one picture at a time


def test_dpm_fast_begins_with_noise_of_the_schedules_first_level(model: TinyModel) -> None:
    seen: list[Tensor] = []

    class Witness(Watched):
        def forward(self, x: Tensor, time: Tensor, **rest: Any) -> tuple[Tensor, ...]:
            seen.append(x)
            return super().forward(x, time, **rest)

    latents_of(model_with(model, unet=Witness(model.unet)), replace(SHOT, sampler="DPM fast", schedule="DDIM"))
    unit = torch.randn((1, 4, 12, 12), generator=torch.Generator().manual_seed(SHOT.seed))
    scaled = unit * float(LEVELS.sigmas[801]) / math.sqrt(1 + LEVELS.highest**2)
    torch.testing.assert_close(seen[0][:1], scaled)
