"""The proof in rounds: all its recipes get a first part of the held-out shots, and more only where more can matter.

After a quarter of the shots and after half of them, the recipes are compared at equal prompts and seeds. A finalist
that is clearly worse than the leading one is given up, and so is a FLAT mix that is clearly worse than the leading FLAT
mix: the risk of giving up one that is as good is shared by all these comparisons, as in a race (``search.racing``). A
parent is given up once every finalist that is left beats it beyond doubt (an interval of 99.9 %, as Haybittle 1971 and
Peto 1976 ask of early looks at a trial).

So the interval of a winner's lead over the best FLAT mix is that of all the shots, as if nobody had looked before: the
looks decide which other recipes go on. An interval with a recipe that was given up comes from a look, so it is one of
99.9 %, and all looks together miss as rarely as the last one alone is said to. Which recipes go on follows from the
pictures alone, so a proof that was killed comes to the same.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from search.racing import control_variate, race_order

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.shots.shot import Shot
    from scorers.features import Features
    from scorers.panel.panel import Panel

SHEET_ROWS = 6
"""The most held-out shots on the finalists' sheet."""
PARTS = (4, 2)
"""The recipes of a proof are compared after a fourth of its shots, and after half of them."""
FIRST = 8
"""Shots before the first comparison at least: of fewer, Student's t says little."""
LEFT = 4
"""Shots that a comparison has to leave at least; fewer are drawn without it."""
RISK = 0.05
"""Chance that a recipe is given up though it is as good as the best one of its kind, over all comparisons of a kind."""
BEYOND_DOUBT = 0.999
"""Level of the intervals by which a parent is given up, and of all intervals with a recipe that was given up."""
FEWEST_COMMON = 3
"""Pictures that two recipes must both have whole; with fewer they are not compared."""


