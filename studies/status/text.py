"""A study's status for people: a screen for one, a line each for many; and as JSON for programs."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from engine.errors import counted
from studies.amounts import size_text, time_text
from studies.status.status import FailedTrial, StudyStatus, WorkerStatus

SHORTENED = 100
"""The most characters of a failure or a message on a screen."""
_HEADS = ("study", "state", "trials", "best", "workers", "a trial", "done", "size")


def screen(study: StudyStatus) -> Iterator[str]:
    """Yield the lines of one study."""
    pictures = counted(study.pictures, "picture")
    yield f"study {study.place.name}: {_state(study)}, {_of(study.done, study.planned)} trials, {pictures}"
    yield f"  in {study.place.folder}" + (f", {size_text(study.size_bytes)}" if study.size_bytes else "")
    width = max((len(stage.stage) for stage in study.stages), default=0)
    for stage in study.stages:
        yield f"  {stage.stage:<{width}}  {_of(stage.done, stage.planned)}"
    if study.best is not None:
        best = study.best
        yield f"best so far: trial {best.number} ({best.stage}), {_score(study)}"
    for worker in study.workers:
        yield _worker(worker, study.at)
    yield from _pace(study)
    for what in study.asked:
        yield f"{what} asked"
    if study.failures:
        yield "last failures:"
        yield from (f"  {_failure(one)}" for one in study.failures)
    if study.messages:
        yield "last messages:"
        yield from (f"  {_short(str(line))}" for line in study.messages)
    for problem in study.problems:
        yield f"warning: {problem}"


def table(studies: Sequence[StudyStatus]) -> Iterator[str]:
    """Yield a heading, and a line for each study."""
    names = list(_names(studies))
    rows = [_HEADS, *((name, *_cells(study)) for name, study in zip(names, studies, strict=True))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADS))]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
    for name, study in zip(names, studies, strict=True):
        yield from (f"warning: {name}: {problem}" for problem in study.problems)


def _names(studies: Sequence[StudyStatus]) -> Iterator[str]:
    """Their names, and the files of those that share one."""
    counts = Counter(study.place.name for study in studies)
    folders = [study.place.file.parent for study in studies]
    is_one_drive = len({folder.drive for folder in folders}) == 1
    above = Path(os.path.commonpath(folders)) if is_one_drive else None
    for place in (study.place for study in studies):
        file = place.file.relative_to(above) if above else place.file
        yield f"{place.name} ({file.as_posix()})" if counts[place.name] > 1 else place.name


def as_json(study: StudyStatus) -> dict[str, Any]:
    """Return a study's status as values of JSON: times with their zone, sizes in bytes, durations in seconds."""
    best = study.best
    return {
        "study": study.place.name,
        "file": str(study.place.file),
        "folder": str(study.place.folder),
        "state": study.state,
        "at": _iso(study.at),
        "trials": {"done": study.done, "planned": study.planned},
        "stages": [{"stage": one.stage, "done": one.done, "planned": one.planned} for one in study.stages],
        "pictures": study.pictures,
        "best": None
        if best is None
        else {
            "trial": best.number,
            "stage": best.stage,
            "score": best.score,
            "standard_error": best.attributes.get("standard_error"),
        },
        "workers": [_worker_json(one) for one in study.workers],
        "seconds_per_trial": study.seconds_per_trial,
        "last_end": _iso(study.last_end),
        "done_at": _iso(study.done_at),
        "deadline": _iso(study.deadline),
        "asked": list(study.asked),
        "failures": [{"trial": one.number, "reason": one.reason, "at": _iso(one.at)} for one in study.failures],
        "messages": [dict(line.facts) for line in study.messages],
        "size_bytes": study.size_bytes,
        "problems": list(study.problems),
    }


def _worker_json(one: WorkerStatus) -> dict[str, Any]:
    return {
        "name": one.worker.name,
        "process": one.worker.process,
        "machine": one.worker.machine,
        "since": _iso(one.worker.since),
        "trial": one.trial,
        "stage": one.stage,
        "trial_since": _iso(one.trial_since),
    }


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat(timespec="seconds")


def _state(study: StudyStatus) -> str:
    return f"{study.state} since {_clock(study.last_end, study.at)}" if _has_ended(study) else study.state


def _has_ended(study: StudyStatus) -> bool:
    return study.state in ("stopped", "unproved") and study.last_end is not None


def _of(done: int, planned: int) -> str:
    return f"{done} of {planned}"


def _score(study: StudyStatus) -> str:
    if study.best is None or study.best.score is None:
        return "-"
    error = study.best.attributes.get("standard_error")
    return f"{study.best.score:+.2f}" + (f" ± {error:.2f}" if isinstance(error, float) else "")


def _worker(one: WorkerStatus, now: datetime) -> str:
    where = f" on {one.worker.machine}" if one.worker.machine else ""
    doing = "no trial at this moment"
    if one.trial is not None:
        doing = f"trial {one.trial} ({one.stage})"
        if one.trial_since is not None:
            doing += f" for {time_text((now - one.trial_since).total_seconds())}"
    return f"worker {one.worker.process or one.worker.name}{where} since {_clock(one.worker.since, now)}: {doing}"


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 10 else time_text(seconds)


def _pace(study: StudyStatus) -> Iterator[str]:
    if study.deadline is not None:
        yield f"deadline: {_clock(study.deadline, study.at)}"
    if study.seconds_per_trial is None:
        return
    done = f", done at {_clock(study.done_at, study.at)} at the latest" if study.done_at else ""
    yield f"{_seconds(study.seconds_per_trial)} a trial{done}"


def _failure(one: FailedTrial) -> str:
    at = f", {one.at:%Y-%m-%d %H:%M}" if one.at else ""
    return _short(f"trial {one.number}{at}: {one.reason}")


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= SHORTENED else line[: SHORTENED - 3] + "..."


def _clock(at: datetime | None, now: datetime) -> str:
    """A time of day; with its date where that is not within a day of now."""
    if at is None:
        return "-"
    return f"{at:%H:%M}" if abs(at - now) < timedelta(hours=20) else f"{at:%Y-%m-%d %H:%M}"


def _cells(study: StudyStatus) -> tuple[str, ...]:
    """What stands beside a study's name."""
    pace = study.seconds_per_trial
    return (
        study.state,
        f"{study.done}/{study.planned}",
        _score(study),
        str(len(study.workers)),
        "-" if pace is None else _seconds(pace),
        _clock(study.done_at, study.at),
        size_text(study.size_bytes) if study.size_bytes else "-",
    )
