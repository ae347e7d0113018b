"""How a study stands at one moment: read beside a night, without its locks, and without writing anything."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Protocol

from engine.errors import ProblemError, counted
from search.plan import STAGES
from studies.status.journal_scan import ScannedStudy, TrialFacts, moment
from studies.status.living import LivingWorker
from studies.status.log_lines import LogLine, last_lines
from studies.status.pace import seconds_per_trial
from studies.status.state import StudyCounts, StudyState
from studies.status.study_place import StudyPlace
from studies.store.backends.requests import REQUEST_NAMES, NightRequest
from studies.store.note_keys import INPUTS, NIGHT
from studies.store.shapes import read_json

WatchedState = Literal[StudyState, "unreadable"]
"""How a study stands: as on the pages, or ``unreadable``, for the reasons among its problems."""
FAILURES = 5
"""The most failed trials that are told."""
MESSAGES = 8
"""The most lines of the log that are told."""
SHOT = "shot "
"""How the names of a study's shots begin, among its inputs."""


class StudyScan(Protocol):
    """What reads a study: its journal, or its database."""

    @property
    def damaged(self) -> int:
        """How many lines are no records."""
        ...

    def read(self) -> StudyScan:
        """Read what is new; returns itself."""
        ...

    def study(self, name: str) -> ScannedStudy | None:
        """Return the newest scoring of the study; None where it has not begun."""
        ...

    def living(self) -> tuple[LivingWorker, ...]:
        """Return the workers that live."""
        ...

    def asked(self) -> frozenset[NightRequest]:
        """Return what is asked of the night."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StageCount:
    """How far one stage is."""

    stage: str
    done: int
    planned: int
    """The most trials that it gets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerStatus:
    """What a worker that lives is doing."""

    worker: LivingWorker
    trial: int | None = None
    """Number of its trial; None where it has none at this moment."""
    stage: str = ""
    trial_since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedTrial:
    """A trial that failed, with why."""

    number: int
    reason: str
    at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyStatus:
    """One study at one moment."""

    place: StudyPlace
    state: WatchedState
    at: datetime
    """The moment."""
    stages: tuple[StageCount, ...] = ()
    """Those that have trials, in order."""
    results: Mapping[tuple[str, str], int]
    """How many trials of each stage ended in each way: scored, broken, failed."""
    pictures: int = 0
    """How many were drawn for trials; calibration and proof are not counted."""
    best: TrialFacts | None = None
    """The trial with the highest score."""
    workers: tuple[WorkerStatus, ...] = ()
    seconds_per_trial: float | None = None
    """Seconds between the ends of two of the last trials; None while there are too few."""
    last_end: datetime | None = None
    """When the last trial ended."""
    done_at: datetime | None = None
    """When the last trial of the night ends at this pace, at the latest; None where no night is at work."""
    deadline: datetime | None = None
    """When the night at work is to end at the latest; None where it has no deadline."""
    failures: tuple[FailedTrial, ...] = ()
    """The last trials that failed, the newest first."""
    messages: tuple[LogLine, ...] = ()
    """The last lines of the log, the newest last."""
    asked: tuple[str, ...] = ()
    """What is asked of the night at work: pause, stop."""
    size_bytes: int = 0
    """Of its folder."""
    problems: tuple[str, ...] = ()
    """What of it cannot be read, for people."""

    @property
    def done(self) -> int:
        """How many trials ended."""
        return sum(stage.done for stage in self.stages)

    @property
    def planned(self) -> int:
        """The most trials of the whole plan."""
        return sum(stage.planned for stage in self.stages)


