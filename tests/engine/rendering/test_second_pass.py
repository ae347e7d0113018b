"""Second passes on tiny real models: whole pictures redone step by step, calls counted, company, memory, sizes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import interpolate

from engine.errors import RenderError
from engine.prompts.conditioner import Conditioner
from engine.rendering import batches
from engine.rendering.first_pass import first_pass
from engine.rendering.renderer import Renderer
from engine.rendering.upscaler_models import UpscalerFolder
from engine.sampling.philox import PhiloxStream
from engine.sampling.schedules import sigmas_for
from engine.sampling.sigmas import sd1_levels
from engine.shots.hires import Hires
from engine.shots.samplers import SAMPLERS
from engine.shots.shot import Shot
from tests.engine.models.tiny_models import TinyModel, tiny_model
from tests.engine.rendering.test_families import family_of, models_of
from tests.engine.rendering.test_renderer import COMPANY, model_with
from tests.engine.rendering.test_upscale import esrgan
from tests.engine.sampling.plain_samplers import dpmpp_2m_sde, euler

SHOT = Shot(prompt="a red house", negative="grey", seed=5, width=64, height=72, steps=3, cfg=3.5, sampler="Euler")
HIRES = Hires(scale=1.5, steps=4, denoise=0.6)
LEVELS = sd1_levels()
SCALE = 0.18215


@pytest.fixture(scope="module")
def model() -> TinyModel:
    return tiny_model()


@pytest.fixture(scope="module")
def exact_model() -> TinyModel:
    """As in the tests of first passes: float64 in the UNet's place, so that rounding is no bigger than it is."""
    found = tiny_model()
    found.unet.double()
    return found


class Watched(nn.Module):
    """A UNet that writes down what it was given, and runs out of memory above so many latent pixels at once."""

    def __init__(self, unet: nn.Module, *, most: int = 10**9) -> None:
        super().__init__()
        self.unet, self.most = unet, most
        self.seen: list[tuple[int, ...]] = []
        self.sizes: list[list[float]] = []

    def forward(self, x: Tensor, time: Tensor, **rest: Any) -> tuple[Tensor, ...]:
        self.seen.append((len(x), *x.shape[2:]))
        if "added_cond_kwargs" in rest:
            self.sizes.append(rest["added_cond_kwargs"]["time_ids"][0].tolist())
        if len(x) * math.prod(x.shape[2:]) > self.most:
            raise torch.OutOfMemoryError("out of memory, as a full GPU says it")
        return self.unet(x, time, **rest)


# ----------------------------------------------------------------------------------- whole pictures, step by step


def guided(model: TinyModel, shot: Shot, words: list[str]) -> Callable[[Tensor, float], Tensor]:
    """The denoiser of one shot in the plainest way; ``words`` is the prompt of every call."""
    conditioner = Conditioner(model.text_encoder)
    calls = iter(words)
    (negative,) = conditioner.encode([(shot.negative, shot.clip_skip)])

    def denoise(x: Tensor, sigma: float) -> Tensor:
        (wanted,) = conditioner.encode([(next(calls), shot.clip_skip)])
        scaled, time = x / math.sqrt(1 + sigma**2), torch.tensor(LEVELS.time_of(sigma))
        no, yes = (model.unet(scaled, time, encoder_hidden_states=c[None]).sample for c in (negative, wanted))
        return x - sigma * (no + shot.cfg * (yes - no))

    return denoise


def first_latents(model: TinyModel, shot: Shot) -> Tensor:
    denoiser, alone = Renderer(model).denoiser, [replace(shot, hires=None)]
    return first_pass(alone, denoiser.of(alone), denoiser.levels, denoiser.device)


def decoded(model: TinyModel, latents: Tensor) -> Tensor:
    vae: Any = model.vae
    return (vae.decode(latents / SCALE).sample / 2 + 0.5).clamp(0, 1)


def own_noise(shot: Shot, height: int, width: int) -> Tensor:
    if shot.rng == "NV":
        return torch.from_numpy(PhiloxStream(shot.seed).normal((1, 4, height, width)))
    return torch.randn((1, 4, height, width), generator=torch.Generator().manual_seed(shot.seed))


