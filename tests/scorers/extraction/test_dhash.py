"""The difference hash stays when a picture is scaled or recoloured, and tells other pictures apart."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from scorers.extraction.dhash import difference_hashes, distances


def test_bits_are_the_signs_of_neighbours() -> None:
    rising = torch.linspace(0, 1, 9).expand(1, 3, 8, 9)
    waves = torch.tensor([0.0, 1.0] * 4 + [0.0]).expand(1, 3, 8, 9)
    pictures = torch.cat([rising, rising.flip(-1), waves])
    assert [f"{value:016x}" for value in difference_hashes(pictures)] == ["f" * 16, "0" * 16, "aa" * 8]


def test_distances_count_bits() -> None:
    some = np.array([0, 2**64 - 1, 0b1011], np.uint64)
    assert distances(some, some).tolist() == [[0, 64, 3], [64, 0, 61], [3, 61, 0]]


def test_copies_are_near_and_other_scenes_far(paint: Callable[..., Tensor]) -> None:
    scenes = paint(1, 12, 0.5)
    copies = (interpolate(scenes, size=96, mode="bicubic").clamp(0, 1) * 0.8 + 0.1).contiguous()
    between = distances(difference_hashes(scenes), difference_hashes(copies))
    assert between.diagonal().max() <= 4
    assert np.median(between[~np.eye(12, dtype=bool)]) > 10
