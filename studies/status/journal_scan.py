"""A study's journal, read for what its status needs: quick enough for thousands of trials, without Optuna or a lock.

Most lines are passed over unread: they hold recipes, scores and notes. The rest of a journal that was read before is
read from where that ended. Records are those of Optuna's journal storage (`studies.store.backends.journal`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from engine.files import readable
from studies.status.living import LivingWorker, living_workers
from studies.store.backends.requests import FolderRequests, NightRequest
from studies.store.note_keys import WHOLE
from studies.store.records import INFEASIBLE, INTERRUPTED, UNREADABLE, Stop

TrialState = Literal["running", "scored", "broken", "failed", "interrupted"]
"""How a trial stands: in work; with a score; with broken pictures; failed; cut short, so that it does not count."""
_OPERATION = slice(11, 13)
"""Where a line has the number of its operation, with the comma after it."""
_CREATE_STUDY, _DELETE_STUDY, _NOTE, _CREATE_TRIAL, _END, _ATTRIBUTE = b"0,", b"1,", b"2,", b"4,", b"6,", b"8,"
_PASSED_OVER = frozenset((b"3,", b"5,", b"7,", b"9,", b"10"))
"""Operations of which nothing is read: Optuna's own attributes, single parameters, values on the way, discards."""
_ATTRIBUTES = ("stage", "slots", "worker", "reason", "seconds", "standard_error", "stopped")
"""Names of the attributes of a trial that are read."""
_READ = tuple(f'"{name}"'.encode() for name in _ATTRIBUTES)
_KEY = b'"user_attr":{'
_COMPLETE, _FAILED = 1, 3
"""Optuna's numbers of states."""


@dataclass(slots=True, kw_only=True)
class TrialFacts:
    """What is known of one trial."""

    number: int
    state: int = 0
    """Optuna's number of it: 0 in work, 1 complete, 3 failed."""
    score: float | None = None
    begun: str = ""
    """Local or with its zone, as Optuna writes it."""
    ended: str = ""
    attributes: dict[str, Any] = field(default_factory=dict[str, Any])

    @property
    def stage(self) -> str:
        """The stage that it was begun in; "" for one whose record was damaged."""
        return str(self.attributes.get("stage", ""))

    @property
    def worker(self) -> str:
        """The name of its worker."""
        return str(self.attributes.get("worker", ""))

    @property
    def reason(self) -> str:
        """Why it has no score; "" where it has one, or runs."""
        return str(self.attributes.get("reason", ""))

    @property
    def standing(self) -> TrialState:
        """How it stands."""
        if self.state == _COMPLETE:
            return "scored"
        if self.state != _FAILED:
            return "running"
        if self.reason in (INTERRUPTED, UNREADABLE):
            return "interrupted"
        return "broken" if self.reason.startswith(INFEASIBLE) else "failed"

    def pictures(self, shots: int) -> int:
        """Return how many pictures it has, in a study of so many shots."""
        if self.standing not in ("scored", "broken"):
            return 0
        stop = Stop.of(self.attributes)
        return len(stop.drawn) if stop else len(self.attributes.get("slots") or ()) or shots


@dataclass(slots=True, kw_only=True)
class ScannedStudy:
    """One study of a journal: the first scoring of its trials, or a later one."""

    name: str
    notes: dict[str, Any] = field(default_factory=dict[str, Any])
    trials: list[TrialFacts] = field(default_factory=list[TrialFacts])