@pytest.mark.parametrize("rng", ["CPU", "NV"])
@torch.inference_mode()
def test_a_picture_with_latents_enlarged(model: TinyModel, rng: str) -> None:
    """The second pass: 4 of int(4 / 0.6) = 6 planned steps; "1.5" is half of it, one call late as in the WebUI."""
    hires = replace(HIRES, cfg=2.0, negative="blue", prompt="a [red:green:1.5] house")
    shot = replace(SHOT, rng=rng, hires=hires)
    found = Renderer(model).render([shot])
    x = interpolate(first_latents(model, shot), size=(13, 12), mode="bilinear")
    sigmas = sigmas_for("Euler", "Uniform", 6, LEVELS)[2:]
    words = ["a red house"] * 3 + ["a green house"]
    x = x + own_noise(shot, 13, 12) * sigmas[0]
    x = euler(guided(model, replace(shot, cfg=2.0, negative="blue"), words), x, sigmas)
    assert found.shape == (1, 3, 104, 96)
    assert float((found - decoded(model, x)).abs().max()) < COMPANY
    other = Renderer(model).render([replace(shot, rng="NV" if rng == "CPU" else "CPU")])
    assert float((found - other).abs().max()) > 10 * COMPANY


def eight_bits(values: Tensor) -> Image.Image:
    return Image.fromarray((255.0 * np.moveaxis(values[0].numpy(), 0, 2)).astype(np.uint8))


@pytest.mark.parametrize("upscaler", ["None", "Lanczos", "Nearest"])
@torch.inference_mode()
def test_a_picture_enlarged_in_pixels(model: TinyModel, upscaler: str) -> None:
    shot = replace(SHOT, sampler="DPM++ 2M SDE", hires=replace(HIRES, upscaler=upscaler, sampler="Euler"))
    found = Renderer(model).render([shot])
    small = eight_bits(decoded(model, first_latents(model, shot)))
    filters = {"Nearest": Image.Resampling.NEAREST}
    large = small.resize((96, 108), filters.get(upscaler, Image.Resampling.LANCZOS))
    if upscaler != "None":  # through whole steps of 8 pixels
        large = large.resize((96, 104), Image.Resampling.LANCZOS).resize((96, 108), Image.Resampling.LANCZOS)
    values = torch.from_numpy(np.moveaxis(np.array(large).astype(np.float32) / 255.0, 2, 0))[None]
    vae: Any = model.vae
    x = vae.encode(values * 2 - 1).latent_dist.mean * SCALE
    sigmas = sigmas_for("Euler", "Automatic", 6, LEVELS)[2:]
    x = x + own_noise(shot, 13, 12) * sigmas[0]
    x = euler(guided(model, shot, [shot.prompt] * 4), x, sigmas)
    assert float((found - decoded(model, x)).abs().max()) < COMPANY


@torch.inference_mode()
def test_a_brownian_path_spans_the_planned_walk(model: TinyModel) -> None:
    """The WebUI hands the whole planned walk to the path, not the part that is walked."""
    import warnings

    import torchsde

    shot = replace(SHOT, hires=replace(HIRES, sampler="DPM++ 2M SDE", schedule="Karras"))
    found = Renderer(model).render([shot])
    planned = sigmas_for("DPM++ 2M SDE", "Karras", 6, LEVELS)
    sigmas = planned[2:]
    ends = [float(np.float32(level)) for level in (planned[-2], planned[0])]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of ends that it rounds itself
        tree: Any = torchsde.BrownianTree(ends[0], torch.zeros(4, 13, 12), ends[1], entropy=5)
        ways = [(float(np.float32(s)), float(np.float32(t))) for s, t in pairwise(sigmas) if t]
        noises = iter([-tree(t, s) / math.sqrt(s - t) for s, t in ways])
    x = interpolate(first_latents(model, shot), size=(13, 12), mode="bilinear") + own_noise(shot, 13, 12) * sigmas[0]
    words = [shot.prompt] * 4
    x = dpmpp_2m_sde(guided(model, shot, words), x, sigmas, lambda: next(noises)[None], 1.0, 1.0)
    assert float((found - decoded(model, x)).abs().max()) < 5 * COMPANY


def test_sides_that_are_too_long_are_cut_evenly(model: TinyModel) -> None:
    """64x72 to 128x104: enlarged to 128x144, of whose 18 rows of latents 2 and 3 are cut off."""
    shot = replace(SHOT, hires=Hires(resize=(128, 104), denoise=0.0, upscaler="Latent (nearest)"))
    found = Renderer(model).render([shot])
    with torch.inference_mode():
        large = interpolate(first_latents(model, shot), size=(18, 16), mode="nearest")
        assert found.shape == (1, 3, 104, 128)
        assert float((found - decoded(model, large[:, :, 2:-3])).abs().max()) < COMPANY
        assert float((found - decoded(model, large[:, :, 3:-2])).abs().max()) > 10 * COMPANY


