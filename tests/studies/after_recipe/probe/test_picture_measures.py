"""Measures of pictures: known colours, known distances, and signs that go the way people mean them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scorers.extraction.statistics import measure
from studies.after_recipe.probe.picture_measures import (
    DISTANCES,
    MEASURES,
    inner_products,
    lab_of,
    layout,
    length,
    mean_colour,
    statistic_measures,
)
from studies.drawing.sheets import RgbPicture


def plain(*colour: int, size: tuple[int, int] = (32, 48)) -> RgbPicture:
    return np.broadcast_to(np.array(colour, dtype=np.uint8), (*size, 3)).copy()


def noisy(seed: int, size: tuple[int, int] = (32, 48)) -> RgbPicture:
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)


def distance(one: RgbPicture, other: RgbPicture) -> dict[str, float]:
    products = inner_products([one, other])
    return {name: float(length(np.array([[-1.0, 1.0]]), products[name])[0]) for name in DISTANCES}


def test_colours_are_those_of_cielab() -> None:
    """Values of the CIE's definitions: white and black have no colour, and sRGB's primaries are well known."""
    for colour, expected in {
        (255, 255, 255): (100, 0, 0),
        (0, 0, 0): (0, 0, 0),
        (255, 0, 0): (53.24, 80.09, 67.20),
        (0, 255, 0): (87.73, -86.18, 83.18),
        (0, 0, 255): (32.30, 79.19, -107.86),
    }.items():
        assert lab_of(plain(*colour))[0, 0] == pytest.approx(expected, abs=0.05)
    half = np.concatenate([plain(255, 0, 0), plain(0, 0, 0)])
    assert mean_colour(half) == pytest.approx((80.09 / 2, 67.20 / 2), abs=0.05)


def test_distances_are_plain_ones() -> None:
    assert distance(noisy(1), noisy(1)) == {"pixels": 0, "colour": 0, "composition": 0}
    lighter = distance(plain(100, 100, 100), plain(110, 110, 110))
    assert lighter["pixels"] == pytest.approx(10)
    assert lighter["colour"] == pytest.approx(0, abs=0.01)
    assert lighter["composition"] == pytest.approx(0, abs=1e-6)
    one, other = noisy(1), noisy(2)
    expected = np.sqrt(np.square(one.astype(float) - other).mean())
    assert distance(one, other)["pixels"] == pytest.approx(expected)


def test_weighted_sums_of_pictures_have_the_length_that_they_have() -> None:
    pictures = [noisy(seed, (70, 90)) for seed in range(5)]
    weights = np.array([[0.5, 0.5, -0.25, -0.25, -0.5], [1, 0, 0, 0, -1.0]])
    mixed = np.einsum("rp,phwc->rhwc", weights, np.stack(pictures).astype(float))
    expected = np.sqrt(np.square(mixed).reshape(2, -1).mean(1))
    assert length(weights, inner_products(pictures)["pixels"]) == pytest.approx(expected)
    assert np.isnan(length(np.full((1, 5), np.nan), inner_products(pictures)["pixels"])).all()


def test_equal_pictures_have_no_distance_at_all() -> None:
    """Also where weights come to 0 by rounding alone."""
    products = inner_products([noisy(1)] * 3)
    assert [length(np.array([[0.1, 0.2, -0.3]]), products[name])[0] for name in DISTANCES] == [0, 0, 0]


def test_composition_is_where_it_is_light_not_how_fine_it_is() -> None:
    left, right = plain(0, 0, 0), plain(0, 0, 0)
    left[:, :24], right[:, 24:] = 200, 200
    fine = plain(100, 100, 100)
    fine[::2, ::2], fine[1::2, 1::2] = 120, 80
    assert layout(left).shape == (8 * 12,)
    assert distance(left, right)["composition"] == pytest.approx(200)
    assert distance(fine, plain(100, 100, 100))["composition"] < 1


def signed(picture: RgbPicture) -> dict[str, float]:
    images = torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255
    return {name: float(value[0]) for name, value in statistic_measures(measure(images, 32).numpy()).items()}


def test_signs_go_the_way_people_mean_them() -> None:
    base = np.clip(noisy(3).astype(int) // 4 + 96, 0, 255)

    def change(picture: np.ndarray) -> dict[str, float]:
        after, before = signed(np.clip(picture, 0, 255).astype(np.uint8)), signed(base.astype(np.uint8))
        return {name: after[name] - before[name] for name in after}

    assert change(base + np.array([20, 0, -20]))["warmth"] == pytest.approx(40, abs=0.5)
    assert change(base + 10)["brightness"] == pytest.approx(10, abs=0.1)
    assert change((base - 128) * 2 + 128)["contrast"] > 5
    assert change((base - 128) * 2 + 128)["detail"] > 5
    grey = np.broadcast_to(base.mean(2, keepdims=True), base.shape)
    assert change(grey)["saturation"] < -5
    smooth = (base + np.roll(base, 1, 0) + np.roll(base, 1, 1) + np.roll(base, (1, 1), (0, 1))) / 4
    assert change(smooth)["detail"] < -3


def test_every_measure_has_its_way_to_be_taken() -> None:
    taken = {*inner_products([noisy(1), noisy(2)]), *signed(noisy(1)), "style", "fidelity"}
    assert taken == {one.name for one in MEASURES}