class JournalScan:
    """A journal as far as it was read; `read` goes on from there."""

    def __init__(self, journal: Path) -> None:
        """``journal`` is the file; it may not be there yet."""
        self._journal = journal
        self._begin((0, 0))

    def _begin(self, identity: tuple[int, int]) -> None:
        self._identity = identity
        self._offset = 0
        self.damaged = 0
        """How many lines are no records."""
        self._studies: list[ScannedStudy | None] = []
        self._trials: list[TrialFacts] = []

    def read(self) -> JournalScan:
        """Read what was appended since the last time, or all of a journal that is another file now; returns itself.

        Raises:
            OSError: it cannot be read.
        """
        try:
            file = readable(self._journal).open("rb")
        except FileNotFoundError:
            self._begin((0, 0))
            return self
        with file:
            status = self._journal.stat()
            identity = (status.st_dev, status.st_ino)
            if identity != self._identity or status.st_size < self._offset:
                self._begin(identity)
            file.seek(self._offset)
            for line in file:
                if not line.endswith(b"\n"):
                    break  # not written to its end yet
                self._offset += len(line)
                self._take(line)
        return self

    def study(self, name: str) -> ScannedStudy | None:
        """Return the newest scoring of a study that is whole; None where the journal does not have the study."""
        known = {one.name: one for one in self._studies if one is not None}
        later = (known.get(f"{name} (rescored {number})") for number in range(len(self._studies), 0, -1))
        return next((one for one in later if one is not None and WHOLE in one.notes), known.get(name))

    def living(self) -> tuple[LivingWorker, ...]:
        """Return the workers that live, by their locks beside the journal."""
        return living_workers(self._journal.parent)

    def asked(self) -> frozenset[NightRequest]:
        """Return what is asked of the night, by the files beside the journal."""
        return FolderRequests(self._journal.parent).asked()

    def _take(self, line: bytes) -> None:
        operation = line[_OPERATION]
        if operation == _ATTRIBUTE:
            start = line.find(_KEY)
            if start >= 0 and not line.startswith(_READ, start + len(_KEY)):
                return
        elif operation in _PASSED_OVER:
            return
        try:
            record = json.loads(_without_distributions(line) if operation == _CREATE_TRIAL else line)
            self._apply(b"%d," % record["op_code"], record)  # which a line with other spaces has elsewhere
        except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
            self.damaged += 1

    def _apply(self, operation: bytes, record: Mapping[str, Any]) -> None:
        if operation == _CREATE_STUDY:
            self._studies.append(ScannedStudy(name=str(record["study_name"])))
        elif operation == _DELETE_STUDY:
            self._studies[record["study_id"]] = None
        elif operation == _NOTE:
            study = self._studies[record["study_id"]]
            if study is not None:
                study.notes.update(record["user_attr"])
        elif operation == _CREATE_TRIAL:
            self._create_trial(record)
        elif operation == _END:
            trial = self._trials[record["trial_id"]]
            trial.state = int(record["state"])
            trial.score = record["values"][0] if record.get("values") and trial.state == _COMPLETE else None
            trial.ended = str(record.get("datetime_complete", ""))
        elif operation == _ATTRIBUTE:
            self._trials[record["trial_id"]].attributes.update(_attributes(record["user_attr"]))

    def _create_trial(self, record: Mapping[str, Any]) -> None:
        study = self._studies[record["study_id"]]
        state, values = int(record.get("state", 0)), record.get("values")
        value = values[0] if values else record.get("value")
        trial = TrialFacts(
            number=0 if study is None else len(study.trials),
            state=state,
            score=value if state == _COMPLETE else None,
            begun=str(record.get("datetime_start") or ""),
            ended=str(record.get("datetime_complete") or ""),
            attributes=_attributes(record.get("user_attrs", {})),
        )
        self._trials.append(trial)
        if study is not None:
            study.trials.append(trial)


def _attributes(record: Mapping[str, Any]) -> dict[str, Any]:
    """Those of a trial's attributes that are read."""
    return {key: value for key, value in record.items() if key in _ATTRIBUTES}


def _without_distributions(line: bytes) -> bytes:
    """A record that creates a trial, without its longest parts: bounds and parameters, which stand side by side."""
    start = line.find(b',"distributions":{')
    end = line.find(b',"user_attrs":{', start)
    return line if start < 0 or end < 0 else line[:start] + line[end:]


def moment(text: str) -> datetime | None:
    """Return the time of a trial, with its zone; None where its record has none."""
    try:
        return datetime.fromisoformat(text).astimezone() if text else None
    except (ValueError, OverflowError, OSError):
        return None