@pytest.mark.parametrize("sampler", ["Euler", "DDIM", "UniPC", "DPM++ SDE", "DPM2 a"])
def test_without_denoising_the_enlarged_picture_is_left_as_it_is(model: TinyModel, sampler: str) -> None:
    unet = Watched(model.unet)
    shot = replace(SHOT, hires=Hires(denoise=0.0, sampler=sampler))
    found = Renderer(model_with(model, unet=unet)).render([shot])
    assert unet.seen == [(2, 9, 8)] * 3
    with torch.inference_mode():
        expected = decoded(model, interpolate(first_latents(model, shot), size=(18, 16), mode="bilinear"))
    assert float((found - expected).abs().max()) < COMPANY


def test_a_model_file_enlarges(model: TinyModel, tmp_path: Path) -> None:
    torch.save(esrgan().state_dict(), tmp_path / "tiny.pth")
    folder = UpscalerFolder(tmp_path)
    shot = replace(SHOT, hires=Hires(upscaler="tiny", denoise=0.0))
    found = Renderer(model, upscalers=folder).render([shot])
    with torch.inference_mode():
        large = folder.opened("tiny", torch.device("cpu"))(eight_bits(decoded(model, first_latents(model, shot))))
        values = torch.from_numpy(np.moveaxis(np.array(large).astype(np.float32) / 255.0, 2, 0))[None]
        vae: Any = model.vae
        expected = decoded(model, vae.encode(values * 2 - 1).latent_dist.mean * SCALE)
    assert float((found - expected).abs().max()) < COMPANY


@pytest.mark.parametrize("folder", [True, False])
def test_a_file_that_is_not_there_is_said_before_anything_is_rendered(
    model: TinyModel, tmp_path: Path, folder: bool
) -> None:
    unet = Watched(model.unet)
    renderer = Renderer(model_with(model, unet=unet), upscalers=UpscalerFolder(tmp_path) if folder else None)
    said = "holds no upscaler" if folder else "no folder of such files is given"
    with pytest.raises(RenderError, match=said):
        renderer.render([SHOT, replace(SHOT, width=128, height=144), replace(SHOT, hires=Hires(upscaler="4x"))][2:])
    assert unet.seen == []


# ----------------------------------------------------------------------------------------------------------- calls


@pytest.mark.parametrize(
    ("settings", "second"),
    [
        ({}, 4),
        ({"steps": 0}, 3),
        ({"sampler": "DPM++ 2M SDE"}, 4),
        ({"sampler": "Heun"}, 7),
        ({"sampler": "DDIM"}, 2),
        ({"sampler": "UniPC"}, 3),
        ({"denoise": 1.0, "steps": 5}, 5),
    ],
)
def test_calls_of_both_passes(model: TinyModel, settings: dict[str, Any], second: int) -> None:
    unet = Watched(model.unet)
    Renderer(model_with(model, unet=unet)).render([replace(SHOT, hires=replace(HIRES, **settings))])
    assert unet.seen == [(2, 9, 8)] * 3 + [(2, 13, 12)] * second


def test_a_second_pass_may_be_guided_alone_or_not_at_all(model: TinyModel) -> None:
    unet = Watched(model.unet)
    renderer = Renderer(model_with(model, unet=unet))
    renderer.render([replace(SHOT, cfg=1.0, hires=replace(HIRES, cfg=2.0))])
    renderer.render([replace(SHOT, hires=replace(HIRES, cfg=1.0))])
    assert [seen[0] for seen in unet.seen] == [1] * 3 + [2] * 4 + [2] * 3 + [1] * 4


def test_schedules_count_on_from_the_calls_of_the_first_pass(model: TinyModel) -> None:
    """Heun asks twice a step: 6 calls, so that step 8 is the second of the second pass; below 6 all is past."""
    unet = Watched(model.unet)
    renderer = Renderer(model_with(model, unet=unet))

    def render(prompt: str) -> Tensor:
        return renderer.render([replace(SHOT, sampler="Heun", prompt=prompt, hires=HIRES)])

    past = replace(SHOT, sampler="Heun", prompt="a [cat:dog:6]", hires=HIRES)
    assert torch.equal(
        render("a [cat:dog:6]"), renderer.render([replace(past, prompt="a cat", hires=replace(HIRES, prompt="a dog"))])
    )
    late = renderer.render([replace(past, prompt="a cat", hires=replace(HIRES, prompt="a [cat:dog:8]"))])
    assert torch.equal(render("a [cat:dog:8]"), late)
    assert not torch.equal(late, render("a [cat:dog:9]"))
    assert not torch.equal(late, render("a cat"))
    assert torch.equal(render("a [cat:dog:14]"), render("a cat"))


