"""Wide trials: recipes far apart, for a search that has seen nothing yet.

First every group of blocks comes mostly from one parent, then from one parent alone, by the rows of a Hadamard matrix
and their opposites: half of the groups from one parent, half from the other. For seven groups these are the words of a
Hamming code, so that every assignment of parents differs from one of them in one group at most (MacWilliams and Sloane,
The theory of error-correcting codes, 1977, 1.7). Halves of single blocks and random ratios by group follow.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.linalg import hadamard

from search.surrogate.axes import SearchAxis
from search.surrogate.subspace import Array, Location

MOSTLY = 0.25
"""How far from an equal mix a group lies that comes mostly from one parent: three quarters, near which more lies."""
ALONE = 0.5
"""How far from an equal mix a group lies that comes from one parent alone."""
MOST_BY_GROUP = 32
"""Most wide trials that take every group from one parent."""
LEVELS = (0.2, 0.5, 0.8)
"""The ratios that random wide trials choose from."""


def trials_by_group(groups: int) -> int:
    """Return how many wide trials take every group from one parent, mostly and alone."""
    return min(4 * (_size(groups) - 1), MOST_BY_GROUP)


def wide_by_group(groups: Sequence[SearchAxis], number: int, seed: tuple[int, ...]) -> Location:
    """Return wide trial `number` of those that take every group from one parent, mostly at first, then alone."""
    turn = number // (2 * (_size(len(groups)) - 1))
    return _halves(groups, number, seed, ALONE if turn else MOSTLY)


def halves_of_blocks(blocks: Sequence[SearchAxis], number: int, seed: tuple[int, ...]) -> Location:
    """Return a wide trial that takes half of the blocks from one parent alone and half from the other."""
    return _halves(blocks, number, seed, ALONE)


def random_by_group(groups: Sequence[SearchAxis], seed: tuple[int, ...]) -> Location:
    """Return a wide trial with a random one of a few ratios for every group."""
    ratios = np.random.default_rng(seed).choice(LEVELS, len(groups))
    return Location(position=tuple(_positions(groups, ratios).tolist()))


def _halves(axes: Sequence[SearchAxis], number: int, seed: tuple[int, ...], reach: float) -> Location:
    """Return a location where half of the axes lie towards one parent and half towards the other."""
    size = _size(len(axes))
    columns = np.random.default_rng(seed).permutation(np.arange(1, size))[: len(axes)]
    turn, row = divmod(number, size - 1)
    signs = hadamard(size)[1 + row, columns] * (-1) ** turn
    return Location(position=tuple(_positions(axes, 0.5 + reach * signs).tolist()))


def _size(axes: int) -> int:
    return 1 << max(2, axes.bit_length())


def _positions(axes: Sequence[SearchAxis], ratios: Array) -> Array:
    """Return where ratios lie along the axes, whose bounds may be narrower or wider than from parent to parent."""
    return np.clip([(ratio - axis.low) / axis.width for axis, ratio in zip(axes, ratios, strict=True)], 0.0, 1.0)
