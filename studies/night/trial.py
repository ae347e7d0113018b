"""One candidate on the shots of its stage: rendered, and judged beside the base recipe's pictures of the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from search.history import Slots
from studies.candidate import Candidate
from studies.night.calibration import calibration_recipes
from studies.night.workshop import Work, Workshop
from studies.studyfile.read import StudySpec

if TYPE_CHECKING:
    from scorers.panel.verdict import Verdict


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
    shots, panel = spec.drawn(fresh) if fresh else (), workshop.panel
    if not panel.has_slots([(shot.prompt, shot.seed) for shot in shots]):
        recipes = calibration_recipes(spec)
        panel.add_slots({label: workshop.make(recipes[label], shots).features for label in panel.bases})
    work = workshop.make(candidate, spec.drawn(slots), among=() if fresh else spec.shots)
    return work, workshop.panel.judge(work.features)


def fresh_of(spec: StudySpec, slots: Slots) -> Slots:
    """Return the places among some that the calibration recipes did not draw."""
    return tuple(slot for slot in slots if slot >= len(spec.shots))
