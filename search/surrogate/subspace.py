"""A few axes through the space: each moves some knobs, all other knobs stay where they are."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from search.space.knob import Knob
from search.surrogate.axes import Axis
from search.surrogate.columns import Columns

Array = npt.NDArray[np.float64]
Position = tuple[float, ...]
"""A number from 0 to 1 for every axis; or, of words, the place of one for every choice."""
MOST_COMBINATIONS = 16
"""More combinations of words than these are not all looked at: then one choice changes at a time."""
SAME = 1e-4
"""How far two columns may differ and still count as equal."""


@dataclass(frozen=True, kw_only=True)
class Subspace:
    """All points that differ from `fixed` only along the axes, and in the words of some choices.

    Without slots, so that what follows from the axes is worked out once.
    """

    axes: tuple[Axis, ...]
    fixed: tuple[tuple[str, float], ...]
    """The full point, as pairs."""
    columns: Columns
    choices: tuple[Knob, ...] = ()

    def rows(self, positions: Array, words: Position = ()) -> Array:
        """Return the rows of positions ``(n, axes)``; a knob stops at its own bounds.

        Args:
            positions: 0 to 1.
            words: the place of a word for every choice; none: those of `fixed`.
        """
        rows = np.tile(np.array(self.columns.row(self._base(words)) if words else self.row), (len(positions), 1))
        axes, columns, slopes, shifts = self._links
        rows[:, columns] = np.clip(shifts + slopes * positions[:, axes], 0.0, 1.0)
        return rows

    def pulled(self, gradient: Array, position: Array) -> Array:
        """Return the gradient along the axes from the one along the columns, at a position; stopped knobs have none."""
        axes, columns, slopes, shifts = self._links
        place = shifts + slopes * position[axes]
        moving = (place >= 0) & (place <= 1)
        return np.bincount(axes, np.where(moving, slopes * gradient[columns], 0.0), len(self.axes)).astype(np.float64)

    def positions(self, rows: Array) -> Array:
        """Return where rows lie along the axes ``(n, axes)``.

        For a group, where its knobs lie on the average, those left out that stopped at a bound of their own; when all
        stopped, the farthest one says how far.
        """
        axes, columns, slopes, shifts = self._links
        units = rows[:, columns]
        places, inside = (units - shifts) / slopes, (units > 0) & (units < 1)
        found = np.zeros((len(rows), len(self.axes)))
        for n in range(len(self.axes)):
            mine, free = places[:, axes == n], inside[:, axes == n]
            low = np.all(units[:, axes == n] <= 0, axis=1)
            stopped = np.where(low, mine.min(1), np.where(free.any(1), 0.0, mine.max(1)))
            average = (mine * free).sum(1) / np.maximum(free.sum(1), 1)
            found[:, n] = np.where(free.any(1), average, stopped)
        return np.clip(found, 0.0, 1.0)

    def holds(self, rows: Array) -> npt.NDArray[np.bool_]:
        """Return which rows lie in the subspace."""
        choices = [self.columns.places[knob.name] for knob in self.choices]
        free = [place + n for place, knob in zip(choices, self.choices, strict=True) for n in range(len(knob.options))]
        off = np.abs(self.rows(self.positions(rows)) - rows)
        off[:, free] = 0.0
        return off.max(axis=1, initial=0.0) < SAME

    def point(self, position: Sequence[float], words: Position = ()) -> dict[str, float]:
        """Return the full point of a position, every moved knob on its grid."""
        moved = self._base(words)
        for place, axis in zip(position, self.axes, strict=True):
            for knob in axis.knobs:
                unit = min(max(axis.shift(knob) + axis.slope(knob) * place, 0.0), 1.0)
                moved[knob.name] = knob.tidy(knob.value(unit))
        return moved

    def combinations(self) -> tuple[Position, ...]:
        """Return the words to look at: all combinations, or those that change one choice, `fixed` first."""
        base = dict(self.fixed)
        now = tuple(base[knob.name] for knob in self.choices)
        places = [[float(n) for n in range(len(knob.options))] for knob in self.choices]
        combined = int(np.prod([len(found) for found in places])) if places else 1
        if combined <= MOST_COMBINATIONS:
            others = list(itertools.product(*places))
        else:
            others = [(*now[:n], place, *now[n + 1 :]) for n, found in enumerate(places) for place in found]
        return tuple(dict.fromkeys([now, *others]))

    def words_of(self, row: Array) -> Position:
        """Return the places of a row's words."""
        places = self.columns.places
        return tuple(
            float(np.argmax(row[places[knob.name] : places[knob.name] + len(knob.options)])) for knob in self.choices
        )

    def _base(self, words: Position) -> dict[str, float]:
        return dict(self.fixed) | dict(zip((knob.name for knob in self.choices), words, strict=False))

    @cached_property
    def row(self) -> tuple[float, ...]:
        """The row of `fixed`."""
        return self.columns.row(dict(self.fixed))

    @cached_property
    def start(self) -> Array:
        """Where `fixed` lies along the axes, ``(axes,)``."""
        return self.positions(np.array([self.row]))[0]

    @cached_property
    def _links(self) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], Array, Array]:
        """Axis, column, slope and shift of every moved knob."""
        places = self.columns.places
        moved = [(n, axis, knob) for n, axis in enumerate(self.axes) for knob in axis.knobs]
        return (
            np.array([n for n, _, _ in moved], dtype=np.intp),
            np.array([places[knob.name] for _, _, knob in moved], dtype=np.intp),
            np.array([axis.slope(knob) for _, axis, knob in moved]),
            np.array([axis.shift(knob) for _, axis, knob in moved]),
        )
