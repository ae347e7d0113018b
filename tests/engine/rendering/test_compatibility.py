"""Pictures as old WebUIs made them: schedules, padded negatives and levels of half precision reach the UNet."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from engine.prompts.conditioner import Conditioner
from engine.rendering.conditioning_rows import Conditioning
from engine.rendering.guidance import Guidance
from engine.rendering.renderer import Renderer
from engine.sampling.sigmas import levels_of
from engine.shots.compatibility import Compatibility
from engine.shots.hires import Hires
from engine.shots.shot import Shot
from tests.engine.models.tiny_models import TinyModel, tiny_model

CPU = torch.device("cpu")
SHOT = Shot(prompt="a red house", negative="grey", seed=5, width=64, height=64, steps=4, cfg=3.5, sampler="Euler")
OLD_TIMELINES, PADDED = Compatibility(old_timelines=True), Compatibility(padded_negatives=True)
HALF = Compatibility(half_levels=True)
LONG = "cat " * 90


@pytest.fixture(scope="module")
def model() -> TinyModel:
    return tiny_model()


def contexts(model: TinyModel, shot: Shot, call: int, base_calls: int | None = None) -> dict[int, list[Tensor]]:
    """What the UNet reads at a call, by number of tokens."""
    seen: dict[int, list[Tensor]] = {}

    def predict(rows: Tensor, given: Conditioning) -> Tensor:
        seen.setdefault(given.contexts.shape[1], []).extend(given.contexts)
        return torch.zeros(len(rows), 4, 8, 8)

    Guidance([shot], Conditioner(model.text_encoder), CPU, base_calls=base_calls).noise(call, predict)
    return seen


@pytest.mark.parametrize(("prompt", "negative"), [(LONG, "grey"), ("grey", LONG), (f"{LONG} AND x", "grey")])
def test_a_negative_is_padded_with_its_last_token_or_cut_to_the_prompts_length(
    model: TinyModel, prompt: str, negative: str
) -> None:
    shot = replace(SHOT, prompt=prompt, negative=negative)
    plain = Conditioner(model.text_encoder).encode([(negative, 1)])[0]
    assert set(contexts(model, shot, 0)) == {77, 154}
    seen = contexts(model, replace(shot, compatibility=PADDED), 0)
    tokens = 154 if prompt != "grey" else 77
    assert set(seen) == {tokens}
    padded = seen[tokens][0]
    shared = min(tokens, len(plain))
    assert torch.allclose(padded[:shared], plain[:shared], atol=1e-5)
    assert all(torch.equal(row, padded[shared - 1]) for row in padded[shared:])


def texts_of(model: TinyModel, shot: Shot, call: int, base_calls: int | None = None) -> str:
    """Which of the two words the prompt is at a call."""
    (_, now) = contexts(model, shot, call, base_calls)[77]
    known = Conditioner(model.text_encoder).encode([("cat", 1), ("dog", 1)])
    return next(word for word, one in zip(("cat", "dog"), known, strict=True) if torch.allclose(now, one, atol=1e-4))


def test_old_schedules_count_steps_where_todays_take_fractions(model: TinyModel) -> None:
    shot = replace(SHOT, prompt="[cat:dog:1.5]", steps=10)
    old = replace(shot, compatibility=OLD_TIMELINES)
    assert [texts_of(model, shot, call) for call in (0, 5, 9)] == ["cat"] * 3
    assert [texts_of(model, old, call) for call in (0, 1, 2, 9)] == ["cat", "cat", "dog", "dog"]


def test_an_old_second_pass_counts_the_steps_of_the_first(model: TinyModel) -> None:
    shot = replace(SHOT, prompt="[cat:dog:.5]", steps=10)  # the second pass, after 20 steps of the first
    old = replace(shot, compatibility=OLD_TIMELINES)
    assert {texts_of(model, old, call, 20) for call in range(10)} == {"cat"}
    assert {texts_of(model, shot, call, 20) for call in range(10)} == {"dog"}
    assert [texts_of(model, replace(old, steps=20), call, 10) for call in (0, 5, 6, 10)] == ["cat", "cat", "dog", "dog"]


def test_levels_of_half_precision_are_sampled(model: TinyModel) -> None:
    renderer = Renderer(model)
    half = replace(SHOT, compatibility=HALF)
    levels = levels_of(sdxl=False, zero_terminal=False, half=True)
    assert renderer.denoiser.levels_of(half).lowest == pytest.approx(levels.lowest)
    assert renderer.denoiser.levels_of(SHOT).lowest < levels.lowest
    today, old = renderer.render([SHOT]), renderer.render([half])
    assert not torch.equal(today, old)
    both = renderer.render([SHOT, half])
    assert torch.allclose(both, torch.cat((today, old)), atol=1e-5), "each in its own group"


def test_a_second_pass_is_as_old_as_the_first(model: TinyModel) -> None:
    hires = replace(SHOT, hires=Hires(scale=1.5, steps=2, denoise=0.5), compatibility=HALF)
    assert hires.second is not None
    assert hires.second.compatibility == HALF
    today = replace(hires, compatibility=Compatibility())
    renderer = Renderer(model)
    assert not torch.equal(renderer.render([hires]), renderer.render([today]))
