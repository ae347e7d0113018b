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
    from studies.candidate import Candidate
    from studies.night.workshop import Workshop

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


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnShots:
    """The pictures that a recipe has, in the order of their places."""

    places: tuple[int, ...] = ()
    features: Features | None = None

    @property
    def known(self) -> Features:
        """The features; there are some."""
        assert self.features is not None  # noqa: S101 - a first part was drawn
        return self.features

    def with_more(self, places: tuple[int, ...], features: Features) -> DrawnShots:
        """Return these pictures and those of other places."""
        from scorers.features import joined

        if self.features is None:
            return DrawnShots(places=places, features=features)
        both = (*self.places, *places)
        rows = sorted(range(len(both)), key=lambda row: both[row])
        every = joined([self.features, features]).take(rows)
        return DrawnShots(places=tuple(both[row] for row in rows), features=every)


@dataclass(kw_only=True)
class ProofRounds:
    """Draws the recipes of a proof, round by round."""

    panel: Panel
    groups: ProofGroups
    shots: Sequence[Shot]
    order: Sequence[int]
    """The places of the shots, in the order in which they are drawn."""
    _drawn: dict[str, DrawnShots] = field(default_factory=dict[str, "DrawnShots"])

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
                known = self._drawn.get(label, DrawnShots())
                self._drawn[label] = known.with_more(places, draw(label, places))
            start = end
            if end < len(self.shots):
                given_up = self.given_up(going_on)
                going_on = tuple(label for label in going_on if label not in given_up)

    @property
    def features(self) -> dict[str, Features]:
        """Features of the pictures that each recipe has, in the order of their places."""
        return {label: one.known for label, one in self._drawn.items()}

    @property
    def drawn(self) -> dict[str, tuple[int, ...]]:
        """The places of the shots that each recipe has pictures of, in order."""
        return {label: one.places for label, one in self._drawn.items()}

    def is_whole(self, label: str) -> bool:
        """Whether a recipe has pictures of all shots."""
        return len(self._drawn[label].places) == len(self.shots)

    def given_up(self, among: Sequence[str]) -> frozenset[str]:
        """Return which recipes need no more pictures, of some that all have pictures of the same shots."""
        left = [[one for one in group if one in among] for group in (self.groups.flats, self.groups.finalists)]
        worse = frozenset(label for group in left for label in self._worse_than_the_first(group))
        rivals = [label for label in left[1] if label not in worse]
        return worse | {one for one in self.groups.parents if one in among and self._is_beaten(one, rivals)}

    def _worse_than_the_first(self, group: Sequence[str]) -> Collection[str]:
        """The recipes of a kind that are clearly worse than the one with the highest value."""
        values = {label: self.panel.judge(self._drawn[label].known).value for label in group}
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
        if common_pictures(self._drawn[one].known, self._drawn[other].known) < FEWEST_COMMON:
            return False
        return self.panel.compare(self._drawn[one].known, self._drawn[other].known, confidence=confidence).low > 0

    def values(self) -> dict[str, float | None]:
        """Return the objective of every recipe on all shots; None where its pictures are broken.

        One that was given up counts as many less than the best one of its kind as it did on the shots that it has.
        """
        own = {label: self.panel.judge(self._drawn[label].known).value for label in self.groups.every}
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
            known = self.panel.judge(rows_of(self._drawn[best].known, self._drawn[label].known)).value
            if known is not None:
                found[label] = control_variate(value, known, whole[best])
        return found


def drawn_until(
    workshop: Workshop, candidate: Candidate, shots: Sequence[Shot], is_lost: Callable[[Features, float], bool]
) -> tuple[Features, int]:
    """Draw a recipe's held-out pictures round by round, until it is lost or has them all; all of them are kept.

    Args:
        workshop: that draws.
        candidate: the recipe.
        shots: all held-out ones.
        is_lost: whether it needs no more, by the features of its pictures so far and the level of an interval that
            shares `RISK` among all looks.

    Returns:
        The features of the pictures that it has, and how many these are.

    Raises:
        EngineError, ScorerError: pictures cannot be made or judged.
    """
    ends = looks(len(shots))
    if not ends:
        return workshop.make(candidate, shots, pictures=True).features, len(shots)
    order, start, drawn = drawing_order([shot.prompt for shot in shots]), 0, DrawnShots()
    for end in (*ends, len(shots)):
        places = tuple(sorted(order[start:end]))
        drawn = drawn.with_more(places, workshop.make_part(candidate, shots, places))
        start = end
        if end < len(shots) and is_lost(drawn.known, 1 - 2 * RISK / len(ends)):
            return drawn.known, end
    workshop.keep_whole(candidate, shots, drawn.known)
    return drawn.known, len(shots)


def common_pictures(one: Features, other: Features) -> int:
    """How many pictures both have whole."""
    return len({one.slots[row] for row in one.intact} & {other.slots[row] for row in other.intact})


def rows_of(whole: Features, part: Features) -> Features:
    """Return the pictures of a recipe that are of the same shots as another's."""
    rows = {slot: row for row, slot in enumerate(whole.slots)}
    return whole.take([rows[slot] for slot in part.slots])
