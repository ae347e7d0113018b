"""Settings that pictures usually leave alone, on a tiny model and on noise, against the WebUI's formulas."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from engine.prompts.conditioner import Conditioner, ConditioningRequest
from engine.rendering.conditioning_rows import Conditioning
from engine.rendering.first_pass import groups_of
from engine.rendering.guidance import Guidance
from engine.rendering.noise import NoiseSource
from engine.rendering.noise_memory import stream_of
from engine.rendering.renderer import Renderer
from engine.sampling.schedules import sigmas_for
from engine.sampling.sigmas import sd1_levels
from engine.shots.hires import Hires
from engine.shots.limits import RNGS
from engine.shots.options import PictureOptions
from engine.shots.shot import Shot
from tests.engine.models.tiny_models import TinyModel, tiny_model
from tests.engine.rendering.test_renderer import Watched, model_with

SHOT = Shot(prompt="a red house", negative="grey", seed=5, width=96, height=96, steps=4, cfg=3.5, sampler="Euler")
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def model() -> TinyModel:
    return tiny_model()


def with_options(shot: Shot = SHOT, **options: Any) -> Shot:
    return replace(shot, options=PictureOptions(**options))


def rows_of(model: TinyModel, shot: Shot) -> list[int]:
    """How many rows the UNet is given at each call."""
    watched = Watched(model.unet)
    Renderer(model_with(model, unet=watched)).render([shot])
    return watched.batches


# ------------------------------------------------------------------------------------------------------- emphasis


def context(model: TinyModel, text: str, emphasis: str) -> Tensor:
    request = ConditioningRequest(text=text, clip_skip=1, emphasis=emphasis)
    return Conditioner(model.text_encoder).timelines([request])[0].contexts[0]


def test_no_norm_applies_weights_and_leaves_the_mean(model: TinyModel) -> None:
    plain, found = context(model, "a red house", "Original"), context(model, "a (red:1.5) house", "No norm")
    expected = plain.clone()
    expected[2] *= 1.5  # start, "a", "red"
    torch.testing.assert_close(found, expected)
    restored = context(model, "a (red:1.5) house", "Original")
    torch.testing.assert_close(restored, expected * (plain.mean() / expected.mean()), rtol=1e-4, atol=1e-5)


def test_ignore_parses_weights_and_none_does_not(model: TinyModel) -> None:
    plain = context(model, "a red house", "Original")
    assert torch.equal(context(model, "a (red:1.5) house", "Ignore"), plain)
    literal = context(model, "a (red:1.5) house", "None")
    assert not torch.equal(literal, plain)
    assert torch.equal(literal, context(model, r"a \(red:1.5\) house", "Original"))
    assert len(context(model, "a BREAK b", "None")) == 77
    assert len(context(model, "a BREAK b", "Original")) == 154


def test_one_conditioner_keeps_kinds_of_emphasis_apart(model: TinyModel) -> None:
    requests = [
        ConditioningRequest(text="a (red:1.5) house", clip_skip=1, emphasis=emphasis)
        for emphasis in ("Original", "No norm", "Ignore", "None")
    ]
    contexts = [line.contexts[0] for line in Conditioner(model.text_encoder).timelines(requests)]
    assert len({tuple(one.flatten().tolist()) for one in contexts}) == 4


@pytest.mark.parametrize("emphasis", ["No norm", "Ignore", "None"])
def test_emphasis_reaches_the_picture(model: TinyModel, emphasis: str) -> None:
    shot = replace(SHOT, prompt="a (red:1.5) house")
    renderer = Renderer(model)
    assert not torch.equal(renderer.render([shot]), renderer.render([with_options(shot, emphasis=emphasis)]))


# -------------------------------------------------------------------------------------------- without the negative


def test_below_a_level_every_second_call_is_without_the_negative(model: TinyModel) -> None:
    sigmas = sigmas_for("Euler", "Automatic", 4, sd1_levels())
    assert rows_of(model, SHOT) == [2, 2, 2, 2]
    assert rows_of(model, with_options(ngms=15.0)) == [2, 1, 2, 1]
    assert rows_of(model, with_options(ngms=sigmas[1])) == [2, 2, 2, 1]  # only levels below it count
    assert rows_of(model, with_options(ngms=15.0, ngms_all=True)) == [1, 1, 1, 1]


def test_samplers_with_levels_of_their_own_compare_the_time(model: TinyModel) -> None:
    """As the WebUI does, whose DDIM hands it the time in place of the noise level."""
    shot = replace(SHOT, sampler="DDIM", steps=5)
    assert rows_of(model, with_options(shot, ngms=15.0, ngms_all=True)) == [2, 2, 2, 2]


def test_early_calls_are_without_the_negative(model: TinyModel) -> None:
    assert rows_of(model, with_options(skip_early_cfg=0.25)) == [1, 1, 2, 2]  # calls 0 and 1 of 4
    heun = replace(SHOT, sampler="Heun", steps=2)
    assert rows_of(model, with_options(heun, skip_early_cfg=0.25)) == [1, 1, 2]  # of 4, the last of which is not made


def test_without_the_negative_the_first_part_takes_its_place(model: TinyModel) -> None:
    """``c0 + sum(w_i (c_i - c0))``: the CFG scale does not count."""
    shot = with_options(replace(SHOT, prompt="a cat AND a dog :0.5"), ngms=15.0, ngms_all=True)
    guidance = Guidance([shot], Conditioner(model.text_encoder), CPU)
    asked: list[Tensor] = []

    def predict(rows: Tensor, given: Conditioning) -> Tensor:
        asked.append(given.contexts)
        return torch.tensor([3.0, 7.0]).view(2, 1, 1, 1).expand(len(rows), 4, 2, 2)

    found = guidance.noise(0, predict, 1.0)
    assert [len(contexts) for contexts in asked] == [2]
    assert found.unique().tolist() == [3 + 0.5 * (7 - 3)]


def test_other_options_are_other_groups() -> None:
    shots = [SHOT, with_options(ngms=1.0), with_options(sigma_max=10.0), SHOT]
    assert groups_of(shots) == [[0, 3], [1], [2]]


# ---------------------------------------------------------------------------------------------------------- noise


def first_noise(shot: Shot) -> Tensor:
    return NoiseSource([shot], CPU).first()[0]


@pytest.mark.parametrize("rng", RNGS)
def test_variation_turns_the_noise_towards_that_of_another_seed(rng: str) -> None:
    """Every column of the height, by the angle between the two."""
    shot = replace(SHOT, rng=rng)
    low, high = (stream_of(rng, seed)((4, 12, 12)).double() for seed in (5, 9))
    found = first_noise(with_options(shot, variation_seed=9, variation_strength=0.3)).double()
    for channel, column in ((0, 0), (2, 7), (3, 11)):
        a, b = low[channel, :, column], high[channel, :, column]
        angle = math.acos(float(a @ b / (a.norm() * b.norm())))
        turned = (math.sin(0.7 * angle) * a + math.sin(0.3 * angle) * b) / math.sin(angle)
        torch.testing.assert_close(found[channel, :, column], turned, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(first_noise(with_options(shot, variation_seed=9, variation_strength=1.0)), high.float())


def test_a_variation_of_the_same_seed_is_the_noise_itself() -> None:
    found = first_noise(with_options(variation_seed=5, variation_strength=0.4))
    torch.testing.assert_close(found, first_noise(SHOT))


@pytest.mark.parametrize("rng", RNGS)
@pytest.mark.parametrize(
    ("size", "ours", "theirs"),
    [
        ((64, 80), (slice(1, 11), slice(2, 10)), (slice(0, 10), slice(0, 8))),  # smaller: in the middle
        ((160, 112), (slice(0, 12), slice(0, 12)), (slice(1, 13), slice(4, 16))),  # larger: its middle
    ],
)
def test_noise_of_another_size_lies_in_the_middle(rng: str, size: tuple[int, int], ours: Any, theirs: Any) -> None:
    shot = replace(SHOT, rng=rng)
    found = first_noise(with_options(shot, seed_resize=size))
    given = stream_of(rng, 5)((4, size[1] // 8, size[0] // 8))
    expected = first_noise(shot).clone()
    expected[:, ours[0], ours[1]] = given[:, theirs[0], theirs[1]]
    assert torch.equal(found, expected)


def test_noise_after_the_first_is_not_moved_by_a_variation() -> None:
    def second(shot: Shot) -> Tensor:
        source = NoiseSource([shot], CPU)
        source.first()
        return source.after((1.0, 0.5))(1.0, 0.5)

    plain = second(replace(SHOT, sampler="Euler a"))
    for options in ({"variation_strength": 0.5}, {"seed_resize": (64, 64)}):
        assert torch.equal(second(with_options(replace(SHOT, sampler="Euler a"), **options)), plain)


# ------------------------------------------------------------------------------------------------- all of them


@pytest.mark.parametrize(
    "options",
    [{"s_churn": 5.0}, {"sigma_max": 10.0}, {"sigma_min": 0.5}, {"rho": 3.0}, {"variation_strength": 0.5}],
)
def test_options_reach_both_passes(model: TinyModel, options: dict[str, Any]) -> None:
    shot = replace(SHOT, schedule="Karras", hires=Hires(scale=1.25, denoise=0.6, upscaler="Latent"))
    renderer = Renderer(model)
    assert not torch.equal(renderer.render([shot]), renderer.render([with_options(shot, **options)]))
    once = replace(shot, hires=None)
    assert not torch.equal(renderer.render([once]), renderer.render([with_options(once, **options)]))
