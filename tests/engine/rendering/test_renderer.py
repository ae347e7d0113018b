from __future__ import annotations

import math
import warnings
from dataclasses import replace
from itertools import product
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from engine.errors import RenderError
from engine.prompts.conditioner import Conditioner
from engine.rendering.batches import in_pieces
from engine.rendering.renderer import Renderer
from engine.sampling.sigmas import sd1_levels
from engine.shots.samplers import SAMPLERS
from engine.shots.shot import Shot
from tests.engine.models.tiny_models import TinyModel, tiny_model

COMPANY = 2e-4  # how far a picture may move with its company: a twentieth of a grey level; 2e-6 was measured
SHOT = Shot(prompt="a red house", negative="grey", seed=5, width=72, height=64, steps=3, cfg=3.5)
SHOTS = [
    replace(SHOT, prompt=f"a {colour} {thing}", seed=seed)
    for seed, (colour, thing) in enumerate(product(("red", "blue"), ("house", "cat")))
]


@pytest.fixture(scope="module")
def model() -> TinyModel:
    return tiny_model()


def model_with(model: TinyModel, **parts: nn.Module) -> Any:
    """A model with some parts replaced by other modules."""
    return SimpleNamespace(
        unet=parts.get("unet", model.unet), vae=parts.get("vae", model.vae), text_encoder=model.text_encoder
    )


class Watched(nn.Module):
    """A UNet that writes its batches down, runs out of memory above ``most``, and breaks the latents of ``broken``."""

    def __init__(self, unet: nn.Module, *, most: int = 10_000, broken: int | None = None) -> None:
        super().__init__()
        self.unet, self.most, self.broken = unet, most, broken
        self.batches: list[int] = []

    def forward(self, x: Tensor, time: Tensor, **rest: Any) -> tuple[Tensor, ...]:
        self.batches.append(len(x))
        if len(x) > self.most:
            raise torch.OutOfMemoryError("out of memory, as a full GPU says it")
        out = self.unet(x, time, **rest)[0]
        if self.broken is not None:
            out[self.broken] = float("nan")
        return (out,)


class WatchedVae(nn.Module):
    """A VAE that runs out of memory above ``most`` pictures, or gives infinite ones."""

    def __init__(self, vae: Any, *, most: int = 10_000, factor: float = 1.0) -> None:
        super().__init__()
        self.vae, self.most, self.factor, self.config = vae, most, factor, vae.config
        self.batches: list[int] = []

    def decode(self, latents: Tensor, **rest: Any) -> tuple[Tensor]:
        self.batches.append(len(latents))
        if len(latents) > self.most:
            raise torch.OutOfMemoryError("out of memory, as a full GPU says it")
        return (self.vae.decode(latents, **rest)[0] * self.factor,)


# ------------------------------------------------------------------------------------------------- the picture


@pytest.mark.parametrize(("width", "height"), [(96, 96), (72, 104)])
@pytest.mark.parametrize("sampler", ["DPM++ 2M", "DPM++ SDE", "UniPC"])
def test_sizes_of_any_multiple_of_eight(model: TinyModel, width: int, height: int, sampler: str):
    shot = replace(SHOT, width=width, height=height, sampler=sampler, steps=3)
    pictures = Renderer(model).render([shot])
    assert pictures.shape == (1, 3, height, width)
    assert pictures.dtype == torch.float32
    assert 0 <= float(pictures.min()) < float(pictures.max()) <= 1
    assert float(pictures.std()) > 0.01


def test_pictures_can_be_worked_on_afterwards(model: TinyModel):
    pictures = Renderer(model).render([SHOT])
    assert not pictures.is_inference()
    pictures.mul_(2)


def test_a_call_repeats_itself_bit_for_bit(model: TinyModel):
    assert torch.equal(Renderer(model).render(SHOTS), Renderer(model).render(SHOTS))


@pytest.mark.parametrize(
    "change",
    [
        {"prompt": "a cat"},
        {"negative": ""},
        {"seed": 6},
        {"steps": 4},
        {"cfg": 5.0},
        {"sampler": "Euler a"},
        {"schedule": "Uniform"},
        {"clip_skip": 2},
        {"rng": "NV"},
    ],
)
def test_every_field_of_a_shot_counts(model: TinyModel, change: dict[str, Any]):
    renderer = Renderer(model)
    difference = (renderer.render([SHOT]) - renderer.render([replace(SHOT, **change)])).abs().max()
    assert float(difference) > COMPANY


