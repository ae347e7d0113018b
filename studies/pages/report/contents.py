"""Everything that a report shows, gathered before it is written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from engine.errors import ProblemError
from engine.files import read_text
from search.importance import MOST_TRIALS
from studies.errors import StudyError
from studies.night.continuing.fingerprint import INPUTS, SURROUNDINGS
from studies.pages.reading.best import ModelBest, model_best
from studies.pages.reading.finalist_words import ShownFinalist, sheet_columns, shown_finalists
from studies.pages.reading.importance import WhatMattered, what_mattered
from studies.pages.reading.snapshot import Snapshot
from studies.pages.reading.trials import ShownTrial
from studies.pages.report.embedding import EmbeddedPicture, PictureShelf
from studies.pages.report.facts import PickAgreement, TimeSplit, pick_agreement, time_split
from studies.pages.report.measured import ReportMeasured, measured_results
from studies.pages.views.night import strip
from studies.recipes.recipe_words import RecipeWords, recipe_words
from studies.review.exporting.history import StudyStage, study_stage
from studies.review.judging.picks import Pick, read_picks
from studies.review.judging.rejections import read_rejections
from studies.review.spent import PicturesSpent, pictures_spent
from studies.store.judged.outcome import Standing

REFERENCES = 8
"""The most references."""
SHEET_ROWS = 6
"""The most held-out prompts."""
QUICK_TRIALS = 200
"""The most trials that the model takes where there is little time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRow:
    """One held-out prompt and seed."""

    prompt: str
    seed: int
    pictures: tuple[EmbeddedPicture | None, ...]
    """One for each column."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportTrial:
    """A trial with its pictures."""

    trial: ShownTrial
    picture: EmbeddedPicture
    words: RecipeWords | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenRecipe:
    """A recipe of a study that is not proved, on search pictures."""

    label: str
    """`A`, `B`, `FLAT 0.4`; "best" stands for the trial nearest to the best."""
    trial: int | None
    picture: EmbeddedPicture | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportContents:
    """What is reported, but for the trials' pictures, which get the room that is left."""

    study: Snapshot
    stage: StudyStage | None
    """Where the study stands in a chain; None where its models are first parents."""
    made: datetime
    duration: timedelta
    """Of all trials together."""
    references: tuple[EmbeddedPicture, ...]
    columns: tuple[Standing, ...]
    rows: tuple[ReportRow, ...]
    seen: tuple[SeenRecipe, ...]
    finalists: tuple[ShownFinalist, ...]
    best: ModelBest | None
    """Where nothing is proved."""
    words: RecipeWords | None
    """Of the best recipe where nothing is proved."""
    found: WhatMattered | None
    split: TimeSplit | None
    spent: PicturesSpent
    agreement: PickAgreement | None
    inputs: Mapping[str, str]
    surroundings: Mapping[str, str]
    measured: ReportMeasured
    study_text: str
    """The study file as it is."""


def gathered(study: Snapshot, shelf: PictureShelf, *, quick: bool = False) -> ReportContents:
    """Gather what is reported.

    Args:
        study: as it is now.
        shelf: takes the pictures.
        quick: whether the model takes fewer trials.
    """
    outcome = study.outcome
    columns = sheet_columns(outcome, tuple(study.spec.merge.models)) if outcome and outcome.finalists else ()
    most = QUICK_TRIALS if quick else MOST_TRIALS
    best = None if columns else _best(study, most)
    return ReportContents(
        study=study,
        made=datetime.now().astimezone(),
        duration=sum((t.ended - t.begun for t in study.trials if t.ended and t.begun), timedelta()),
        stage=study_stage(study.spec.merge.models),
        references=tuple(_references(study, shelf)),
        rows=tuple(_rows(study, columns, shelf)),
        columns=columns,
        seen=() if columns else tuple(_seen(study, best, shelf)),
        finalists=_finalists(study),
        best=best,
        words=recipe_words(best.candidate.recipe) if best else None,
        found=_mattered(study, most),
        split=time_split(study),
        spent=pictures_spent(
            study.spec.search,
            study.spec.shots,
            [one.attributes for one in study.trials if one.status in ("scored", "broken")],
            outcome,
        ),
        agreement=pick_agreement(study, _picks(study)),
        inputs=study.notes.get(INPUTS) or {},
        surroundings=study.notes.get(SURROUNDINGS) or {},
        measured=measured_results(study, shelf),
        study_text=read_text(study.spec.storage.file, StudyError),
    )


def shown_trials(study: Snapshot, shelf: PictureShelf) -> tuple[ReportTrial, ...]:
    """Return the trials with a score and kept pictures, the best first, as many as the shelf takes."""
    found: list[ReportTrial] = []
    for trial in study.scored:
        if shelf.is_full:
            break
        if trial.sheet is None:
            continue
        candidate = trial.candidate
        words = recipe_words(candidate.recipe) if candidate else None
        beside = 500 + sum(len(text) for run in words.runs for _, text in run.lines) if words else 500
        if (picture := shelf.take(f"t{trial.number}", "320", beside)) is not None:
            found.append(ReportTrial(trial=trial, picture=picture, words=words))
    return tuple(found)


def _references(study: Snapshot, shelf: PictureShelf) -> Iterator[EmbeddedPicture]:
    for number in spread(len(study.spec.target.references), REFERENCES):
        if (picture := shelf.take(f"r{number}", "320")) is not None:
            yield picture


def _rows(study: Snapshot, columns: Sequence[Standing], shelf: PictureShelf) -> Iterator[ReportRow]:
    shots, outcome = study.spec.shots.proof, study.outcome
    finalists = outcome.finalists if outcome else ()
    for index in spread(len(shots), SHEET_ROWS) if columns else ():
        pictures = tuple(
            shelf.take(f"p-{one.candidate.key}.{index}", "640" if one in finalists else "320") for one in columns
        )
        if any(pictures):
            yield ReportRow(prompt=shots[index].prompt, seed=shots[index].seed, pictures=pictures)


def _seen(study: Snapshot, best: ModelBest | None, shelf: PictureShelf) -> Iterator[SeenRecipe]:
    for column in strip(study, best):
        picture = shelf.take(column.pictures[0], "640")
        yield SeenRecipe(label=column.label, trial=column.trial, picture=picture)


def _finalists(study: Snapshot) -> tuple[ShownFinalist, ...]:
    if study.outcome is None:
        return ()
    try:
        rejections = read_rejections(study.spec.storage.folder)
    except StudyError:
        rejections = []
    return shown_finalists(study, study.outcome, rejections)


def _best(study: Snapshot, most: int) -> ModelBest | None:
    try:
        return model_best(study, most=most)
    except ProblemError:  # trials of another space: the report says what it can
        return None


def _mattered(study: Snapshot, most: int) -> WhatMattered | None:
    try:
        return what_mattered(study, most=most)
    except ProblemError:
        return None


def _picks(study: Snapshot) -> list[Pick]:
    try:
        return read_picks(study.spec.storage.folder)
    except StudyError:
        return []


def spread(count: int, most: int) -> list[int]:
    """Return up to so many numbers spread evenly over 0, 1, ... count - 1."""
    step = max(1.0, count / most)
    return [int(n * step) for n in range(min(count, most))]
