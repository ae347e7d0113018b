"""Limits of broken pictures on whole pictures: what a failing decoder draws, and pictures that are merely unusual."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from scorers.encoders.preprocess import load_pictures
from scorers.extraction.guards import Limits, reason
from scorers.extraction.statistics import STATISTICS, measure
from studies.sample.world import WORLD

PLAIN = Limits()


def reasons(pictures: Tensor) -> list[str]:
    """Why each is broken by the plain limits."""
    measured = measure(pictures, min(512, *pictures.shape[2:])).numpy()
    return [reason(row, float(one.max()), PLAIN) for row, one in zip(measured, pictures, strict=True)]


def cells(side: int, size: int, contrast: float) -> Tensor:
    """Random colours in squares, as a decoder makes of a latent that holds nothing; sixteen pictures."""
    random = torch.rand(16, 3, size // side, size // side, generator=torch.Generator().manual_seed(size))
    return (0.5 + contrast * (random - 0.5)).repeat_interleave(side, 2).repeat_interleave(side, 3)


@pytest.mark.parametrize("size", [192, 256])
@pytest.mark.parametrize("contrast", [0.3, 1.0])
def test_cells_of_random_colours_are_noise(size: int, contrast: float) -> None:
    assert all("neighbouring cells" in why for why in reasons(cells(8, size, contrast)))


@pytest.mark.parametrize("side", [1, 2, 4])
def test_patterns_of_the_latents_grain_are_a_grid_also_over_a_picture(side: int) -> None:
    (picture,) = load_pictures([WORLD / "references" / "00.png"])
    x = torch.arange(picture.shape[-1])
    board = ((x[:, None] // side + x[None] // side) % 2).float()
    stripes = ((x // side) % 2).float().expand_as(board)
    for pattern in (board, stripes):
        over = (picture + 0.3 * (pattern - 0.5)).clamp(0, 1)
        assert all("repeats every 8 pixels" in why for why in reasons(torch.stack([pattern.expand_as(picture), over])))


def test_real_renders_are_sound_by_the_plain_limits() -> None:
    pictures = torch.stack(load_pictures(sorted((WORLD / "references").glob("*.png"))))
    assert reasons(pictures) == [""] * len(pictures)
    for size in (64, 192):
        other = torch.nn.functional.interpolate(pictures, size=size, mode="bicubic", antialias=True).clamp(0, 1)
        assert reasons(other) == [""] * len(pictures)


def test_pictures_that_are_merely_unusual_are_sound() -> None:
    (picture,) = load_pictures([WORLD / "references" / "00.png"])
    night = picture * 0.15
    framed = torch.nn.functional.pad(picture, (16, 16, 0, 0))
    on_white = torch.nn.functional.pad(picture[:, 16:80, 16:80], (8, 8, 8, 8), value=1.0)
    grey = picture.mean(0, keepdim=True).expand_as(picture)
    pale = 0.8 + 0.2 * picture
    for one in (night, framed, on_white, grey, pale):
        assert reasons(one[None]) == [""]


def test_grid_and_coherence_of_pictures_that_are_known() -> None:
    x = torch.arange(64) / 63
    ramp, board = x.expand(3, 64, 64), ((torch.arange(64) // 8) % 2).float()
    measured = measure(torch.stack([ramp, (board[:, None] - board[None]).abs().expand(3, 64, 64)]), 64)
    grid, coherence = measured[:, STATISTICS.index("grid")], measured[:, STATISTICS.index("coherence")]
    torch.testing.assert_close(grid, torch.zeros(2), atol=5e-3, rtol=0)
    assert coherence[0] > 0.7
    assert coherence[1] == pytest.approx(-1)
    assert measure(torch.rand(1, 3, 12, 40), 12)[0, STATISTICS.index("coherence")] == 1
