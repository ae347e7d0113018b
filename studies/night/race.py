"""A trial as a race: its pictures are drawn a few at a time, until it has all or is clearly worse than the best one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Self

from search.racing import Race, control_variate, race_order
from studies.candidate import Candidate
from studies.store.records import Stop

if TYPE_CHECKING:
    from engine.shots.shot import Shot
    from scorers.features import Features
    from scorers.panel.panel import Panel
    from scorers.panel.verdict import PairedDifference, Verdict
    from search.history import Slots
    from studies.night.workshop import RenderResult, Workshop

FEWEST_COMMON = 3
"""Pictures that a candidate and the best one must both have whole; fewer are not compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rival:
    """The trial that a candidate is compared with."""

    candidate: Candidate
    value: float
    """Its objective on all its shots."""


@dataclass(slots=True, kw_only=True)
class TrialRace:
    """One candidate against the best trial so far, on the same shots."""

    panel: Panel
    rival: Rival
    pictures: Features
    """The rival's features, on all the shots."""
    race: Race = field(default_factory=Race)
    lost_by: PairedDifference | None = None
    """How much worse the candidate is, where it was given up."""

    @classmethod
    def against(cls, rival: Rival, workshop: Workshop, shots: Sequence[Shot], among: Sequence[Shot]) -> Self:
        """Return a race against a trial whose renders are kept; see ``raced``."""
        pictures = workshop.make(rival.candidate, shots, among=among).features
        return cls(panel=workshop.panel, rival=rival, pictures=pictures)

    def is_lost(self, features: Features) -> bool:
        """Return whether a candidate is clearly worse on its pictures so far, and remember by how much.

        Raises:
            ScorerError: a scorer failed.
        """
        whole = {slot for slot, why in zip(self.pictures.slots, self.pictures.broken, strict=True) if not why}
        common = [row for row in features.intact if features.slots[row] in whole]
        if len(common) < FEWEST_COMMON:
            return False
        confidence = self.race.confidence(len(self.pictures))
        found = self.panel.compare(features, self.pictures, confidence=confidence)
        self.lost_by = found if found.high < 0 else None
        return self.lost_by is not None

    def judged(self, features: Features) -> Verdict:
        """Return the verdict on the pictures of a candidate that was given up, as if it had all of them.

        Raises:
            ScorerError: a scorer failed, or fewer than 2 pictures are whole.
        """
        verdict = self.panel.judge(features)
        known = self.panel.judge(_rows_of(self.pictures, features)).value
        if verdict.value is None or known is None:
            return verdict
        return replace(verdict, value=control_variate(verdict.value, known, self.rival.value))


def raced(
    workshop: Workshop, candidate: Candidate, rival: Rival, shots: Sequence[Shot], slots: Slots, among: Sequence[Shot]
) -> tuple[RenderResult, Verdict, Stop | None]:
    """Return the pictures, the verdict, and where the candidate was given up, if it was.

    Args:
        workshop: with a calibrated panel.
        candidate: to try.
        rival: the best trial of the same shots.
        shots: that a whole trial draws.
        slots: their places in the study.
        among: as ``Workshop.make`` takes it.

    Raises:
        RenderError, NotKeptError, ScorerError: as ``studies.night.trial.tried``.
    """
    race = TrialRace.against(rival, workshop, shots, among)
    order, looks = race_order([shot.prompt for shot in shots]), race.race.looks(len(shots))
    work, places = workshop.make_until(candidate, shots, order, looks, race.is_lost)
    if len(places) == len(shots):
        return work, workshop.panel.judge(work.features), None
    assert race.lost_by is not None  # noqa: S101 - else all would have been drawn
    stop = Stop(
        drawn=tuple(slots[place] for place in places),
        shots=len(shots),
        difference=race.lost_by.mean,
        upper=race.lost_by.high,
    )
    return work, race.judged(work.features), stop


def _rows_of(whole: Features, part: Features) -> Features:
    """The pictures of ``whole`` that are of the same shots as those of ``part``."""
    rows = {slot: row for row, slot in enumerate(whole.slots)}
    return whole.take([rows[slot] for slot in part.slots])
