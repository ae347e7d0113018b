"""Broken pictures make a recipe infeasible, with the reasons and never with a 0; what is no picture is refused."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from scorers.errors import ScorerError
from scorers.features import Features
from scorers.panel.panel import Panel

Paint = Callable[..., Tensor]
Prompts = Callable[[int, int], list[str]]


def board(x: Tensor, side: int) -> Tensor:
    """A chessboard."""
    rows, columns = torch.meshgrid(*(torch.arange(n) for n in x.shape[2:]), indexing="ij")
    return ((rows // side + columns // side) % 2).float().expand_as(x)


def half_black(x: Tensor) -> Tensor:
    """The lower half was never drawn."""
    return torch.cat([x[:, :, : x.shape[2] // 2], torch.zeros_like(x[:, :, x.shape[2] // 2 :])], dim=2)


def blotch(x: Tensor) -> Tensor:
    """Colours without an edge."""
    small = torch.nn.functional.interpolate(x, size=4, mode="area")
    return torch.nn.functional.interpolate(small, size=x.shape[2:], mode="bicubic").clamp(0, 1)


BROKEN: dict[str, tuple[Callable[[Tensor], Tensor], str]] = {
    "nan": (lambda x: x * float("nan"), "not finite"),
    "infinite": (lambda x: x / torch.zeros(()), "not finite"),
    "black": (torch.zeros_like, "black"),
    "grey": (lambda x: torch.full_like(x, 0.5), "blank"),
    "red": (lambda x: torch.tensor([0.8, 0.1, 0.1]).view(1, 3, 1, 1).expand_as(x), "blank"),
    "white": (torch.ones_like, "blank"),
    "white noise": (lambda x: torch.rand(x.shape, generator=torch.Generator().manual_seed(0)), "noise"),
    "noise all over": (
        lambda x: 0.4 * x + 0.6 * torch.rand(x.shape, generator=torch.Generator().manual_seed(0)),
        "noise",
    ),
    "blown out": (lambda x: (x > 0.5).float().amin(1, keepdim=True).expand_as(x), "clipped"),
    "half black": (half_black, "partly black"),
    "blotch": (blotch, "a blotch"),
    "chessboard": (lambda x: board(x, 4), "a grid"),
    "grid over a picture": (lambda x: (x + 0.25 * (board(x, 4) - 0.5)).clamp(0, 1), "a grid"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_broken_pictures_make_infeasible_with_reasons_never_zero(
    kind: str, calibrated: Panel, paint: Paint, prompts_of: Prompts
) -> None:
    spoil, why = BROKEN[kind]
    images = paint(1, 12, 0.5)
    images[[3, 8]] = spoil((images[[3, 8]] + 1e-3).clamp(0, 1))
    verdict = calibrated.judge(calibrated.features(images, prompts_of(1, 12), range(12)))
    assert verdict.value is None
    assert verdict.standard_error is None
    assert verdict.reasons[0] == "2 of 12 pictures broken"
    assert verdict.reasons[1].startswith("seed 3, ")
    assert why in verdict.reasons[1]
    assert not verdict.scores
    assert not verdict.penalties
    assert verdict.interval is None


def test_one_broken_of_twelve_is_left_out_and_remarked(calibrated: Panel, paint: Paint, prompts_of: Prompts) -> None:
    images = paint(1, 12, 0.5)
    images[4] = 0
    verdict = calibrated.judge(calibrated.features(images, prompts_of(1, 12), range(12)))
    assert verdict.value == pytest.approx(0, abs=1e-12)
    assert len(verdict.reasons) == 1
    assert "seed 4: black" in verdict.reasons[0]


def test_a_single_picture_of_nan_is_too_many(calibrated: Panel, paint: Paint, prompts_of: Prompts) -> None:
    images = paint(1, 12, 0.5)
    images[4, 0, 0, 0] = float("nan")
    features = calibrated.features(images, prompts_of(1, 12), range(12))
    assert calibrated.judge(features).value is None
    others = [row for row in range(12) if row != 4]
    assert np.isfinite(features.embedding("clip")[others]).all()
    assert np.isnan(features.brightest[4])


def test_scenes_of_every_style_and_references_are_intact_and_have_no_penalty(
    calibrated: Panel, look: Callable[..., Features]
) -> None:
    for amount in (0.0, 0.25, 0.5, 0.75, 1.0):
        assert not any(look(amount).broken)
        assert not calibrated.judge(look(amount)).penalties
    assert not any(calibrated.reviewed(calibrated.references).broken)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (torch.zeros(3, 64, 64), "float"),
        (torch.zeros(1, 3, 64, 64, dtype=torch.uint8), "float"),
        (torch.full((1, 3, 64, 64), 255.0), "in 0..1"),
        (torch.zeros(2, 3, 64, 64), "one of each"),
    ],
)
def test_other_tensors_are_refused(calibrated: Panel, images: Tensor, message: str) -> None:
    with pytest.raises(ScorerError, match=message):
        calibrated.features(images, ["a cat"], [0])


def test_a_slot_given_twice_is_refused(calibrated: Panel) -> None:
    with pytest.raises(ScorerError, match="two pictures of one slot"):
        calibrated.features(torch.rand(2, 3, 64, 64), ["a cat", "a cat"], [5, 5])
