"""Pictures of SD2 and SDXL, and of models that predict v, against diffusers' own schedulers and by hand."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any, Literal, cast

import pytest
import torch
from diffusers import AutoencoderKL, EulerAncestralDiscreteScheduler, UNet2DConditionModel
from diffusers.schedulers.scheduling_ddim import rescale_zero_terminal_snr
from torch import Tensor, nn
from transformers import CLIPTextModel, CLIPTextModelWithProjection

from engine.architecture.configs import ModelFamily, Prediction
from engine.prompts.conditioner import Conditioner, ConditioningRequest
from engine.prompts.encoders import towers_of
from engine.rendering.first_pass import first_pass
from engine.rendering.renderer import Renderer
from engine.sampling.sigmas import ALIGNED_SDXL, levels_of, sd1_levels, zero_terminal_levels
from engine.shots.shot import Shot
from tests.engine.models.tiny_families import OTHERS, family_modules

FamilyKind = Literal["sd2", "sdxl"]
SCHEDULE: dict[str, Any] = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
SHOT = Shot(prompt="a red house", negative="grey", seed=5, width=72, height=64, steps=6, cfg=3.5, sampler="Euler a")


@dataclass(frozen=True, slots=True, kw_only=True)
class Models:
    """What ``engine.rendering.renderer`` asks of a model."""

    unet: UNet2DConditionModel
    vae: AutoencoderKL
    text_encoder: CLIPTextModel
    text_encoder_g: CLIPTextModelWithProjection | None = None


@pytest.fixture(scope="module")
def models() -> dict[str, Models]:
    return {kind: models_of(kind) for kind in ("sd2", "sdxl")}


def models_of(kind: FamilyKind) -> Models:
    parts = cast("dict[str, Any]", family_modules(kind, 1))
    parts["vae"].register_to_config(scaling_factor=family_of(kind).vae_scale)
    named = {"text": "text_encoder", "text_g": "text_encoder_g"}
    return Models(**{named.get(name, name): module for name, module in parts.items()})


def family_of(kind: FamilyKind, prediction: Prediction = "epsilon") -> ModelFamily:
    return ModelFamily(widths=OTHERS[kind], prediction=prediction)


def inputs_of(model: Models, kind: FamilyKind, shot: Shot) -> list[dict[str, Any]]:
    """The UNet's inputs for the negative and the prompt, in the plainest way."""
    texts = [(shot.negative, 1), (shot.prompt, 1)]
    conditioner = Conditioner(towers_of(model, family_of(kind)))
    found: list[dict[str, Any]] = [{"encoder_hidden_states": row[None]} for row in conditioner.encode(texts)]
    sizes = torch.tensor([[64.0, 72.0, 0.0, 0.0, 64.0, 72.0]])
    timelines = conditioner.timelines([ConditioningRequest(text=text, clip_skip=skip) for text, skip in texts])
    for each, timeline in zip(found, timelines, strict=True):
        if timeline.pooled:
            each["added_cond_kwargs"] = {"text_embeds": timeline.pooled[0][None], "time_ids": sizes}
    return found


