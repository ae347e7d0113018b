"""Reads one study for pages: again only when its files changed, without locks, and without writing anything."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Hashable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import Problems
from studies.night.calibration import CALIBRATION, OFF
from studies.night.fingerprint import SURROUNDINGS
from studies.night.noise import suggester_of
from studies.pages.reading.snapshot import Snapshot, StudyGlance, StudyState
from studies.pages.reading.trials import shown_trials
from studies.store.backend import Backend
from studies.store.backends import backend_of
from studies.store.journal import journal_of, studies_in
from studies.store.note_keys import INPUTS, NOISE, PROVED, PROVING
from studies.store.opening import bring_results
from studies.store.outcome import Outcome, read_outcome
from studies.store.pins import Pin, read_pins
from studies.store.requests import is_asked
from studies.store.storage import StudyStore
from studies.studyfile.read import read_study_file

if TYPE_CHECKING:
    from studies.studyfile.spec import Storage, StudySpec

WORKERS_SEEN_S = 2.0
"""Seconds for which it is taken that the same workers are at work."""
NOTES = (INPUTS, SURROUNDINGS, NOISE, OFF, CALIBRATION, PROVED, PROVING)
"""The notes of a study that pages read."""

Signature = tuple[tuple[int, int, int], ...]
"""Of every file that a snapshot is made of: inode, size, time of its last change."""


class StudyReader:
    """One study; may be asked by several threads."""

    def __init__(self, file: Path) -> None:
        """``file`` is the study file; nothing is read yet."""
        self.file = file
        self._lock = threading.Lock()
        self._spec: tuple[Signature, StudySpec] | None = None
        self._backend: tuple[Storage, Backend] | None = None
        self._store: tuple[tuple[int, int], StudyStore] | None = None
        self._snapshot: tuple[Hashable, frozenset[str], Snapshot] | None = None
        self._workers: tuple[float, frozenset[str]] = (-1.0, frozenset())
        self._glance: tuple[Hashable, StudyGlance] | None = None

    def spec(self) -> StudySpec:
        """Return the study file's content.

        Raises:
            StudyError: it has mistakes.
        """
        now = _signature([self.file])
        if self._spec is None or self._spec[0] != now:
            self._spec = (now, read_study_file(self.file))
        return self._spec[1]

    @property
    def last_name(self) -> str:
        """The study's name when its file was last without mistakes; "" where it never was."""
        return self._spec[1].storage.name if self._spec else ""

    def read(self) -> Snapshot:
        """Return the study as it is now.

        Raises:
            StudyError: the study file or the journal cannot be read, or is another study's.
        """
        with self._lock:
            spec = self.spec()
            workers = self._workers_now(spec.storage)
            now = self._now(spec.storage)
            if self._snapshot is None or self._snapshot[:2] != (now, workers):
                self._snapshot = (now, workers, replace(self._made(spec, workers), mark=_mark(now, workers)))
            return self._snapshot[2]

    def glance(self) -> StudyGlance:
        """Return what a list of many studies shows; a study that no page showed yet is not kept in memory for it.

        Raises:
            StudyError: as ``read``.
        """
        now, is_held = self.mark(), self._snapshot is not None
        if self._glance is None or self._glance[0] != now:
            study = self.read()
            self._glance = (now, StudyGlance(shown_state=study.shown_state, ended=study.ended))
            if not is_held:
                with self._lock:
                    self._snapshot = self._store = self._backend = None
        return self._glance[1]

    def mark(self) -> str:
        """Return a short text that changes whenever a snapshot would; a snapshot carries its own.

        Raises:
            StudyError: the study file has mistakes.
        """
        storage = self.spec().storage
        return _mark(self._now(storage), self._workers_now(storage))

    def _now(self, storage: Storage) -> Hashable:
        """What is another one whenever anything of the study has changed."""
        return _signature(_files_of(self.file, storage.folder)), self._kept_in(storage).mark()

    def _kept_in(self, storage: Storage) -> Backend:
        if self._backend is None or self._backend[0] != storage:
            self._backend = (storage, backend_of(storage))
            self._store = None
        return self._backend[1]

    def _workers_now(self, storage: Storage) -> frozenset[str]:
        seen, workers = self._workers
        if time.monotonic() - seen > WORKERS_SEEN_S or seen < 0:
            workers = self._kept_in(storage).at_work()
            self._workers = (time.monotonic(), workers)
        return workers

    def _made(self, spec: StudySpec, workers: frozenset[str]) -> Snapshot:
        folder, name = spec.storage.folder, spec.storage.name
        problems, outcome, pins = Problems(), None, tuple[Pin, ...]()
        with problems.collecting():
            outcome = _outcome(folder, name)
        with problems.collecting():
            pins = tuple(read_pins(folder, name))
        store = self._opened(spec.storage)
        suggester = suggester_of(spec.search, spec.shots, store) if store else spec.search.suggester()
        history = tuple(store.history()) if store else ()
        snapshot = Snapshot(
            spec=spec,
            state="new",
            trials=shown_trials(store) if store else (),
            history=history,
            planned=suggester.planned(history),
            workers=tuple(sorted(workers)),
            notes={key: store.noted(key) for key in NOTES} if store else {},
            rescored=store.rescored if store else 0,
            outcome=outcome,
            pins=pins,
            problems=tuple(map(str, problems.found)),
        )
        return replace(snapshot, state=_state(snapshot))

    def _opened(self, storage: Storage) -> StudyStore | None:
        """The study's storage, opened once; again where its journal is another file, or a rescoring was sealed."""
        folder, name = storage.folder, storage.name
        if not self._kept_in(storage).exists() or (not storage.url and name not in studies_in(folder)):
            return None
        inode, size = (0, 0) if storage.url else _inode_and_size(journal_of(folder))
        if self._store is not None and self._store[0][0] == inode and size >= self._store[0][1]:
            store = self._store[1]
            if store.rescored == store.newest_scoring():
                self._store = ((inode, size), store)
                return store
        if self._store is not None:
            self._backend = (storage, backend_of(storage))
        backend = self._kept_in(storage)
        self._store = ((inode, size), StudyStore(folder, name, backend=backend))
        bring_results(storage, backend)
        return self._store[1]