def test_sdxl_is_told_of_the_size_before_the_cut() -> None:
    models = models_of("sdxl")
    unet = Watched(models.unet)
    model: Any = SimpleNamespace(
        unet=unet, vae=models.vae, text_encoder=models.text_encoder, text_encoder_g=models.text_encoder_g
    )
    shot = replace(SHOT, steps=1, hires=Hires(resize=(83, 80), steps=1))
    assert Renderer(model, family_of("sdxl")).render([shot]).shape == (1, 3, 80, 80)
    assert unet.sizes == [[72, 64, 0, 0, 72, 64], [93, 83, 0, 0, 93, 83]]


# --------------------------------------------------------------------------------------------------------- company


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_company_changes_a_picture_only_by_rounding(exact_model: TinyModel, sampler: str) -> None:
    shots = [
        replace(SHOT, seed=seed, prompt=f"a {thing}", hires=replace(HIRES, sampler=sampler))
        for seed, thing in enumerate(("cat", "red house"))
    ]
    renderer = Renderer(exact_model)
    together = renderer.render(shots)
    assert float((together[1:] - renderer.render(shots[1:])).abs().max()) < 1e-5
    assert float((together[0] - together[1]).abs().max()) > COMPANY


def test_shots_of_different_second_passes_keep_their_order(exact_model: TinyModel) -> None:
    changes: list[dict[str, Any]] = [
        {"cfg": 1.0},
        {},
        {"upscaler": "Lanczos"},
        {"denoise": 0.4},
        {"denoise": 0.0},
        {"steps": 2, "sampler": "Euler a", "prompt": "a cat"},
        {"resize": (96, 108)},
    ]
    shots = [replace(SHOT, hires=replace(HIRES, **change)) for change in changes]
    shots.append(replace(SHOT, width=96, height=104, steps=1))
    renderer = Renderer(exact_model)
    expected = torch.cat([renderer.render([shot]) for shot in shots])
    assert float((renderer.render(shots) - expected).abs().max()) < 1e-5
    distinct = {round(float(one.double().sum()), 6) for one in expected}
    assert len(distinct) == len(shots) - 1  # resizing to what the scale gives is the same picture


def test_pictures_of_several_sizes_in_the_end_are_refused(model: TinyModel) -> None:
    with pytest.raises(RenderError, match=r"64x72 \(1 shots\), 96x104 \(1 shots\)"):
        Renderer(model).render([SHOT, replace(SHOT, hires=HIRES)])


def test_a_shot_without_hires_is_as_ever_beside_one_with(exact_model: TinyModel) -> None:
    plain = replace(SHOT, width=96, height=104)
    renderer = Renderer(exact_model)
    alone = renderer.render([plain])
    assert torch.equal(renderer.render([plain, replace(SHOT, hires=HIRES)])[:1], alone)


# ---------------------------------------------------------------------------------------------------------- memory


def test_batches_halve_by_what_the_second_pass_needs(model: TinyModel) -> None:
    shots = [replace(SHOT, seed=seed, hires=HIRES) for seed in range(4)]
    unet = Watched(model.unet, most=2 * 2 * 13 * 12)
    found = Renderer(model_with(model, unet=unet)).render(shots)
    assert [seen[0] for seen in unet.seen] == [8] * 3 + [8] + ([4] * 3 + [4] * 4) * 2
    assert float((found - Renderer(model).render(shots)).abs().max()) < COMPANY


def test_on_a_cpu_so_many_go_at_once_as_their_final_size_allows(
    model: TinyModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "CPU_PIXELS", 2 * 96 * 104)
    unet = Watched(model.unet)
    done: list[int] = []
    shots = [replace(SHOT, seed=seed, hires=HIRES) for seed in range(4)]
    Renderer(model_with(model, unet=unet)).render(shots, progress=done.append)
    assert {seen[0] for seen in unet.seen} == {4}
    assert sum(done) == 4


def test_latents_that_broke_in_the_second_pass_name_the_shot_and_the_pass(model: TinyModel) -> None:
    class Breaking(Watched):
        def forward(self, x: Tensor, time: Tensor, **rest: Any) -> tuple[Tensor, ...]:
            (out,) = super().forward(x, time, **rest)
            return (out * (float("nan") if x.shape[-1] == 12 else 1),)

    with pytest.raises(RenderError, match=r"in the second pass, gave NaN or infinite latents for 1 of 1(.|\n)*a red"):
        Renderer(model_with(model, unet=Breaking(model.unet))).render([replace(SHOT, hires=HIRES)])