def by_diffusers(model: TinyModel, shot: Shot, kind: Any, **options: Any) -> Tensor:
    """The same picture with diffusers' own scheduler and UNet inputs (77 tokens, two calls), in the plainest way."""
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)  # theirs, with numpy 2
        scheduler = kind(**SCHEDULE, **options)
        scheduler.set_timesteps(shot.steps)
        generator = torch.Generator().manual_seed(shot.seed)
        x = torch.randn((1, 4, shot.height // 8, shot.width // 8), generator=generator) * scheduler.init_noise_sigma
        pair = Conditioner(model.text_encoder).encode([(shot.negative, shot.clip_skip), (shot.prompt, shot.clip_skip)])
        for time in scheduler.timesteps:
            scaled = scheduler.scale_model_input(x, time)
            without, wanted = (model.unet(scaled, time, encoder_hidden_states=c[None]).sample for c in pair)
            x = scheduler.step(without + shot.cfg * (wanted - without), time, x, generator=generator).prev_sample
        vae: Any = model.vae
        return (vae.decode(x / 0.18215).sample / 2 + 0.5).clamp(0, 1)


SCHEDULE: dict[str, Any] = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}


def test_euler_a_equals_diffusers(model: TinyModel):
    from diffusers import EulerAncestralDiscreteScheduler

    shot = replace(SHOT, sampler="Euler a", steps=6)
    theirs = by_diffusers(model, shot, EulerAncestralDiscreteScheduler, timestep_spacing="linspace")
    assert float((Renderer(model).render([shot]) - theirs).abs().max()) < 1e-3


def test_2m_karras_equals_diffusers_up_to_its_rounded_times(model: TinyModel):
    from diffusers import DPMSolverMultistepScheduler

    shot = replace(SHOT, steps=12)
    theirs = by_diffusers(model, shot, DPMSolverMultistepScheduler, use_karras_sigmas=True)
    difference = (Renderer(model).render([shot]) - theirs).abs()
    assert float(difference.mean()) < 2e-3
    other = (Renderer(model).render([replace(shot, seed=6)]) - theirs).abs()
    assert float(other.mean()) > 20 * float(difference.mean())


# --------------------------------------------------------------------------------------------------- guidance


def test_guidance_takes_one_call_a_step_with_both_halves(model: TinyModel):
    unet = Watched(model.unet)
    Renderer(model_with(model, unet=unet)).render(SHOTS)
    assert unet.batches == [8, 8, 8]


def test_cfg_1_skips_the_unconditional_half_and_the_negative(model: TinyModel):
    unet = Watched(model.unet)
    renderer = Renderer(model_with(model, unet=unet))
    shots = [replace(shot, cfg=1) for shot in SHOTS]
    pictures = renderer.render(shots)
    assert unet.batches == [4, 4, 4]
    assert torch.equal(pictures, renderer.render([replace(shot, negative="other") for shot in shots]))


def test_cfg_1_is_the_limit_of_guidance(model: TinyModel):
    renderer = Renderer(model)
    near = renderer.render([replace(SHOT, cfg=1 + 1e-6)])
    assert float((near - renderer.render([replace(SHOT, cfg=1)])).abs().max()) < COMPANY


# ------------------------------------------------------------------------------------------------------ noise


@pytest.mark.parametrize("change", [{"eta": 0.5}, {"ensd": 31337}, {"s_noise": 0.5}, {"rng": "NV"}])
def test_every_setting_of_noise_counts(model: TinyModel, change: dict[str, Any]):
    renderer, shot = Renderer(model), replace(SHOT, sampler="DPM++ 2S a")
    difference = (renderer.render([shot]) - renderer.render([replace(shot, **change)])).abs().max()
    assert float(difference) > COMPANY


def test_names_old_and_new_make_the_same_picture(model: TinyModel):
    renderer = Renderer(model)
    old, new = replace(SHOT, sampler="LMS Karras"), replace(SHOT, sampler="LMS", schedule="Karras")
    assert torch.equal(renderer.render([old]), renderer.render([new]))


def test_samplers_of_two_calls_take_them(model: TinyModel):
    unet = Watched(model.unet)
    Renderer(model_with(model, unet=unet)).render([replace(SHOT, sampler="Heun", steps=4)])
    assert unet.batches == [2] * 7


@pytest.mark.parametrize("sampler", ["Euler a", "DPM++ SDE"])
def test_the_global_generator_is_neither_read_nor_moved(model: TinyModel, sampler: str):
    shot = replace(SHOT, sampler=sampler)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = Renderer(model).render([shot])
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert torch.equal(Renderer(model).render([shot]), first)


# ---------------------------------------------------------------------------------------------------- company


@pytest.fixture(scope="module")
def exact_model() -> TinyModel:
    """Its UNet in float64 takes the place of a trained one: a random one makes much of float32's rounding."""
    model = tiny_model()
    model.unet.double()
    return model


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_company_changes_a_picture_only_by_rounding(exact_model: TinyModel, sampler: str):
    shots = [replace(shot, sampler=sampler) for shot in SHOTS[:3]]
    renderer = Renderer(exact_model)
    together = renderer.render(shots)
    assert float((together[1:2] - renderer.render(shots[1:2])).abs().max()) < 1e-5
    assert float((together[0] - together[1]).abs().max()) > COMPANY


def test_so_it_does_in_float32(model: TinyModel):
    shots = [replace(shot, sampler="DPM++ 2M") for shot in SHOTS]
    renderer = Renderer(model)
    together = renderer.render(shots)
    alone = torch.cat([renderer.render([shot]) for shot in shots])
    turned = renderer.render(shots[::-1]).flip(0)
    assert float((together - alone).abs().max()) < COMPANY
    assert float((together - turned).abs().max()) < COMPANY


def test_shots_of_different_settings_keep_their_order(exact_model: TinyModel):
    shots = [
        replace(SHOTS[2], cfg=1),  # first: were it to lead a group, the rest would lose their guidance
        SHOTS[0],
        replace(SHOTS[1], sampler="Euler a"),
        replace(SHOTS[3], steps=2, clip_skip=2),
        replace(SHOTS[0], cfg=6),
    ]
    renderer = Renderer(exact_model)
    shots += [replace(SHOTS[0], sampler="DPM++ SDE", rng=rng, eta=eta) for rng in ("NV", "CPU") for eta in (None, 0.5)]
    expected = torch.cat([renderer.render([shot]) for shot in shots])
    assert float((renderer.render(shots) - expected).abs().max()) < 1e-5


# ----------------------------------------------------------------------------------------------------- memory


def test_batches_halve_until_they_fit_and_the_pictures_stay_the_same(model: TinyModel):
    unet = Watched(model.unet, most=2)
    renderer = Renderer(model_with(model, unet=unet))
    expected = Renderer(model).render(SHOTS)
    assert float((renderer.render(SHOTS) - expected).abs().max()) < COMPANY
    assert unet.batches == [8, 4] + [2] * 12
    unet.batches.clear()
    renderer.render(SHOTS)
    assert unet.batches == [2] * 12  # what fitted is remembered


def test_decoding_halves_on_its_own_without_sampling_again(model: TinyModel):
    unet, vae = Watched(model.unet), WatchedVae(model.vae, most=1)
    done: list[int] = []
    Renderer(model_with(model, unet=unet, vae=vae)).render(SHOTS, progress=done.append)
    assert unet.batches == [8, 8, 8]
    assert vae.batches == [4, 2, 1, 1, 1, 1]
    assert done == [1, 1, 1, 1]


def test_too_little_memory_for_one_picture_says_so(model: TinyModel):
    with pytest.raises(RenderError, match="too little memory for a single picture"):
        Renderer(model_with(model, unet=Watched(model.unet, most=1))).render(SHOTS)


def test_other_errors_pass_unchanged(model: TinyModel):
    class Failing(Watched):
        def forward(self, x: Tensor, time: Tensor, **rest: Any) -> tuple[Tensor, ...]:
            raise ValueError("something else")

    with pytest.raises(ValueError, match="something else"):
        Renderer(model_with(model, unet=Failing(model.unet))).render(SHOTS)


def test_pieces_are_halved_where_main_memory_runs_out():
    """Torch has an error of its own for a GPU's memory alone."""
    done: list[list[int]] = []

    def work(piece: list[int]) -> None:
        torch.empty(1 << 60 if len(piece) > 1 else 1, dtype=torch.uint8)
        done.append(piece)

    assert in_pieces([1, 2, 3], 4, work) == 1
    assert done == [[1], [2], [3]]
    with pytest.raises(RuntimeError, match="something else"):
        in_pieces([1, 2], 2, raise_something_else)


def raise_something_else(_: list[int]) -> None:
    raise RuntimeError("something else")


def test_pieces_are_even_and_complete():
    pieces: list[list[int]] = []
    assert in_pieces(list(range(33)), 32, pieces.append) == 32
    assert [len(piece) for piece in pieces] == [17, 16]
    assert [number for piece in pieces for number in piece] == list(range(33))


def test_pieces_are_halved_and_not_nibbled():
    tried: list[int] = []

    def work(piece: list[int]) -> None:
        tried.append(len(piece))
        if len(piece) > 2:
            raise torch.OutOfMemoryError("out of memory, as a full GPU says it")

    assert in_pieces(list(range(16)), 16, work) == 2
    assert tried == [16, 8, 4] + [2] * 8


def test_at_most_32_shots_go_at_once(model: TinyModel):
    unet = Watched(model.unet)
    shots = [replace(SHOT, seed=seed, width=64, height=64, steps=1) for seed in range(33)]
    done: list[int] = []
    pictures = Renderer(model_with(model, unet=unet)).render(shots, progress=done.append)
    assert unet.batches == [34, 32]
    assert done == [17, 16]
    assert len(pictures) == 33


# ------------------------------------------------------------------------------------------------------ errors


def test_nan_latents_name_the_shot(model: TinyModel):
    unet = Watched(model.unet, broken=5)  # the guided half of the second shot
    with pytest.raises(RenderError) as caught:
        Renderer(model_with(model, unet=unet)).render(SHOTS)
    assert "NaN or infinite latents for 1 of 4 shots" in str(caught.value)
    assert SHOTS[1].label in str(caught.value)
    assert SHOTS[0].label not in str(caught.value)


def test_infinite_pictures_are_not_clamped_away(model: TinyModel):
    vae = WatchedVae(model.vae, factor=math.inf)
    with pytest.raises(RenderError, match="the VAE gave NaN or infinite picture"):
        Renderer(model_with(model, vae=vae)).render(SHOTS)


def test_no_shots_and_mixed_sizes_are_refused(model: TinyModel):
    with pytest.raises(RenderError, match="no shots"):
        Renderer(model).render([])
    with pytest.raises(RenderError, match=r"72x64 \(4 shots\), 64x64 \(1 shots\)"):
        Renderer(model).render([*SHOTS, replace(SHOT, width=64)])


# ----------------------------------------------------------------------------------------------------- weights


def test_changed_weights_count_at_once(model: TinyModel):
    own = tiny_model()
    renderer = Renderer(own)
    before = renderer.render([SHOT])
    assert torch.equal(before, Renderer(model).render([SHOT]))
    own.unet.conv_out.weight.mul_(1.1)
    after = renderer.render([SHOT])
    assert float((after - before).abs().max()) > COMPANY
    own.text_encoder.final_layer_norm.weight.mul_(1.5)
    assert torch.equal(renderer.render([SHOT]), after)
    renderer.forget_text()
    assert not torch.equal(renderer.render([SHOT]), after)


def test_the_time_between_two_training_steps_is_fractional(model: TinyModel):
    times: list[float] = []

    class Clock(Watched):
        def forward(self, x: Tensor, time: Tensor, **rest: Any) -> tuple[Tensor, ...]:
            times.append(float(time))
            return super().forward(x, time, **rest)

    Renderer(model_with(model, unet=Clock(model.unet))).render([replace(SHOT, steps=4)])
    assert times[0] == 999
    assert any(abs(time - round(time)) > 0.01 for time in times)
    assert times[-1] == pytest.approx(sd1_levels().time_of(sd1_levels().lowest), abs=1e-3)