def _inode_and_size(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_ino, status.st_size


def _files_of(file: Path, folder: Path) -> list[Path]:
    files = ("outcome.json", "picks.jsonl", "rejections.jsonl", "pause-asked", "stop-asked")
    return [file, *(folder / name for name in (*files, "pins", "exports"))]


def _signature(paths: list[Path]) -> Signature:
    def one(path: Path) -> tuple[int, int, int]:
        try:
            status = path.stat()
        except OSError:
            return (0, 0, 0)
        return (status.st_ino, status.st_size, status.st_mtime_ns)

    return tuple(map(one, paths))


def _mark(signature: Hashable, workers: frozenset[str]) -> str:
    return hashlib.sha256(repr((signature, sorted(workers))).encode()).hexdigest()[:16]


def _outcome(folder: Path, name: str) -> Outcome | None:
    return read_outcome(folder, name) if (folder / "outcome.json").exists() else None


def _state(study: Snapshot) -> StudyState:
    folder = study.spec.storage.folder
    if study.is_at_work:
        return _state_at_work(study, folder)
    if study.outcome is not None and not 0 < study.outcome.trials < len(study.scored):
        return "proved"
    if not study.trials and not study.notes:
        return "new"
    return "stopped" if study.ended < study.total else "unproved"


def _state_at_work(study: Snapshot, folder: Path) -> StudyState:
    if is_asked(folder, "stop"):
        return "stopping"
    if is_asked(folder, "pause"):
        return "paused"
    if study.notes.get(NOISE) is None:
        return "calibrating"
    return "proving" if _is_proving(study) else "searching"


def _is_proving(study: Snapshot) -> bool:
    """Whether the night says that it proves: it does when no trial is left, which may be before the plan's last one."""
    begun, ended = study.notes.get(PROVING), study.notes.get(PROVED)
    if begun is None or study.running or begun["trials"] != len(study.trials):
        return False
    return ended is None or ended["at"] < begun["at"]