def looks(shots: int) -> tuple[int, ...]:
    """Return after how many shots the recipes of a proof are compared; never after all of them."""
    return tuple(sorted({count for part in PARTS if (count := max(FIRST, shots // part)) <= shots - LEFT}))


def drawn_first(shots: int) -> list[int]:
    """Return the places of the shots that every recipe of a proof has pictures of: up to six, spread evenly."""
    step = max(1.0, shots / SHEET_ROWS)
    return [int(n * step) for n in range(min(shots, SHEET_ROWS))]


def drawing_order(prompts: Sequence[str]) -> tuple[int, ...]:
    """Return the places of the shots in the order in which a proof draws them: those of its sheet, then by prompt.

    Args:
        prompts: of the shots, by place.
    """
    first = drawn_first(len(prompts))
    return (*first, *(place for place in race_order(prompts) if place not in first))


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofGroups:
    """The labels of a proof's recipes, by kind."""

    parents: tuple[str, ...]
    flats: tuple[str, ...]
    finalists: tuple[str, ...]

    @property
    def every(self) -> tuple[str, ...]:
        """All of them."""
        return self.parents + self.flats + self.finalists


@dataclass(kw_only=True)
class ProofRounds:
    """Draws the recipes of a proof, round by round."""

    panel: Panel
    groups: ProofGroups
    shots: Sequence[Shot]
    order: Sequence[int]
    """The places of the shots, in the order in which they are drawn."""
    features: dict[str, Features] = field(default_factory=dict[str, "Features"])
    """Of the pictures that each recipe has, in the order of the places."""
    drawn: dict[str, tuple[int, ...]] = field(default_factory=dict[str, tuple[int, ...]])
    """The places of the shots that each recipe has pictures of, in order."""

    def run(self, draw: Callable[[str, tuple[int, ...]], Features]) -> None:
        """Draw all that is needed.

        Args:
            draw: returns the features of a recipe's pictures of some more shots, by its label and their places.

        Raises:
            ScorerError: a scorer failed.
        """
        ends, start, going_on = (*looks(len(self.shots)), len(self.shots)), 0, self.groups.every
        for end in ends:
            places = tuple(sorted(self.order[start:end]))
            for label in going_on:
                self._add(label, places, draw(label, places))
            start = end
            if end < len(self.shots):
                given_up = self.given_up(going_on)
                going_on = tuple(label for label in going_on if label not in given_up)

    def is_whole(self, label: str) -> bool:
        """Whether a recipe has pictures of all shots."""
        return len(self.drawn[label]) == len(self.shots)

    def _add(self, label: str, places: tuple[int, ...], more: Features) -> None:
        from scorers.features import joined

        known = self.drawn.get(label, ())
        both = (*known, *places)
        rows = sorted(range(len(both)), key=lambda row: both[row])
        self.features[label] = joined([self.features[label], more]).take(rows) if known else more
        self.drawn[label] = tuple(both[row] for row in rows)

    def given_up(self, among: Sequence[str]) -> frozenset[str]:
        """Return which recipes need no more pictures, of some that all have pictures of the same shots."""
        left = [[one for one in group if one in among] for group in (self.groups.flats, self.groups.finalists)]
        worse = frozenset(label for group in left for label in self._worse_than_the_first(group))
        rivals = [label for label in left[1] if label not in worse]
        return worse | {one for one in self.groups.parents if one in among and self._is_beaten(one, rivals)}

    def _worse_than_the_first(self, group: Sequence[str]) -> Collection[str]:
        """The recipes of a kind that are clearly worse than the one with the highest value."""
        values = {label: self.panel.judge(self.features[label]).value for label in group}
        valued = {label: value for label, value in values.items() if value is not None}
        if not valued:
            return ()
        first = max(valued, key=lambda label: (valued[label], label))
        every = max(len(self.groups.flats if first in self.groups.flats else self.groups.finalists) - 1, 1)
        confidence = 1 - 2 * RISK / (len(looks(len(self.shots))) * every)
        return [one for one in group if one != first and self._is_better(first, one, confidence)]

    def _is_beaten(self, parent: str, finalists: Sequence[str]) -> bool:
        return bool(finalists) and all(self._is_better(one, parent, BEYOND_DOUBT) for one in finalists)

    def _is_better(self, one: str, other: str, confidence: float) -> bool:
        """Whether the whole interval of the difference is above 0."""
        if _common(self.features[one], self.features[other]) < FEWEST_COMMON:
            return False
        return self.panel.compare(self.features[one], self.features[other], confidence=confidence).low > 0

    def values(self) -> dict[str, float | None]:
        """Return the objective of every recipe on all shots; None where its pictures are broken.

        One that was given up counts as many less than the best one of its kind as it did on the shots that it has.
        """
        own = {label: self.panel.judge(self.features[label]).value for label in self.groups.every}
        baselines = self.groups.parents + self.groups.flats
        return own | self._on_all_shots(baselines, own) | self._on_all_shots(self.groups.finalists, own)

    def _on_all_shots(self, group: Sequence[str], own: Mapping[str, float | None]) -> dict[str, float]:
        whole = {one: value for one in group if self.is_whole(one) and (value := own[one]) is not None}
        part = {one: value for one in group if not self.is_whole(one) and (value := own[one]) is not None}
        if not whole:
            return {}
        best = max(whole, key=lambda label: (whole[label], label))
        found: dict[str, float] = {}
        for label, value in part.items():
            known = self.panel.judge(_rows_of(self.features[best], self.features[label])).value
            if known is not None:
                found[label] = control_variate(value, known, whole[best])
        return found


def _common(one: Features, other: Features) -> int:
    """How many pictures both have whole."""
    return len({one.slots[row] for row in one.intact} & {other.slots[row] for row in other.intact})


def _rows_of(whole: Features, part: Features) -> Features:
    rows = {slot: row for row, slot in enumerate(whole.slots)}
    return whole.take([rows[slot] for slot in part.slots])
