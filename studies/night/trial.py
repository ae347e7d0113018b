"""One candidate on the shots of its stage: rendered, and judged beside the base recipe's pictures of the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from search.history import Slots
from studies.candidate import Candidate
from studies.night.calibration import calibration_recipes
from studies.night.race import Rival, raced
from studies.night.workshop import RenderResult, Workshop
from studies.store.records import Stop
from studies.studyfile.spec import SearchSettings, StudyShots

if TYPE_CHECKING:
    from scorers.panel.verdict import Verdict


def tried(
    search: SearchSettings,
    shots: StudyShots,
    workshop: Workshop,
    candidate: Candidate,
    slots: Slots,
    rival: Rival | None = None,
) -> tuple[RenderResult, Verdict, Stop | None]:
    """Return the pictures' features, the panel's verdict, and where the candidate was given up in a race.

    Where stages draw fresh seeds, the recipe that values are measured from is rendered on these too, once a stage.

    Args:
        search: whose calibration recipes values are measured from.
        shots: of the study.
        workshop: with a calibrated panel.
        candidate: to try.
        slots: of its stage; none: all shots.
        rival: what it races against; None: it draws all its shots. Calibration recipes do not race.

    Raises:
        RenderError: a picture came out as NaN or infinity.
        NotKeptError: something has to be rendered, and this workshop was opened for renders that are kept.
        ScorerError: a scorer failed.
    """
    fresh, panel = shots.fresh(slots), workshop.panel
    new = shots.drawn(fresh) if fresh else ()
    if not panel.has_slots([(shot.prompt, shot.seed) for shot in new]):
        recipes = calibration_recipes(search)
        panel.add_slots({label: workshop.make(recipes[label], new).features for label in panel.bases})
    drawn, among = shots.drawn(slots), () if fresh else shots.trials
    if rival is not None and candidate.key not in _never_raced(search, rival):
        return raced(workshop, candidate, rival, drawn, slots or tuple(range(len(drawn))), among)
    work = workshop.make(candidate, drawn, among=among)
    return work, panel.judge(work.features), None


def _never_raced(search: SearchSettings, rival: Rival) -> set[str]:
    """Keys of what is judged whole: the rival itself, and calibration recipes.

    All pictures of calibration recipes are drawn before the first trial, so a race would spare nothing. The zero of all
    scores and the parents are among them.
    """
    return {rival.candidate.key, *(one.key for one in calibration_recipes(search).values())}
