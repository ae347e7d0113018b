"""Prompts of several lengths in one UNet call, behind a mask, and what is made once for all trials."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import cycle
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from engine.architecture.configs import ModelFamily
from engine.architecture.widths import SD1
from engine.prompts.conditioner import Conditioner
from engine.rendering.conditioning_rows import Packing
from engine.rendering.denoiser import PREPARED_RUNS, Denoiser
from engine.rendering.renderer import Renderer
from engine.sampling.sigmas import sd1_levels
from engine.shots.compatibility import Compatibility
from engine.shots.options import PictureOptions
from engine.shots.samplers import SAMPLERS
from engine.shots.shot import Shot
from tests.engine.models.tiny_models import TinyModel, tiny_model
from tests.engine.rendering.test_renderer import COMPANY, Watched, model_with

SHOT = Shot(prompt="a red house", negative="grey", seed=5, width=96, height=64, steps=3, cfg=3.5)
LONG = "cat " * 90
ROUNDING = 3 * COMPANY
"""How far a picture may move: composed prompts amplify the last bits, by 2.6e-4 when rendered alone or in company."""
PROMPTS = ("a red house", "[cat:dog:0.5] (x:0.7)", "a cat AND a dog :0.6 AND BREAK b :-0.2", LONG, "a cat:1.5")
SHOTS = [
    replace(SHOT, prompt=prompt, negative=negative, seed=seed)
    for seed, (prompt, negative) in enumerate(zip(PROMPTS, cycle(("", "[a|b] BREAK c"))))
]


@pytest.fixture(scope="module")
def model() -> TinyModel:
    return tiny_model()


def renderer_with(model: Any, packing: Packing) -> Renderer:
    """A renderer whose rows go through the UNet in a given way."""
    renderer, family = Renderer(model), ModelFamily(widths=SD1)
    conditioner = Conditioner(model.text_encoder)
    renderer.denoiser = Denoiser(model, family, sd1_levels(), conditioner, packing=packing)
    return renderer


# ----------------------------------------------------------------------------------------------------- one call


@pytest.mark.parametrize("sampler", ["DPM++ 2M", "Euler a", "DDIM CFG++", "DPM++ SDE"])
def test_one_call_of_all_lengths_gives_the_pictures_of_a_call_for_each(model: TinyModel, sampler: str):
    shots = [replace(shot, sampler=sampler) for shot in SHOTS]
    apart, joined = Watched(model.unet), Watched(model.unet)
    expected = renderer_with(model_with(model, unet=apart), Packing()).render(shots)
    found = renderer_with(model_with(model, unet=joined), Packing(joined=True)).render(shots)
    assert float((found - expected).abs().max()) < ROUNDING
    assert len(joined.batches) < len(apart.batches)
    assert sum(joined.batches) == sum(apart.batches)


def test_a_long_prompt_and_a_short_negative_take_one_call_a_step(model: TinyModel):
    unet = Watched(model.unet)
    shots = [replace(SHOT, prompt=LONG, seed=seed) for seed in (1, 2)]
    renderer_with(model_with(model, unet=unet), Packing(joined=True)).render(shots)
    assert unet.batches == [4] * 3


def test_the_mask_hides_what_fills_a_context_up(model: TinyModel):
    """Without it the same tokens would change the picture: it is the mask that is tested above."""

    class Unmasked(Watched):
        def forward(self, x: Any, time: Any, **rest: Any) -> Any:
            rest.pop("encoder_attention_mask", None)
            return super().forward(x, time, **rest)

    shots = [replace(SHOT, prompt=LONG)]
    right = renderer_with(model, Packing(joined=True)).render(shots)
    wrong = renderer_with(model_with(model, unet=Unmasked(model.unet)), Packing(joined=True)).render(shots)
    assert float((right - wrong).abs().max()) > 10 * ROUNDING


@pytest.mark.parametrize(
    "shot",
    [
        replace(SHOT, prompt=LONG, compatibility=Compatibility(padded_negatives=True)),
        replace(SHOT, prompt=f"{LONG} AND b", options=PictureOptions(ngms=4.0)),
        replace(SHOT, prompt=LONG, options=PictureOptions(skip_early_cfg=0.5)),
        replace(SHOT, prompt=LONG, cfg=1),
    ],
)
def test_options_of_guidance_hold_in_one_call_too(model: TinyModel, shot: Shot):
    expected = renderer_with(model, Packing()).render([shot])
    found = renderer_with(model, Packing(joined=True)).render([shot])
    assert float((found - expected).abs().max()) < ROUNDING


def test_equal_lengths_need_no_mask_on_a_gpu():
    gpu = Packing.on(torch.device("cuda"))
    assert gpu.joined
    assert not gpu.aligned
    assert Packing.on(torch.device("cpu")) == Packing(aligned=True)


# --------------------------------------------------------------------------------------------- once for all trials


class Counting(TorchDispatchMode):
    """Counts numbers that are read out of tensors, for each of which a GPU would be waited for."""

    reads = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        self.reads += func is torch.ops.aten._local_scalar_dense.default
        return func(*args, **(kwargs or {}))


def reads_of(work: Callable[[], object]) -> int:
    with Counting() as counting:
        work()
    return counting.reads


@pytest.mark.parametrize("sampler", [name for name in SAMPLERS if name != "DPM adaptive"])
def test_no_step_reads_a_number_out_of_a_tensor(model: TinyModel, sampler: str):
    """DPM adaptive does: its steps depend on the latents. DPM++ SDE reads from tensors that are always on the CPU."""
    renderer = renderer_with(model, Packing(joined=True))
    denoiser, shots = renderer.denoiser, [replace(shot, sampler=sampler, steps=6) for shot in SHOTS]
    with torch.inference_mode():
        denoise, x, level = denoiser.of(shots), torch.randn(5, 4, 8, 12), 3.0
        denoise(x, level)
        assert reads_of(lambda: denoise(x, level)) == 0
    assert reads_of(lambda: torch.ones(3).sum().item()) == 1


def test_a_second_trial_encodes_and_prepares_nothing(model: TinyModel):
    renderer = Renderer(model)
    before = renderer.render(SHOTS)

    class Unasked(Conditioner):
        def timelines(self, requests: Any) -> Any:
            raise AssertionError("asked again")

    renderer.denoiser._conditioner.__class__ = Unasked  # pyright: ignore[reportPrivateUsage]
    assert torch.equal(renderer.render(SHOTS), before)


def test_new_text_encoder_weights_are_seen(model: TinyModel):
    own = tiny_model()
    renderer = Renderer(own)
    before = renderer.render(SHOTS[:1])
    with torch.no_grad():
        for weight in own.text_encoder.parameters():
            weight.mul_(1.5)
    assert torch.equal(renderer.render(SHOTS[:1]), before)
    renderer.forget_text()
    after = renderer.render(SHOTS[:1])
    assert torch.equal(after, Renderer(own).render(SHOTS[:1]))
    assert not torch.equal(after, before)


def test_prepared_runs_are_bounded_and_not_kept_where_derivatives_are_taken(model: TinyModel):
    denoiser = Renderer(model).denoiser
    runs = denoiser._runs  # pyright: ignore[reportPrivateUsage]
    denoiser.of(SHOTS)
    assert not runs
    with torch.inference_mode():
        for seed in range(PREPARED_RUNS + 3):
            denoiser.of([replace(SHOT, seed=seed)])
    assert len(runs) == PREPARED_RUNS
