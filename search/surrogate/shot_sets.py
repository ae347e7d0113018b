"""Sets of shots as the surrogate model sees them: how much of what chance adds to two trials is the same.

What chance adds to a trial on the shots ``S`` is the mean of what it adds to each: an effect of the shot on the
recipe, of variance ``v``, and noise of the picture, of variance ``s``. So for one recipe the effects of the sets ``S``
and ``T`` have the covariance ``v c / (|S| |T|)``, where ``c`` shots are in both, and the noise of a trial has the
variance ``s / |S|``. Both are counted here in those of a usual trial, ``v / n`` and ``s / n``, where ``n`` is the
number of shots that the standard error is of.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from search.history import Slots

Array = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int_]


class ShotSets:
    """The sets of shots of some trials, by their numbers."""

    def __init__(self, slots: Sequence[Slots], usual: int) -> None:
        """Count what the sets share.

        Args:
            slots: by number of the set, the places of its shots; none: a usual number of shots that no other set has.
                Empty where nothing is known of the sets: each is of the usual size, and they share nothing.
            usual: how many shots a usual trial has.
        """
        self._usual = usual
        self._members, self._sizes = _members(slots, usual) if slots else (None, None)

    def overlaps(self, some: Numbers, others: Numbers) -> Array:
        """Return the covariance of the effects of sets with others, in variances of a usual set's, ``(n, m)``.

        Args:
            some: numbers of sets.
            others: numbers of sets.
        """
        if self._members is None or self._sizes is None:
            return (some[:, None] == others).astype(float)
        shared = self._members[some] @ self._members[others].T
        return shared * self._usual / np.multiply.outer(self._sizes[some], self._sizes[others])

    def noise_factors(self, some: Numbers) -> Array | None:
        """Return the variance of the noise of trials, in variances of a usual trial's; None: all of them are usual.

        Args:
            some: number of the set of each trial.
        """
        return None if self._sizes is None else self._usual / self._sizes[some]


def _members(slots: Sequence[Slots], usual: int) -> tuple[Array, Array]:
    """Return which set has which shot, 1 or 0, and the sizes of the sets."""
    columns = {place: n for n, place in enumerate(sorted({place for one in slots for place in one}))}
    members = np.zeros((len(slots), len(columns) + usual))
    for n, one in enumerate(slots):
        members[n, [columns[place] for place in one] if one else range(len(columns), len(columns) + usual)] = 1.0
    return members, members.sum(1)
