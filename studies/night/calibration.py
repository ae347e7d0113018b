"""Calibration: a few recipes, rendered on the study's shots, give the scorers their units or switch them off."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from rich.console import Console

from studies.candidate import Candidate
from studies.errors import StudyError
from studies.night.noise import measure
from studies.night.workshop import Workshop
from studies.progress import meter
from studies.store.storage import StudyStore
from studies.studyfile.enough import refuse_too_few
from studies.studyfile.spec import Merge, SearchSettings, StudyShots

if TYPE_CHECKING:
    from scorers.features import Features
    from scorers.panel.panel import Panel

CALIBRATION = "calibration"
"""Key of the study's note of what calibration found, a sentence each."""
OFF = "switched off"
"""Key of the study's note of the scorers that its first calibration switched off; later nights use the same."""


def calibrate(
    merge: Merge, search: SearchSettings, shots: StudyShots, workshop: Workshop, store: StudyStore, console: Console
) -> None:
    """Render the calibration recipes, unless they are kept, fit the panel to them, and print the result.

    Raises:
        StudyError: as ``refuse_too_few`` and ``fit``.
        EngineError, ScorerError: as ``fit``.
    """
    refuse_too_few(search, shots)
    fit(merge, search, shots, workshop, store.noted(OFF), console)
    report = report_lines(workshop.panel)
    store.note(CALIBRATION, report)
    store.note(OFF, list(workshop.panel.switched_off))
    for line in report:
        console.print(line, highlight=False, markup=False)
    measure(search, shots, workshop.panel, store, console)


def calibration_recipes(search: SearchSettings) -> dict[str, Candidate]:
    """Return the recipes that calibrate the panel, by label: FLAT mixes and random ones."""
    proposals = search.suggester().calibration()
    return {proposal.label: search.candidate(proposal.point) for proposal in proposals}


def fit(
    merge: Merge,
    search: SearchSettings,
    shots: StudyShots,
    workshop: Workshop,
    off: Collection[str] | None,
    console: Console,
) -> None:
    """Fit the panel to the calibration recipes; ``off`` as for ``Panel.calibrate``.

    Raises:
        StudyError: all of them make the same pictures.
        EngineError, ScorerError: their pictures cannot be rendered or judged.
    """
    recipes = calibration_recipes(search)
    with meter("calibrating the panel", len(recipes), console) as bar:
        features: dict[str, Features] = {}
        for label, candidate in recipes.items():
            features[label] = workshop.make(candidate, shots.trials).features
            bar.advance(note=label)
        workshop.settle()
    _refuse_sameness(merge, list(features.values()))
    workshop.panel.calibrate(features, off)


def _refuse_sameness(merge: Merge, features: Sequence[Features]) -> None:
    """Refuse a study whose recipes all make the same pictures: there is nothing to find in it."""
    first, *others = features
    if not all(one.resembles(first) for one in others):
        return
    names = " and ".join(f"{letter} ({path.name})" for letter, path in merge.models.items())
    raise StudyError(
        f"all {len(features)} calibration recipes make the same pictures: {names} make the same pictures too, or the "
        "knobs of [space] change nothing, so there is nothing to search for",
        remedy="take other models, widen [space], or add [space.adjust]",
    )


def report_lines(panel: Panel) -> list[str]:
    """The results of calibration, for people."""
    lines = [*panel.remarks, *(scale.text for scale in panel.scales.values())]
    off = panel.switched_off
    if off:
        names = ", ".join(f'"{name}"' for name in off)
        lines.append(
            f"switched off, so that noise does not steer the search: {', '.join(off)}. More prompts bring them back; "
            f"keep = [{names}] in [scorers] keeps them on"
        )
    return lines
