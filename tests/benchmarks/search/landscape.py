"""Made-up landscapes: a hidden recipe, what it is worth to be near it, and the noise of a trial.

26 knobs are BASE and the blocks of SD1; 45 are these, eleven multipliers and eight Adjust values. The hidden ratios lie
round 0.3: alike within a group of blocks (the groups of the search, or stretches that it does not know), each for
itself (`iid`), or about 0.65 (`far`); three of them anywhere. Self and Adjust lie near neutral and carry a tenth of the
weight. Weights are log-normal, three tenths of the energy lie in a random interaction of rank 4. The hill is a rounded
cone (the top 0.1 wide), a sharp one, a quadratic, one with ripples, or one that falls off unevenly. 1 is the top, 0 the
mean of random block recipes; regret is in percent of that range.

It is a stand-in: `TUNED` seeds and variants were looked at while the search was made, `REPORTED` ones were not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from engine.recipes.blocks import ADJUST_FIELDS, BLOCKS
from search.history import Point
from search.space.build import DEFAULT_GROUPS, build_space, suggested_sites
from search.space.space import Space

Array = npt.NDArray[np.float64]

TUNED = tuple(range(100, 108))
REPORTED = tuple(range(10))
RATIOS = (0.0, 1.0)
SITES = (*suggested_sites(), "IN04:attn1", "IN05:attn1")
SPACES: dict[int, Callable[[], Space]] = {
    26: lambda: build_space(bounds={"BASE": RATIOS}),
    45: lambda: build_space(bounds={"BASE": RATIOS}, sites=SITES, adjust=ADJUST_FIELDS),
}
EXTRAS = 0.1
"""Part of the energy that lies in Self and Adjust."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """What kind of landscape."""

    knobs: int = 26
    noise: float = 0.02
    grouping: str = "search"
    """Hidden ratios alike in the groups of the `search`, in `stretches` unknown to it, `iid`, or `far` from FLAT_30."""
    shape: str = "round"
    """Of the hill: `round`, `sharp`, `quadratic`, `ripples`, `uneven`, or `level`: nothing does anything."""

    def __str__(self) -> str:
        return f"{self.knobs} knobs, {self.grouping}, {self.shape}, noise {100 * self.noise:g} %"


@dataclass
class Landscape:
    """One hidden recipe."""

    seed: int
    variant: Variant = field(default_factory=Variant)

    def __post_init__(self) -> None:
        variant, draw = self.variant, np.random.default_rng([self.seed, 77])
        self.space = SPACES[variant.knobs]()
        self.low = np.array([knob.low for knob in self.space.free])
        self.width = np.array([knob.high for knob in self.space.free]) - self.low
        blocks, size = len(BLOCKS), variant.knobs
        self.hidden = np.clip(np.concatenate([_ratios(draw, variant), draw.normal(0.5, 0.1, size - blocks)]), 0, 1)
        weights = np.exp(draw.normal(0, 1, size))
        weights[:blocks] *= (1 - EXTRAS * (size > blocks)) / weights[:blocks].sum()
        weights[blocks:] *= EXTRAS / max(weights[blocks:].sum(), 1e-9)
        mixed, root = np.linalg.qr(draw.normal(size=(size, 4)))[0], np.sqrt(weights)
        self.energy = 0.7 * np.diag(weights) + 0.3 * (size / 4) * root[:, None] * (mixed @ mixed.T) * root
        self.waves = draw.normal(size=(3, size))
        probe = draw.uniform(size=(4000, size))
        probe[:, blocks:] = 0.5
        self.scale = float(np.mean(self._depth(probe)))

    def _depth(self, units: Array) -> Array:
        away, shape = units - self.hidden, self.variant.shape
        if shape == "uneven":
            away = away * np.where(away > 0, 1.5, 0.7)
        squared = np.einsum("ij,jk,ik->i", away, self.energy, away)
        if shape == "quadratic":
            return squared
        if shape == "uneven":
            return squared**0.75
        top = 0.02 if shape == "sharp" else 0.1
        depth = np.sqrt(squared + top**2) - top
        if shape == "ripples":
            depth = depth + 0.1 * np.sqrt(squared) * (1 - np.cos(4 * away @ self.waves.T).mean(1))
        return depth

    def true(self, point: Point) -> float:
        """Return the value without noise: 1 at the hidden recipe."""
        if self.variant.shape == "level":
            return 0.0
        units = (np.array([point[knob.name] for knob in self.space.free]) - self.low) / self.width
        return float(1 - self._depth(units[None])[0] / self.scale)

    def observed(self, point: Point, number: int, run: int) -> float:
        """Return the value of trial `number` of a run."""
        draw = np.random.default_rng([self.seed, run, number, 5])
        return self.true(point) + self.variant.noise * float(draw.normal())

    def regret(self, point: Point) -> float:
        """Return how far a recipe is from the hidden one, in percent of the range."""
        return 100 * (1 - self.true(point))


def _ratios(draw: np.random.Generator, variant: Variant) -> Array:
    low, high = (0.5, 0.8) if variant.grouping == "far" else (0.2, 0.4)
    if variant.grouping == "iid":
        ratios = draw.uniform(low - 0.1, high + 0.1, len(BLOCKS))
    else:
        ratios = draw.uniform(low, high, 7)[_stretches(draw, variant)] + draw.normal(0, 0.04, len(BLOCKS))
    ratios[draw.choice(len(BLOCKS), 3, replace=False)] = draw.uniform(0, 0.9, 3)
    return ratios


def _stretches(draw: np.random.Generator, variant: Variant) -> npt.NDArray[np.intp]:
    """Return the number of every block's stretch."""
    if variant.grouping == "stretches":
        cuts = np.sort(draw.choice(np.arange(1, len(BLOCKS)), 5, replace=False))
        return np.searchsorted(cuts, np.arange(len(BLOCKS)), side="right")
    groups = {block: n for n, blocks in enumerate(DEFAULT_GROUPS.values(), start=1) for block in blocks}
    return np.array([groups.get(block, 0) for block in BLOCKS])
