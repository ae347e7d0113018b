"""Statistics against closed forms, and the direction in which each operation moves them."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from scorers.extraction.statistics import STATISTICS, measure, working_size


def measured(images: Tensor, size: int | None = None) -> dict[str, float]:
    """Statistics of one picture by name."""
    return dict(zip(STATISTICS, measure(images[None], size or min(images.shape[1:]))[0].tolist(), strict=True))


def uniform(red: float, green: float, blue: float) -> Tensor:
    """One colour all over."""
    return torch.tensor([red, green, blue]).view(3, 1, 1).expand(3, 32, 48).clone()


def checkerboard(cell: int = 1) -> Tensor:
    """Black and white cells."""
    y, x = torch.meshgrid(torch.arange(32), torch.arange(32), indexing="ij")
    return ((y // cell + x // cell) % 2).float().expand(3, 32, 32).clone()


def test_uniform_colour() -> None:
    got = measured(uniform(0.8, 0.5, 0.2))
    rg, yb = 255 * 0.3, 255 * (0.65 - 0.2)
    want = {
        "colourfulness": 0.3 * math.hypot(rg, yb),
        "saturation": 0.75,
        "chroma": 0.6,
        "brightness": 0.299 * 0.8 + 0.587 * 0.5 + 0.114 * 0.2,
        "rms_contrast": 0.0,
        "range_5_95": 0.0,
        "clip_frac": 0.0,
        "log_lap_var": math.log(1e-6),
        "edge_density": 0.0,
        "hf_ratio": 0.0,
        "warmth": 0.6,
        "green_magenta": 0.0,
        "dark_frac": 0.0,
        "grid": 0.0,
        "coherence": 1.0,
    }
    assert got == pytest.approx(want, abs=1e-3)


def test_checkerboard() -> None:
    got = measured(checkerboard())
    assert got["rms_contrast"] == pytest.approx(0.5, abs=1e-5)
    assert got["range_5_95"] == pytest.approx(1)
    assert got["clip_frac"] == 1
    assert got["colourfulness"] == pytest.approx(0, abs=1e-4)
    # the Laplacian is +-4 * 255 in turn, so its variance is (4 * 255) ** 2
    assert got["log_lap_var"] == pytest.approx(2 * math.log(4 * 255), abs=1e-4)
    assert got["hf_ratio"] == pytest.approx(1, abs=0.02)
    assert got["edge_density"] == 0  # neighbours two apart are equal: Sobel does not see it


def test_one_edge_is_seen_by_sobel_in_two_columns() -> None:
    half = torch.cat([torch.zeros(3, 34, 17), torch.ones(3, 34, 17)], dim=2)
    assert measured(half)["edge_density"] == pytest.approx(2 / 32)


def test_white_noise_and_blotch_have_their_signatures() -> None:
    generator = torch.Generator().manual_seed(0)
    noise = measured(torch.rand(3, 96, 96, generator=generator))
    blotch = F.interpolate(torch.rand(1, 3, 3, 3, generator=generator), size=96, mode="bicubic").clamp(0, 1)[0]
    assert noise["hf_ratio"] == pytest.approx(0.89, abs=0.02)
    assert noise["log_lap_var"] == pytest.approx(10.8, abs=0.1)
    assert measured(blotch)["hf_ratio"] < 1e-3
    assert measured(blotch)["log_lap_var"] < 0


def grey(x: Tensor) -> Tensor:
    return (x * torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(1, keepdim=True)


OPERATIONS: dict[str, tuple[Callable[[Tensor], Tensor], set[str], set[str], set[str]]] = {
    # operation, statistics that rise, that fall, that stay within a tenth of their spread over pictures
    "saturation": (
        lambda x: grey(x) + 1.3 * (x - grey(x)),
        {"colourfulness", "chroma", "saturation"},
        set(),
        {"rms_contrast", "range_5_95", "log_lap_var", "hf_ratio", "brightness"},
    ),
    "contrast": (
        lambda x: x.mean((1, 2, 3), keepdim=True) + 1.2 * (x - x.mean((1, 2, 3), keepdim=True)),
        {"colourfulness", "chroma", "rms_contrast", "range_5_95", "log_lap_var", "edge_density"},
        set(),
        {"hf_ratio"},
    ),
    "flattened": (
        lambda x: F.interpolate(F.avg_pool2d(x, 2), scale_factor=2, mode="bilinear"),
        set(),
        {"log_lap_var", "hf_ratio", "edge_density"},
        {"warmth", "brightness"},
    ),
    "noise": (
        lambda x: x + 0.03 * torch.randn(x.shape, generator=torch.Generator().manual_seed(1)),
        {"log_lap_var", "hf_ratio"},
        set(),
        {"warmth", "green_magenta", "brightness"},
    ),
    "warm": (
        lambda x: x + torch.tensor([0.03, 0.0, -0.03]).view(1, 3, 1, 1),
        {"warmth"},
        set(),
        {"log_lap_var", "hf_ratio", "rms_contrast"},
    ),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_operations_move_statistics_in_the_right_direction(name: str, paint: Callable[..., Tensor]) -> None:
    operation, up, down, still = OPERATIONS[name]
    pictures = 0.2 + 0.6 * paint(1, 12, 0.5)  # room on both sides, so that nothing is clipped
    before, after = measure(pictures, 64), measure(operation(pictures), 64)
    change = dict(zip(STATISTICS, (after - before).unbind(1), strict=True))
    spread = dict(zip(STATISTICS, before.std(0).tolist(), strict=True))
    for statistic in up:
        assert (change[statistic] > 0).all(), statistic
    for statistic in down:
        assert (change[statistic] < 0).all(), statistic
    for statistic in still:
        assert change[statistic].mean().abs() < 0.1 * spread[statistic], statistic


def test_one_working_size_makes_sizes_comparable(paint: Callable[..., Tensor]) -> None:
    small = paint(1, 12, 0.5)[0]
    large = F.interpolate(small[None], scale_factor=3, mode="bicubic").clamp(0, 1)[0]
    assert measured(large)["hf_ratio"] < 0.5 * measured(small)["hf_ratio"]
    assert measured(large, 64)["hf_ratio"] == pytest.approx(measured(small)["hf_ratio"], rel=0.35)
    assert working_size([1024, 768]) == 512
    assert working_size([1024, 96]) == 96


def test_many_large_pictures_fit() -> None:
    """Quantiles over more values than torch takes at once."""
    assert measure(torch.rand(9, 3, 16, 32), 16).shape == (9, len(STATISTICS))


def test_large_pictures_are_convolved_in_strips_of_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    images = torch.rand(2, 3, 333, 257, generator=torch.Generator().manual_seed(3))
    whole = measure(images, 128)
    for strip in (1, 8 * 2 * 256, 50 * 2 * 256):
        monkeypatch.setattr("scorers.extraction.statistics.STRIP", strip)
        assert torch.equal(measure(images, 128), whole)
