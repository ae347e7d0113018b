"""The night: how far it is, what it found, what it tries, and the buttons that begin, pause and stop it."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.exceptions import HTTPException
from starlette.responses import Response

from studies.candidate import Candidate
from studies.errors import StudyError
from studies.night.proving.proof_rounds import drawn_first
from studies.pages.context import Visit
from studies.pages.nights import is_running, last_lines, start_process
from studies.pages.reading.best import ModelBest
from studies.pages.reading.pace import pace
from studies.pages.reading.snapshot import Snapshot
from studies.pages.reading.trials import ShownTrial
from studies.recipes.recipe_words import recipe_words
from studies.review.exporting.history import study_stage
from studies.store.judged.outcome import Outcome

LATEST = 12
"""The most trials that are shown as they come."""
TILES = 4
"""The most held-out pictures of a recipe on the strip."""


def night_page(visit: Visit) -> Response:
    """Show the night; with ``?part=live`` only what changes."""
    study = visit.study
    best = visit.site.best.of(str(visit.reader.file)).state(study).found
    recipe = _candidate(study, best)
    live = visit.asked("part") == "live"
    return visit.page(
        "night_live.html" if live else "night.html",
        study=study,
        stage=None if live else study_stage(study.spec.merge.models),
        best=best,
        recipe=recipe_words(recipe.recipe) if recipe else None,
        strip=strip(study, best),
        latest=[t for t in reversed(study.trials) if t.sheet is not None][:LATEST],
        pace=pace(study),
        begins=not study.is_at_work and is_running(study.spec.storage.folder),
        night_lines=last_lines(study.spec.storage.folder) if not study.is_at_work else (),
    )


def _candidate(study: Snapshot, best: ModelBest | None) -> Candidate | None:
    """The recipe that the page shows: the first finalist after a proof, else the model's best."""
    if study.state == "proved" and study.outcome is not None and study.outcome.finalists:
        return study.outcome.finalists[0].candidate
    return best.candidate if best else None


@dataclass(frozen=True, slots=True, kw_only=True)
class StripColumn:
    """One recipe of the strip, with pictures at equal prompts and seeds."""

    label: str
    """`A`, `B`, `FLAT 0.4`; "best" stands for the trial nearest to the best, "finalist" for the first one."""
    pictures: tuple[str, ...]
    """Names of pictures; one alone is a contact sheet."""
    trial: int | None = None
    """The trial, where it is one."""


def strip(study: Snapshot, best: ModelBest | None) -> tuple[StripColumn, ...]:
    """Return what stands side by side: the best, A, B, the best FLAT; held-out pictures once there are some."""
    if study.state == "proved" and study.outcome is not None and study.outcome.finalists:
        return _proved_strip(study, study.outcome)
    shown: list[tuple[str, ShownTrial]] = []
    if best is not None:
        shown.append(("best", study.by_number[best.nearest]))
    flats = [trial for trial in study.scored if trial.stage == "flat" and _flat_ratio(study, trial) is not None]
    for label, ratio in (("A", 0.0), ("B", 1.0)):
        shown += [(label, trial) for trial in flats if _flat_ratio(study, trial) == ratio][:1]
    middle = [trial for trial in flats if 0.0 < (_flat_ratio(study, trial) or 0.0) < 1.0]
    shown += [(f"FLAT {_flat_ratio(study, trial):g}", trial) for trial in middle[:1]]
    return tuple(
        StripColumn(label=label, pictures=(f"t{trial.number}",), trial=trial.number)
        for label, trial in shown
        if trial.sheet is not None
    )


def _proved_strip(study: Snapshot, outcome: Outcome) -> tuple[StripColumn, ...]:
    flats = [one for one in outcome.baselines if one.label not in outcome.models and one.value is not None]
    best_flat = max(flats, key=lambda one: one.value or 0.0, default=None)
    parents = [one for one in outcome.baselines if one.label in outcome.models]
    shown = [
        ("finalist", outcome.finalists[0]),
        *((one.label, one) for one in (*parents, best_flat) if one is not None),
    ]
    count = len(study.spec.shots.proof)
    places = drawn_first(count)[:TILES]
    return tuple(
        StripColumn(label=label, pictures=tuple(f"p-{one.candidate.key[:20]}.{place}" for place in places))
        for label, one in shown
    )


def _flat_ratio(study: Snapshot, trial: ShownTrial) -> float | None:
    """The ratio of a FLAT; None where it is another recipe."""
    space = study.spec.search.space
    ratios = {trial.point.get(knob.name) for knob in space.free if knob.kind == "block"}
    ratio = ratios.pop() if len(ratios) == 1 else None
    return ratio if ratio is not None and space.mark(trial.point) == space.mark(space.flat(ratio)) else None


def start_night(visit: Visit) -> Response:
    """Begin the search, or go on with it."""
    study = visit.study
    if study.is_at_work:
        visit.reader.requests.withdraw("pause", "stop")
    else:
        start_process(visit.reader.file, study.spec.storage.folder)
    return visit.go(started=1)


def ask_night(visit: Visit) -> Response:
    """Ask the night to pause or stop, or withdraw that."""
    what, requests = visit.form.get("what", ""), visit.reader.requests
    if not visit.study.is_at_work:
        raise StudyError("no night is at work", place=(visit.study.spec.storage.folder,))
    match what:
        case "pause":
            requests.ask("pause")
        case "stop":
            requests.ask("stop")
        case "go on":
            requests.withdraw("pause", "stop")
        case _:
            raise HTTPException(400, "nothing that can be asked")
    return visit.go()
