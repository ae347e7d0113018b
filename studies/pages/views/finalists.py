"""The finalists: the reveal, what is said for and against each, and the forms that approve and reject."""

from __future__ import annotations

import threading
from functools import partial
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.responses import Response

from studies.errors import StudyError
from studies.pages.background.jobs import Job, JobReport
from studies.pages.context import Visit
from studies.pages.reading.finalist_words import sheet_columns, sheet_rows, shown_finalists
from studies.recipes.recipe_words import recipe_words
from studies.review.approval import approve_recipe, refuse_swapped
from studies.review.judging.picks import read_picks
from studies.review.judging.rejections import REASONS, read_rejections, reject
from studies.store.judged.person import user_name
from studies.studyfile.spec import StudySpec

LONGEST_WORDS = 2000
"""The most letters of a note, and of a name."""
REFERENCES = 8
"""The most references above the sheet."""
_REJECTING = threading.Lock()


def finalists_page(visit: Visit) -> Response:
    """Show the finalists; with ``?trial=17`` also a form that approves that trial."""
    study = visit.study
    folder, outcome = study.spec.storage.folder, study.outcome
    columns = sheet_columns(outcome, tuple(study.spec.merge.models)) if outcome else ()
    rejections = read_rejections(folder)
    trial = study.by_number.get(visit.number("trial", -1)) if visit.asked("trial") else None
    return visit.page(
        "finalists.html",
        study=study,
        outcome=outcome,
        columns=columns,
        rows=sheet_rows(study, columns),
        references=range(min(REFERENCES, len(study.spec.target.references))),
        finalists=shown_finalists(study, outcome, rejections) if outcome else (),
        trial=trial if trial is not None and trial.candidate is not None else None,
        trial_words=recipe_words(trial.candidate.recipe) if trial is not None and trial.candidate else None,
        job=visit.site.jobs.job(str(visit.reader.file)),
        after=pin_count(folder),
        rejected=len(rejections),
        reasons=REASONS,
        picks=len(read_picks(folder)),
        tally=visit.site.judging.of(str(visit.reader.file)).tally,
        user=user_name(),
    )


def pin_count(folder: Path) -> int:
    """Return how many pins a study has, readable or not; a form that was made at another count is an old one."""
    return sum(1 for _ in (folder / "pins").glob("*.json"))


def approve(visit: Visit) -> Response:
    """Begin to approve a finalist or a trial: the models are read whole before it is pinned."""
    form, spec = visit.form, visit.study.spec
    note, by = _words(form.get("note", "")), _words(form.get("by", ""))
    if not note:
        raise StudyError("an approval says why", remedy="go back, and say in a few words why this one")
    finalist, trial = _number(form.get("finalist", "")), _number(form.get("trial", ""))
    if (finalist is None) == (trial is None):
        raise HTTPException(400, "approve one finalist, or one trial")
    began = visit.site.jobs.start(
        str(visit.reader.file),
        Job(kind="approve", subject=str(finalist or trial)),
        partial(_approved, spec, finalist, trial, note, by),
        is_wanted=lambda: form.get("after") == str(pin_count(spec.storage.folder)),
    )
    return visit.go("finalists") if began else visit.go("finalists", late=1)


def _approved(
    spec: StudySpec, finalist: int | None, trial: int | None, note: str, by: str, report: JobReport
) -> tuple[str, ...]:
    def check() -> None:
        refuse_swapped(spec.storage, spec.merge, spec.rendering, report.step("read"))

    pin = approve_recipe(spec.storage, finalist=finalist, trial=trial, note=note, by=by or None, check=check)
    return (str(pin.number),)


def reject_finalist(visit: Visit) -> Response:
    """Keep that a person rejected a finalist, and why."""
    form, study = visit.form, visit.study
    number, folder = _number(form.get("finalist", "")), study.spec.storage.folder
    if study.outcome is None or number is None:
        raise HTTPException(400, "reject one finalist")
    label, candidate = study.outcome.finalist(number)
    with _REJECTING:
        if form.get("after") != str(len(read_rejections(folder))):
            return visit.go("finalists", late=1)
        reject(
            folder,
            label,
            candidate,
            reason=form.get("reason", ""),
            text=form.get("text", ""),
            by=_words(form.get("by", "")) or None,
        )
    return visit.go("finalists")


def _words(text: str) -> str:
    """What was typed, without blanks around it."""
    if len(text) > LONGEST_WORDS:
        raise StudyError(f"at most {LONGEST_WORDS} letters are kept", remedy="go back, and say it in fewer words")
    return text.strip()


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None
