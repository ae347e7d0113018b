"""Reads one study for pages: again only when its files changed, without locks, and without writing anything."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Hashable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from search.errors import SearchError
from search.plan import STAGES, Stage
from studies.night.calibration import CALIBRATION, OFF
from studies.night.continuing.fingerprint import SURROUNDINGS
from studies.pages.reading.glance import StudyGlance, StudyResults, is_begun, journal_glance
from studies.pages.reading.measured_files import measured, result_files
from studies.pages.reading.snapshot import Snapshot
from studies.pages.reading.trials import shown_trials
from studies.status.state import StudyCounts
from studies.store.backends.backend import Backend
from studies.store.backends.journal.journal import journal_of
from studies.store.backends.of_study import backend_of
from studies.store.backends.requests import NightRequest, NightRequests
from studies.store.note_keys import AFTER_PROOF, INPUTS, NOISE, PROVED, PROVING
from studies.store.opening import bring_results
from studies.store.storage import StudyStore
from studies.studyfile.read import read_study_file

if TYPE_CHECKING:
    from search.history import TrialRecord
    from search.suggester import Suggester
    from studies.studyfile.spec import Storage, StudySpec

WORKERS_SEEN_S = 2.0
"""Seconds for which it is taken that the same workers are at work."""
NOTES = (INPUTS, SURROUNDINGS, NOISE, OFF, CALIBRATION, PROVED, PROVING, AFTER_PROOF)
"""The notes of a study that pages read."""

Signature = tuple[tuple[int, int, int], ...]
"""Of every file that a snapshot is made of: inode, size, time of its last change."""


class StudyReader:
    """One study; may be asked by several threads."""

    def __init__(self, file: Path) -> None:
        """``file`` is the study file; nothing is read yet."""
        self.file = file
        self._lock = threading.RLock()
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
        with self._lock:
            now = self.mark()
            if self._glance is None or self._glance[0] != now:
                self._glance = (now, self._journal_glance() or self._whole_glance())
            return self._glance[1]

    def _journal_glance(self) -> StudyGlance | None:
        spec = self.spec()
        if spec.storage.url:
            return None
        backend, workers = self._kept_in(spec.storage), self._workers_now(spec.storage)
        return journal_glance(spec, backend, is_at_work=bool(workers))

    def _whole_glance(self) -> StudyGlance:
        is_held, study = self._snapshot is not None, self.read()
        if not is_held:
            self._snapshot = self._store = self._backend = None
        return StudyGlance(shown_state=study.shown_state, ended=study.ended)

    @property
    def requests(self) -> NightRequests:
        """What is asked of the study's night.

        Raises:
            StudyError: the study file has mistakes.
        """
        return self._kept_in(self.spec().storage).requests

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
        results, store, suggester = StudyResults.read(spec.storage), self._opened(spec.storage), spec.search.suggester()
        history = tuple(store.history()) if store else ()
        snapshot = Snapshot(
            spec=spec,
            state="new",
            trials=shown_trials(store) if store else (),
            history=history,
            planned=_planned(suggester, history),
            workers=tuple(sorted(workers)),
            notes={key: store.noted(key) for key in NOTES} if store else {},
            rescored=store.rescored if store else 0,
            outcome=results.outcome,
            pins=results.pins,
            problems=results.problems,
            measured=measured(spec.storage.folder),
        )
        asked = self._kept_in(spec.storage).requests.asked() if workers else frozenset[NightRequest]()
        return replace(snapshot, state=_counts(snapshot, asked).state)

    def _opened(self, storage: Storage) -> StudyStore | None:
        """The study's storage, opened once; again where its journal is another file, or a rescoring was sealed."""
        folder, name = storage.folder, storage.name
        if not is_begun(storage, self._kept_in(storage)):
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


def _planned(suggester: Suggester, history: tuple[TrialRecord, ...]) -> dict[Stage, int]:
    """The trials of every stage as stages lend them; as the plan has them where trials are of another space."""
    try:
        return suggester.planned(history)
    except SearchError:
        return {stage: suggester.trials(stage) for stage in STAGES}


def _inode_and_size(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_ino, status.st_size


def _files_of(file: Path, folder: Path) -> list[Path]:
    files = ("outcome.json", "picks.jsonl", "rejections.jsonl", "pause-asked", "stop-asked")
    return [file, *(folder / name for name in (*files, "pins", "exports")), *result_files(folder)]


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


def _counts(study: Snapshot, asked: frozenset[NightRequest]) -> StudyCounts:
    return StudyCounts(
        asked=asked,
        is_at_work=study.is_at_work,
        has_begun=bool(study.trials or study.notes),
        notes=study.notes,
        trials=len(study.trials),
        running=len(study.running),
        scored=len(study.scored),
        planned=study.total,
        proved=study.outcome.trials if study.outcome else None,
    )
