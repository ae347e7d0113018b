"""Which recipes to render: one knob moved at a time, or all at once by a screening design; and how to read them.

**One at a time**: the base, and every knob at its low and at its high value while all others stay at the base; ``2 k +
2`` recipes for ``k`` knobs. It says what a knob does *to this base*, and single pictures show it: right for judging or
mending one recipe. Every effect rests on two recipes; the others say nothing about it.

**Screening**: every recipe has half of the knobs low and half high, by columns of a Hadamard matrix (Plackett and
Burman 1946, The design of optimum multifactorial experiments), then come the opposites (the fold-over of Box and
Wilson 1951). It says what a knob does *on average over all settings of the others*: right for a search that will move
them all. Every effect rests on all recipes, so that with 26 knobs and independent errors 56 recipes are worth 28 pairs
of recipes for each knob. The opposites keep the effects clear of all interactions of two knobs (resolution IV); those
of three stay mixed in. Columns that no knob takes show how large an effect looks where there is none.

Pictures with equal seeds have no error of their own: what is left is how effects differ between shots, which all
recipes of a screening share. So its gain is smaller than that of independent errors: on the demo (30 knobs, 8 shots,
496 and 512 pictures) its errors were 0.9 to 3.2 times smaller, 1.5 in the middle.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from studies.after_recipe.probe.designs.hadamard import hadamard, order_for
from studies.results.probe import ONE, SCREEN, ProbeMethod

LOW, HIGH = -1.0, 1.0
"""Levels of a knob in a design; 0 is the base."""
FEWEST_UNUSED = 2
"""Columns of a screening design that stay without a knob, at least: they show the noise."""

Weights = npt.NDArray[np.float64]
"""``(rows, recipes)``: each row is a weighted sum of recipes whose weights come to 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DesignedRecipe:
    """A recipe of a design."""

    label: str
    """For people: `base`, `OUT05 = high`, `screening 3`."""
    levels: Mapping[str, float]
    """Level of every knob that does not stay at the base: a part of the way to low (below 0) or to high."""
    nudged: bool = False
    """Whether it is the base with a change that means nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Readings:
    """How the effects are read out of the recipes that gave pictures: rows over these recipes, one for each knob."""

    effect: Weights
    """From low to high."""
    low: Weights
    """From the base to low."""
    high: Weights
    """From the base to high."""
    floor: Weights
    """What a change that means nothing comes to, on the scale of a knob that goes all the way; any number of rows."""
    reach: npt.NDArray[np.float64]
    """How much of the way each knob went, ``(knobs,)``: effects, and their noise, are scaled back by it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeDesign:
    """Recipes, in the order in which they are rendered, and the knobs that they tell of."""

    method: ProbeMethod
    knobs: tuple[str, ...]
    recipes: tuple[DesignedRecipe, ...]
    unused: tuple[tuple[int, ...], ...] = ()
    """Of a screening: its further columns, each with a level for every recipe."""

    def readings(self, made: Sequence[int] | None = None) -> Readings:
        """Return how to read the effects; NaN in the rows of knobs that the recipes do not tell of.

        Args:
            made: places of the recipes that gave pictures; None: all.
        """
        places = list(range(len(self.recipes))) if made is None else list(made)
        return self._one_at_a_time(places) if self.method == ONE else self._screening(places)

    def _one_at_a_time(self, made: Sequence[int]) -> Readings:
        column = {self._name_of(place): at for at, place in enumerate(made)}

        def rows(pairs: Sequence[tuple[object, object]]) -> Weights:
            found = np.zeros((len(pairs), len(made)))
            for row, (to, away) in zip(found, pairs, strict=True):
                if to in column and away in column:
                    row[column[to]], row[column[away]] = 1.0, -1.0
                else:
                    row[:] = np.nan
            return found

        return Readings(
            effect=rows([((knob, HIGH), (knob, LOW)) for knob in self.knobs]),
            low=rows([((knob, LOW), "base") for knob in self.knobs]),
            high=rows([((knob, HIGH), "base") for knob in self.knobs]),
            floor=rows([("nudged", "base")]),
            reach=np.ones(len(self.knobs)),
        )

    def _name_of(self, place: int) -> object:
        recipe = self.recipes[place]
        return next(iter(recipe.levels.items()), "nudged" if recipe.nudged else "base")

    def _screening(self, made: Sequence[int]) -> Readings:
        """Least squares of the mean, the knobs and the unused columns; effects are twice the coefficients."""
        levels = np.array([[self.recipes[place].levels[knob] for knob in self.knobs] for place in made], dtype=float)
        unused = np.array(self.unused, dtype=float).reshape(-1, len(self.recipes)).T[list(made)]
        matrix = np.column_stack([np.ones(len(made)), levels, unused])
        solved: Weights = 2 * np.linalg.pinv(matrix)[1:].astype(np.float64)
        if np.linalg.matrix_rank(matrix) < matrix.shape[1]:
            solved[:] = np.nan
        effect = solved[: len(self.knobs)]
        return Readings(
            effect=effect, low=-effect / 2, high=effect / 2, floor=solved[len(self.knobs) :],
            reach=np.abs(levels).max(0, initial=0.0),
        )  # fmt: skip


def one_at_a_time(knobs: Sequence[str]) -> ProbeDesign:
    """The base, the base with a change that means nothing, and every knob low and high."""
    moved = [
        DesignedRecipe(label=f"{knob} {'low' if level == LOW else 'high'}", levels={knob: level})
        for knob in knobs
        for level in (LOW, HIGH)
    ]
    still = [DesignedRecipe(label="base", levels={}), DesignedRecipe(label="unseen change", levels={}, nudged=True)]
    return ProbeDesign(method=ONE, knobs=tuple(knobs), recipes=(*still, *moved))


def screening(knobs: Sequence[str], reach: Mapping[str, float] | None = None) -> ProbeDesign:
    """All knobs at once, low or high, by the columns of a Hadamard matrix, and the opposite of every recipe.

    Args:
        knobs: one or more.
        reach: how much of the way to low and high a knob goes, by name; 1 where it is not named.
    """
    parts = [(reach or {}).get(knob, 1.0) for knob in knobs]
    half = hadamard(order_for(len(knobs) + FEWEST_UNUSED))
    half = np.column_stack([half[:, 1:], half[:, :1]])  # the first column would tell the halves apart: taken last
    signs = np.concatenate([half, -half])
    recipes = [
        DesignedRecipe(
            label=f"screening {number}",
            levels={knob: part * int(level) for knob, part, level in zip(knobs, parts, row, strict=False)},
        )
        for number, row in enumerate(signs, start=1)
    ]
    unused = tuple(tuple(int(level) for level in column) for column in signs.T[len(knobs) :])
    return ProbeDesign(method=SCREEN, knobs=tuple(knobs), recipes=tuple(recipes), unused=unused)
