"""Made-up landscapes that nothing is tuned on: other kinds of hidden recipes than `landscape.py` has, and worse ones.

Each kind has a trap that a search may fall into. All share: hidden ratios alike in groups that cut across the search's
own, log-normal weights, an interaction of rank 4, a hill that is round, sharp or uneven by the seed. 100 % regret is
the mean of random block recipes (of a plateau: the level of the plateau), 0 the hidden recipe; a recipe whose pictures
are broken counts as 100. 26 knobs are BASE and the blocks of SD1, 45 add eleven multipliers and eight Adjust values,
60 add fifteen multipliers more.

Whoever changes the search looks at neither the seeds nor the results by seed: `SEEDS` is for the final tables alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from engine.recipes.blocks import ADJUST_FIELDS, BLOCKS
from search.history import Point
from search.space.build import build_space, suggested_sites
from search.space.space import Space
from tests.benchmarks.search.landscape import RATIOS, SITES, SPACES

Array = npt.NDArray[np.float64]
Kind = Literal["plain", "interactions", "far", "plateau", "cliff", "adjust", "useless"]
"""What is hard about a landscape.

* `plain`: groups of the hidden recipe that cut across those of the search.
* `interactions`: seven tenths of the energy lie in them, not three.
* `far`: hidden ratios are near 0 or near 1, by group, so that every FLAT mix is far away.
* `plateau`: as `far`, and all FLAT mixes are alike; only recipes nearer than the best of them rise.
* `cliff`: pictures are broken where the ratio of one of two blocks is too high; the optimum is close to both cliffs.
* `adjust`: half of the energy lies in Adjust and multipliers, whose hidden values are far from neutral.
* `useless`: half of all knobs do nothing.
"""
KINDS: tuple[Kind, ...] = get_args(Kind)
SEEDS = tuple(range(7100, 7110))
"""The landscapes of the final tables, which nobody looks at before."""
NOISES = (0.02, 0.1, 0.2)
"""Standard errors of a trial, as a part of the range."""
MORE_SITES = (*SITES, *suggested_sites(element="attn2"), *(f"{block}:attn1" for block in ("IN07", "IN08")),
              *(f"{block}:attn2" for block in ("IN04", "IN05", "IN07", "IN08")))  # fmt: skip
UNSEEN_SPACES: dict[int, Callable[[], Space]] = {
    **SPACES,
    60: lambda: build_space(bounds={"BASE": RATIOS}, sites=MORE_SITES, adjust=ADJUST_FIELDS),
}
EXTRAS, STRONG_EXTRAS = 0.1, 0.5
"""Part of the energy that lies in Self and Adjust, and the one of kind `adjust`."""
PLATEAU, EDGE = 0.92, 15.0
"""Where the plateau begins, in depths of the best FLAT mix, and how sharply."""
BLOCK_COUNT = len(BLOCKS)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnseenVariant:
    """What kind of landscape."""

    kind: Kind = "plain"
    knobs: int = 26
    noise: float = 0.02

    def __str__(self) -> str:
        return f"{self.knobs} knobs, {self.kind}, noise {100 * self.noise:g} %"

    @property
    def exists(self) -> bool:
        """Whether there is such a landscape: blocks alone have no Adjust values."""
        return self.knobs > BLOCK_COUNT or self.kind != "adjust"


class UnseenLandscape:
    """One hidden recipe."""

    def __init__(self, seed: int, variant: UnseenVariant) -> None:
        """Draw it; numbers run from 0 to 1 between the bounds of each knob."""
        self.seed, self.variant, kind = seed, variant, variant.kind
        draw = np.random.default_rng([seed, 4021, KINDS.index(kind)])
        self.space = UNSEEN_SPACES[variant.knobs]()
        self._low = np.array([knob.low for knob in self.space.free])
        self._width = np.array([knob.high for knob in self.space.free]) - self._low
        self.hidden = np.concatenate([_hidden_ratios(draw, kind), self._hidden_extras(draw)])
        self.limits = self._draw_limits(draw) if kind == "cliff" else ()
        """Of `cliff`: columns, and the number above which pictures are broken."""
        self.weights = self._draw_weights(draw)
        """What each knob counts alone; 0 for one that does nothing."""
        self._energy = self._draw_energy(draw)
        self._hill = str(draw.choice(["round", "sharp", "uneven"]))
        self._cap = np.inf
        if kind == "plateau":
            self._cap = PLATEAU * float(self._depth(self._flat_rows()).min())
        probe = draw.uniform(size=(4000, variant.knobs))
        probe[:, BLOCK_COUNT:] = 0.5
        self._scale = float(self._cap if kind == "plateau" else np.mean(self._depth(probe)))

    # ------------------------------------------------------------------------------------------------- the hidden

    def _hidden_extras(self, draw: np.random.Generator) -> Array:
        count = self.variant.knobs - BLOCK_COUNT
        if self.variant.kind == "adjust":
            return 0.5 + draw.choice([-1, 1], count) * draw.uniform(0.2, 0.4, count)
        return np.clip(draw.normal(0.5, 0.1, count), 0, 1)

    def _draw_limits(self, draw: np.random.Generator) -> tuple[tuple[int, float], ...]:
        """Put the hidden recipe close to two cliffs."""
        columns = draw.choice(BLOCK_COUNT, 2, replace=False)
        limits = draw.uniform((0.45, 0.6), (0.7, 0.85))
        self.hidden[columns] = limits - draw.uniform(0.02, 0.08, 2)
        return tuple((int(column), float(limit)) for column, limit in zip(columns, limits, strict=True))

    def _draw_weights(self, draw: np.random.Generator) -> Array:
        count, kind = self.variant.knobs, self.variant.kind
        weights = np.exp(draw.normal(0, 1, count))
        if kind == "useless":
            weights[draw.choice(count, count // 2, replace=False)] = 0.0
        if count > BLOCK_COUNT:
            share = STRONG_EXTRAS if kind == "adjust" else EXTRAS
            weights[BLOCK_COUNT:] *= share / weights[BLOCK_COUNT:].sum()
            weights[:BLOCK_COUNT] *= (1 - share) / weights[:BLOCK_COUNT].sum()
        for column, _ in self.limits:  # the cliffs stand where it matters
            weights[column] = max(weights[column], float(np.quantile(weights[:BLOCK_COUNT], 0.8)))
        return weights / weights.sum()

    def _draw_energy(self, draw: np.random.Generator) -> Array:
        size, share = self.variant.knobs, 0.7 if self.variant.kind == "interactions" else 0.3
        mixed, root = np.linalg.qr(draw.normal(size=(size, 4)))[0], np.sqrt(self.weights)
        return (1 - share) * np.diag(self.weights) + share * (size / 4) * root[:, None] * (mixed @ mixed.T) * root

    def _flat_rows(self) -> Array:
        rows = np.full((21, self.variant.knobs), 0.5)
        rows[:, :BLOCK_COUNT] = np.linspace(0, 1, 21)[:, None]
        return rows

    # -------------------------------------------------------------------------------------------------- its worth

    def _depth(self, units: Array) -> Array:
        away = units - self.hidden
        if self._hill == "uneven":
            away = away * np.where(away > 0, 1.5, 0.7)
        squared = np.einsum("ij,jk,ik->i", away, self._energy, away)
        top = 0.02 if self._hill == "sharp" else 0.1
        depth = squared**0.75 if self._hill == "uneven" else np.sqrt(squared + top**2) - top
        if not np.isfinite(self._cap):
            return depth
        return -np.logaddexp(-EDGE * depth / self._cap, -EDGE) * self._cap / EDGE  # the smaller one, smoothly

    def _units(self, point: Point) -> Array:
        return (np.array([point[knob.name] for knob in self.space.free]) - self._low) / self._width

    def is_broken(self, point: Point) -> bool:
        """Whether the pictures of a recipe are broken."""
        units = self._units(point)
        return any(units[column] > limit for column, limit in self.limits)

    def true(self, point: Point) -> float:
        """Return the value without noise, 1 at the hidden recipe; 0 where pictures are broken."""
        if self.is_broken(point):
            return 0.0
        return float(1 - self._depth(self._units(point)[None])[0] / self._scale)

    def observed(self, point: Point, number: int) -> float | None:
        """Return the value of trial `number`, the same noise for every search; None: broken pictures."""
        if self.is_broken(point):
            return None
        draw = np.random.default_rng([self.seed, number, 31])
        return self.true(point) + self.variant.noise * float(draw.normal())

    def regret(self, point: Point) -> float:
        """Return how far a recipe is from the hidden one, in percent of the range."""
        return 100 * (1 - self.true(point))


def _hidden_ratios(draw: np.random.Generator, kind: Kind) -> Array:
    """Return the blocks' hidden ratios: alike within groups that the search does not know, but for a few."""
    groups = _groups_across(draw)
    count = int(groups.max()) + 1
    if kind in ("far", "plateau"):
        signs = draw.permutation(np.arange(count) % 2)  # half of the groups are low, half are high
        levels = np.where(signs == 1, draw.uniform(0.75, 0.95, count), draw.uniform(0.05, 0.25, count))
    else:
        levels = draw.uniform(0.1, 0.7, count)
    ratios = levels[groups] + draw.normal(0, 0.05, BLOCK_COUNT)
    if kind not in ("far", "plateau"):
        ratios[draw.choice(BLOCK_COUNT, 3, replace=False)] = draw.uniform(0, 1, 3)
    return np.clip(ratios, 0, 1)


def _groups_across(draw: np.random.Generator) -> npt.NDArray[np.intp]:
    """Return every block's group: stretches of the UNet that end elsewhere than the search's, or every other block."""
    cuts = np.sort(draw.choice(np.arange(2, BLOCK_COUNT - 1), 3, replace=False))
    stretches = np.searchsorted(cuts, np.arange(BLOCK_COUNT), side="right")
    if draw.uniform() < 0.5:
        return stretches
    return 2 * (stretches // 2) + np.arange(BLOCK_COUNT) % 2  # even and odd blocks apart, in two halves
