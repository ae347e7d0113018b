"""One candidate on the shots of its stage: rendered, and judged beside the base recipe's pictures of the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from search.history import Slots
from search.suggester import Suggester
from studies.candidate import Candidate
from studies.studyfile import StudySpec
from studies.workshop import Work, Workshop

if TYPE_CHECKING:
    from scorers.verdict import Verdict


def tried(spec: StudySpec, workshop: Workshop, candidate: Candidate, slots: Slots) -> tuple[Work, Verdict]:
    """Return the pictures' features and what the panel says of them.

    Where stages draw fresh seeds, what values are measured from is rendered on these too, once a stage.

    Args:
        spec: the study.
        workshop: with a calibrated panel.
        candidate: to try.
        slots: of its stage; none: all shots.

    Raises:
        RenderError: a picture came out as NaN or infinity.
        NotKeptError: something has to be rendered, and this workshop was opened for renders that are kept.
        ScorerError: a scorer failed.
    """
    fresh = fresh_of(spec, slots)
    if fresh and fresh not in workshop.widened:
        bases = calibrating(spec, workshop.panel.bases)
        shown = {label: workshop.make(base, spec.drawn(fresh)).features for label, base in bases.items()}
        workshop.panel.widen(shown)
        workshop.widened.add(fresh)
    work = workshop.make(candidate, spec.drawn(slots), among=() if fresh else spec.shots)
    return work, workshop.panel.judge(work.features)


def fresh_of(spec: StudySpec, slots: Slots) -> Slots:
    """Return the places among some that the calibration recipes did not draw."""
    return tuple(slot for slot in slots if slot >= len(spec.shots))


def calibrating(spec: StudySpec, labels: Sequence[str]) -> dict[str, Candidate]:
    """Return some of the calibration recipes, by label."""
    proposals = Suggester(space=spec.space, plan=spec.plan, seed=spec.seed).calibration()
    return {one.label: spec.candidate(one.point) for one in proposals if one.label in labels}
