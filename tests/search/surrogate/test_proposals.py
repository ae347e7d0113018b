"""Proposals: the screening design estimates all axes apart, and steps grow with the noise."""

from __future__ import annotations

import numpy as np
import pytest

from search.space.build import build_space
from search.surrogate.axes import axes_of, screening_trials
from search.surrogate.encoding import PointEncoding
from search.surrogate.proposals import LONGEST_STEP, SMALL_NOISE, STEP_SIZES, screening_proposal, step_size
from search.surrogate.subspace import Subspace

SPACE = build_space(sites=("OUT05:attn1",), adjust=("CONT", "BRI"), bounds={"OUT05": (0.1, 0.6)})


def test_screening_estimates_all_axes_apart() -> None:
    fixed = tuple(SPACE.flat(0.4).items())
    subspace = Subspace(axes=axes_of("blocks", SPACE), fixed=fixed, encoding=PointEncoding.of(SPACE))
    count = 1 << len(subspace.axes).bit_length()
    positions = [screening_proposal(subspace, n, (1, 2), 0.1).position for n in range(count - 1)]
    inside = [n for n, axis in enumerate(subspace.axes) if 0.1 < subspace.start[n] < 0.9 and axis.name != "OUT05"]
    moved = (np.array(positions) - subspace.start)[:, inside]
    assert np.abs(moved).min() == pytest.approx(0.1)
    correlation = moved.T @ moved / len(moved)
    assert np.abs(correlation - np.diag(np.diag(correlation))).max() < 0.1**2 * 1.5 / len(moved)


def test_few_axes_are_screened_by_four_trials_and_many_by_thirty_two() -> None:
    assert [screening_trials(n) for n in (1, 6, 26, 45, 100)] == [4, 4, 16, 27, 32]


def test_steps_grow_with_the_root_of_the_noise_up_to_twice_their_length() -> None:
    usual = STEP_SIZES["blocks"]
    noises = (0.0, SMALL_NOISE, 2.25 * SMALL_NOISE, 100 * SMALL_NOISE)
    assert [step_size("blocks", noise) / usual for noise in noises] == pytest.approx([1, 1, 1.5, LONGEST_STEP])