def by_diffusers(model: Models, kind: FamilyKind, prediction: Prediction, shot: Shot) -> Tensor:
    """The same picture with diffusers' own scheduler and two UNet calls a step."""
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)  # theirs, with numpy 2
        kinds = {"epsilon": "epsilon", "v": "v_prediction"}
        scheduler: Any = EulerAncestralDiscreteScheduler(
            **SCHEDULE, timestep_spacing="linspace", prediction_type=kinds[prediction]
        )
        scheduler.set_timesteps(shot.steps)
        generator = torch.Generator().manual_seed(shot.seed)
        x = torch.randn((1, 4, shot.height // 8, shot.width // 8), generator=generator) * scheduler.init_noise_sigma
        inputs = inputs_of(model, kind, shot)
        unet: Any = model.unet
        for time in scheduler.timesteps:
            scaled = scheduler.scale_model_input(x, time)
            without, wanted = (unet(scaled, time, **each).sample for each in inputs)
            x = scheduler.step(without + shot.cfg * (wanted - without), time, x, generator=generator).prev_sample
        vae: Any = model.vae
        return (vae.decode(x / {"sd2": 0.18215, "sdxl": 0.13025}[kind]).sample / 2 + 0.5).clamp(0, 1)


@pytest.mark.parametrize("kind", ["sd2", "sdxl"])
@pytest.mark.parametrize("prediction", ["epsilon", "v"])
def test_pictures_equal_diffusers(models: dict[str, Models], kind: FamilyKind, prediction: Prediction) -> None:
    model = models[kind]
    theirs = by_diffusers(model, kind, prediction, SHOT)
    ours = Renderer(model, family_of(kind, prediction)).render([SHOT])
    assert float((ours - theirs).abs().max()) < 1e-3
    assert float(theirs.std()) > 0.01


def test_predictions_differ(models: dict[str, Models]) -> None:
    one, other = (Renderer(models["sd2"], family_of("sd2", kind)).render([SHOT]) for kind in ("epsilon", "v"))
    assert not torch.allclose(one, other, atol=1e-2)


class Watched(nn.Module):
    """A UNet that writes down what it was given."""

    def __init__(self, unet: nn.Module) -> None:
        super().__init__()
        self.unet, self.seen = unet, list[dict[str, Any]]()

    def forward(self, x: Tensor, time: Tensor, **inputs: Any) -> Any:
        self.seen.append(inputs)
        return self.unet(x, time, **inputs)


def seen_by(model: Models, kind: FamilyKind, shots: list[Shot]) -> dict[str, Any]:
    """What the UNet gets at the first step."""
    unet = Watched(model.unet)
    watched: Any = SimpleNamespace(
        unet=unet, vae=model.vae, text_encoder=model.text_encoder, text_encoder_g=model.text_encoder_g
    )
    Renderer(watched, family_of(kind)).render(shots)
    return unet.seen[0]


def test_sdxl_gets_both_encoders_the_pooled_text_and_the_sizes(models: dict[str, Models]) -> None:
    shots = [SHOT, replace(SHOT, prompt="a cat")]
    found = seen_by(models["sdxl"], "sdxl", shots)
    added = found["added_cond_kwargs"]
    assert added["time_ids"].tolist() == [[64, 72, 0, 0, 64, 72]] * 4
    for place, (number, shot) in ((0, (0, SHOT)), (1, (0, shots[1])), (2, (1, SHOT)), (3, (1, shots[1]))):
        expected = inputs_of(models["sdxl"], "sdxl", shot)[number]
        context = found["encoder_hidden_states"][place, :77]
        torch.testing.assert_close(context, expected["encoder_hidden_states"][0])
        torch.testing.assert_close(added["text_embeds"][place], expected["added_cond_kwargs"]["text_embeds"][0])


def test_an_empty_negative_of_sdxl_is_zeros_and_an_empty_prompt_is_not(models: dict[str, Models]) -> None:
    shots = [replace(SHOT, negative="", prompt=""), SHOT]
    found = seen_by(models["sdxl"], "sdxl", shots)
    context, pooled = found["encoder_hidden_states"], found["added_cond_kwargs"]["text_embeds"]
    assert [bool(row.any()) for row in context] == [False, True, True, True]
    assert [bool(row.any()) for row in pooled] == [False, True, True, True]
    two = seen_by(models["sd2"], "sd2", shots)
    assert "added_cond_kwargs" not in two
    assert bool(two["encoder_hidden_states"][0].any())


def test_unguided_sdxl_has_one_row_a_shot(models: dict[str, Models]) -> None:
    found = seen_by(models["sdxl"], "sdxl", [replace(SHOT, cfg=1, negative="")])
    assert found["added_cond_kwargs"]["time_ids"].shape == (1, 6)
    assert bool(found["encoder_hidden_states"].any())


# ------------------------------------------------------------------------------------------------------------ v


class Oracle(nn.Module):
    """A UNet that knows the clean latents and gives the v of whatever noised version of them it sees."""

    def __init__(self, clean: Tensor, levels: Any) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.clean, self.levels = clean, levels

    def forward(self, x: Tensor, time: Tensor, **_: Any) -> tuple[Tensor]:
        sigma = math.exp(self.levels.log_sigmas[0] if time < 0.5 else float(self._log(float(time))))
        kept, spread = 1 / math.sqrt(1 + sigma**2), sigma / math.sqrt(1 + sigma**2)
        noise = (x - kept * self.clean) / spread
        return (kept * noise - spread * self.clean,)

    def _log(self, time: float) -> float:
        below = min(int(time), len(self.levels.log_sigmas) - 2)
        low, high = self.levels.log_sigmas[below : below + 2]
        return float(low + (high - low) * (time - below))


@pytest.mark.parametrize("zero_terminal", [False, True])
@pytest.mark.parametrize(("sampler", "steps"), [("Euler a", 1), ("Euler a", 20), ("DPM++ 2M Karras", 20)])
def test_a_perfect_v_model_brings_the_clean_latents_back(
    models: dict[str, Models], sampler: str, steps: int, zero_terminal: bool
) -> None:
    """With a single step from the highest level, any other levels than those the model knows would show."""
    levels = zero_terminal_levels() if zero_terminal else sd1_levels()
    clean = torch.randn((1, 4, 8, 9), generator=torch.Generator().manual_seed(1))
    model: Any = SimpleNamespace(
        unet=Oracle(clean, levels), vae=models["sd2"].vae, text_encoder=models["sd2"].text_encoder
    )
    family = replace(family_of("sd2", "v"), zero_terminal_snr=zero_terminal)
    shot = replace(SHOT, sampler=sampler, steps=steps)
    denoiser = Renderer(model, family).denoiser
    found = first_pass([shot], denoiser.of([shot]), denoiser.levels, denoiser.device)
    assert float((found - clean).abs().max()) < 2e-3


def test_zero_terminal_levels_are_diffusers_rescaled_ones() -> None:
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    kept = (1 - rescale_zero_terminal_snr(betas)).cumprod(0)
    expected = (0.5 * ((1 - kept) / kept).log())[:-1]
    found = zero_terminal_levels().log_sigmas.double()
    torch.testing.assert_close(found[:-1], expected, rtol=1e-4, atol=1e-4)
    assert zero_terminal_levels().highest == pytest.approx(4518.76, abs=0.01)
    assert zero_terminal_levels().lowest == pytest.approx(sd1_levels().lowest)


def test_sdxl_has_aligned_levels_of_its_own() -> None:
    for zero_terminal in (False, True):
        xl, one = (levels_of(sdxl=sdxl, zero_terminal=zero_terminal) for sdxl in (True, False))
        assert xl.aligned == ALIGNED_SDXL != one.aligned
        assert (xl.log_sigmas == one.log_sigmas).all()