def study_status(place: StudyPlace, scan: StudyScan, *, size_bytes: int = 0, messages: bool = True) -> StudyStatus:
    """Return how a study stands now.

    Args:
        place: of the study.
        scan: its journal or its database, as far as it was read before.
        size_bytes: of its folder, as ``folder_bytes`` gives it.
        messages: whether to read its log.
    """
    now, folder, problems = datetime.now().astimezone(), place.folder, list(place.problems)
    scanned, living, asked = None, tuple[LivingWorker, ...](), frozenset[NightRequest]()
    try:
        scanned = scan.read().study(place.name)
        living, asked = scan.living(), scan.asked()
    except (OSError, ProblemError) as error:
        problems.append(str(error))
    if scan.damaged:
        lines = counted(scan.damaged, "damaged line")
        problems.append(f"{lines} in the journal: recipe-search run {place.file} --repair mends it")
    trials = scanned.trials if scanned else []
    counting = [trial for trial in trials if trial.standing != "interrupted"]
    ended = [trial for trial in counting if trial.standing != "running"]
    scored = [trial for trial in ended if trial.score is not None]
    times = [
        (begun, end)
        for trial in ended[-50:]
        if (begun := moment(trial.begun)) is not None and (end := moment(trial.ended)) is not None
    ]
    last_end = max((end for _, end in times), default=None)
    notes = scanned.notes if scanned else {}
    night: Mapping[str, Any] = notes.get(NIGHT) or {}
    stages = _stages(ended, _planned(place, night))
    pace = seconds_per_trial(times)
    left = sum(max(0, night.get("planned", {}).get(one.stage, one.planned) - one.done) for one in stages)
    until = night.get("until") if living else None
    counts = StudyCounts(
        asked=asked,
        is_at_work=bool(living),
        has_begun=bool(counting or notes),
        notes=notes,
        trials=len(counting),
        running=len(counting) - len(ended),
        scored=len(scored),
        planned=sum(one.planned for one in stages),
        proved=_proved_trials(folder),
    )
    return StudyStatus(
        place=place,
        state="unreadable" if counts.state == "new" and problems else counts.state,
        at=now,
        stages=stages,
        results=Counter((trial.stage, trial.standing) for trial in ended),
        pictures=sum(trial.pictures(_shots(notes)) for trial in ended),
        best=max(scored, key=lambda trial: trial.score or 0.0, default=None),
        workers=tuple(_at(worker, trials) for worker in living),
        seconds_per_trial=pace,
        last_end=last_end,
        done_at=datetime.fromtimestamp(last_end.timestamp() + pace * left).astimezone()
        if pace and last_end and living and left
        else None,
        deadline=None if until is None else datetime.fromtimestamp(until, UTC).astimezone(),
        failures=tuple(
            FailedTrial(number=trial.number, reason=trial.reason, at=moment(trial.ended))
            for trial in [one for one in reversed(ended) if one.standing == "failed"][:FAILURES]
        ),
        messages=last_lines(folder, MESSAGES) if messages else (),
        asked=tuple(what for what in REQUEST_NAMES if living and what in asked),
        size_bytes=size_bytes,
        problems=tuple(problems),
    )


def _at(worker: LivingWorker, trials: Sequence[TrialFacts]) -> WorkerStatus:
    """What a worker is doing: its newest trial in work."""
    for trial in reversed(trials):
        if trial.worker == worker.name and trial.standing == "running":
            return WorkerStatus(worker=worker, trial=trial.number, stage=trial.stage, trial_since=moment(trial.begun))
    return WorkerStatus(worker=worker)


def _planned(place: StudyPlace, night: Mapping[str, Any]) -> Mapping[str, int]:
    """The most trials of each stage: as the last night noted them, or as the study file says."""
    return night.get("whole") or place.planned()


def _stages(ended: Sequence[TrialFacts], planned: Mapping[str, int]) -> tuple[StageCount, ...]:
    done = Counter(trial.stage for trial in ended)
    return tuple(
        StageCount(stage=stage, done=done[stage], planned=max(planned.get(stage, 0), done[stage]))
        for stage in STAGES
        if planned.get(stage) or done[stage]
    )


def _shots(notes: Mapping[str, Any]) -> int:
    """How many pictures a trial draws that draws all shots of the study."""
    return sum(name.startswith(SHOT) for name in notes.get(INPUTS) or ())


def _proved_trials(folder: Path) -> int | None:
    """Of how many trials with a value the outcome was made; None where there is no outcome that can be read."""
    path = folder / "outcome.json"
    with suppress(ProblemError):
        if path.exists():
            return int(read_json(path, {"finalists": [dict], "trials?": int}, "").get("trials", 0))
    return None


def folder_bytes(folder: Path) -> int:
    """Return the sizes of all files of a folder, added up; what vanishes meanwhile is left out."""
    total, folders = 0, [os.fspath(folder)]
    while folders:
        with suppress(OSError), os.scandir(folders.pop()) as entries:
            for entry in entries:
                with suppress(OSError):
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    else:
                        total += entry.stat(follow_symlinks=False).st_size
    return total
