"""A subspace: a few axes through the space, each of which moves some knobs; all other knobs stay where they are."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from search.space.knob import TOLERANCE, Knob
from search.surrogate.axes import SearchAxis
from search.surrogate.encoding import EncodedPoint, PointEncoding

Array = npt.NDArray[np.float64]
Position = tuple[float, ...]
"""A number from 0 to 1 for every axis."""
ChosenWords = tuple[float, ...]
"""The place of a word for every choice."""
MOST_COMBINATIONS = 16
"""Most combinations of words that are all considered; where there are more, one choice changes at a time."""
EQUAL = 1e-4
"""How far two numbers of encoded points may differ and still count as equal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """A place in a subspace: a position along its axes, and the words of its choices."""

    position: Position
    words: ChosenWords = ()
    """Empty: the words of the subspace's fixed point."""


@dataclass(frozen=True, kw_only=True)
class Subspace:
    """All points that differ from `fixed` only along the axes, and in the words of some choices.

    Without slots, so that what follows from the axes is worked out once.
    """

    axes: tuple[SearchAxis, ...]
    fixed: tuple[tuple[str, float], ...]
    """The full point, as pairs."""
    encoding: PointEncoding
    choices: tuple[Knob, ...] = ()

    def rows(self, positions: Array, words: ChosenWords = ()) -> Array:
        """Return the rows of positions ``(n, axes)``; a knob stops at its own bounds.

        Args:
            positions: 0 to 1.
            words: of all of them; none: those of `fixed`.
        """
        rows = np.tile(np.array(self.encoding.row(self._fixed_with(words)) if words else self.row), (len(positions), 1))
        axes, columns, slopes, shifts = self._links
        rows[:, columns] = np.clip(shifts + slopes * positions[:, axes], 0.0, 1.0)
        return rows

    def gradient_along_axes(self, gradient: Array, position: Array) -> Array:
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
        positions = np.zeros((len(rows), len(self.axes)))
        for n in range(len(self.axes)):
            own, free = places[:, axes == n], inside[:, axes == n]
            low = np.all(units[:, axes == n] <= 0, axis=1)
            stopped = np.where(low, own.min(1), np.where(free.any(1), 0.0, own.max(1)))
            average = (own * free).sum(1) / np.maximum(free.sum(1), 1)
            positions[:, n] = np.where(free.any(1), average, stopped)
        return np.clip(positions, 0.0, 1.0)

    def contains(self, rows: Array) -> npt.NDArray[np.bool_]:
        """Return which rows lie in the subspace."""
        first = self.encoding.first_columns
        free = [first[knob.name] + n for knob in self.choices for n in range(len(knob.options))]
        off = np.abs(self.rows(self.positions(rows)) - rows)
        off[:, free] = 0.0
        return off.max(axis=1, initial=0.0) < EQUAL

    def differs_from_fixed(self, rows: Array) -> npt.NDArray[np.bool_]:
        """Return which rows lie elsewhere than `fixed` along some axis, or have other words."""
        moved = np.abs(self.positions(rows) - self.start).max(1, initial=0.0) > TOLERANCE
        words = self.words_of(np.array(self.row))
        return moved | np.array([self.words_of(row) != words for row in rows])

    def point(self, location: Location) -> dict[str, float]:
        """Return the full point of a location, every moved knob on its grid."""
        point = self._fixed_with(location.words)
        for place, axis in zip(location.position, self.axes, strict=True):
            for knob in axis.knobs:
                unit = min(max(axis.shift(knob) + axis.slope(knob) * place, 0.0), 1.0)
                point[knob.name] = knob.tidy(knob.value(unit))
        return point

    def combinations(self) -> tuple[ChosenWords, ...]:
        """Return the words to consider: all combinations, or those that change one choice, `fixed` first."""
        base = dict(self.fixed)
        now = tuple(base[knob.name] for knob in self.choices)
        places = [[float(n) for n in range(len(knob.options))] for knob in self.choices]
        combined = int(np.prod([len(words) for words in places])) if places else 1
        if combined <= MOST_COMBINATIONS:
            others = list(itertools.product(*places))
        else:
            others = [(*now[:n], place, *now[n + 1 :]) for n, words in enumerate(places) for place in words]
        return tuple(dict.fromkeys([now, *others]))

    def words_of(self, row: Array) -> ChosenWords:
        """Return the places of a row's words."""
        first = self.encoding.first_columns
        return tuple(
            float(np.argmax(row[first[knob.name] : first[knob.name] + len(knob.options)])) for knob in self.choices
        )

    def _fixed_with(self, words: ChosenWords) -> dict[str, float]:
        return dict(self.fixed) | dict(zip((knob.name for knob in self.choices), words, strict=False))

    @cached_property
    def row(self) -> EncodedPoint:
        """The row of `fixed`."""
        return self.encoding.row(dict(self.fixed))

    @cached_property
    def start(self) -> Array:
        """Where `fixed` lies along the axes, ``(axes,)``."""
        return self.positions(np.array([self.row]))[0]

    @cached_property
    def _links(self) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], Array, Array]:
        """Axis, column, slope and shift of every moved knob."""
        first = self.encoding.first_columns
        moved = [(n, axis, knob) for n, axis in enumerate(self.axes) for knob in axis.knobs]
        return (
            np.array([n for n, _, _ in moved], dtype=np.intp),
            np.array([first[knob.name] for _, _, knob in moved], dtype=np.intp),
            np.array([axis.slope(knob) for _, axis, knob in moved]),
            np.array([axis.shift(knob) for _, axis, knob in moved]),
        )
