"""A study over several machines: its trials in PostgreSQL, its files where all machines reach them."""

from __future__ import annotations

import logging
import time
import weakref
from collections.abc import Callable, Container, Generator, Hashable, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from optuna.artifacts._protocol import ArtifactStore
from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.trial import FrozenTrial
from sqlalchemy import create_engine, exc
from sqlalchemy.engine import make_url
from sqlalchemy.pool import NullPool

from engine.errors import Named, counted
from engine.files import remove_left_behind
from studies.errors import StudyError
from studies.store.backends.database.artifact_places import PictureCache, SharedFiles, artifact_store
from studies.store.backends.database.heart import Heart
from studies.store.backends.database.patience import WORKING_S, Allowance, first_line
from studies.store.backends.database.requests import DatabaseRequests
from studies.store.backends.database.server_locks import ServerLocks
from studies.store.backends.database.shared_storage import SharedStorage, database_patience
from studies.store.backends.journal.journal_backend import WORKER
from studies.store.backends.journal.workers import BusyError
from studies.store.backends.locks import this_machine
from studies.studyfile.spec import Storage
from studies.studyfile.tables.places import database_words

log = logging.getLogger(__name__)

OF_A_MACHINE = ("hashes", "references")
"""Names of locks on files that each machine has for itself."""
NOT_WHOLE = " (not whole)"
"""How the name of a study ends while it is made."""
BEAT_S = 15
"""Seconds between two heartbeats of a trial."""
GRACE_S = 120
"""Seconds without a heartbeat after which a trial is lost; a worker that loads a large model may beat late."""
INSTALL = "pip install 'sd-recipe-search[postgresql]'"
"""What installs the driver of the database."""
CONNECTION = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20000,
    "application_name": "recipe-search",
}
"""What the driver is asked for where the address does not say otherwise: to notice a server that is gone."""
_MARK = """
    WITH mine AS (SELECT study_id FROM studies WHERE study_name = :name OR study_name LIKE :later),
    tried AS (SELECT trial_id, state, xmin::text::bigint AS change FROM trials WHERE study_id IN (SELECT * FROM mine))
    SELECT concat_ws(
        ' ', (SELECT count(*) FROM mine), (SELECT count(*) FROM tried), (SELECT max(change) FROM tried),
        (SELECT max(xmin::text::bigint) FROM study_user_attributes WHERE study_id IN (SELECT * FROM mine)),
        (SELECT count(*) FROM trial_user_attributes JOIN tried USING (trial_id) WHERE state = 'RUNNING')
    )
"""
"""What changes whenever a trial or a note of a study does: PostgreSQL numbers the transactions that write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseWorker:
    """One of the processes that search a study, on any machine."""

    name: str
    """Unlike that of any other worker."""
    since: float
    """When it joined, in seconds as `time.time` counts them."""
    locks: ServerLocks

    @contextmanager
    def turn(self) -> Generator[None]:
        """Let no other worker ask for a trial meanwhile; see `studies.store.backends.backend.StudyWorker`."""
        with self.locks.turn():
            yield

    def others(self) -> frozenset[str]:
        """Names of the other workers that live."""
        return self.locks.workers() - {self.name}


class DatabaseBackend:
    """See `studies.store.backends.backend.Backend`."""

    def __init__(self, storage: Storage) -> None:
        """Nothing is opened yet; ``storage`` names the database, the place of artifacts and this machine's folder."""
        self._spec = storage
        self.place = database_words(storage.url)
        self._heart: Heart | None = None
        self._name = ""
        self._allowance = Allowance()
        self._patience = database_patience(self.place, self._allowance)

    @cached_property
    def _options(self) -> dict[str, Any]:
        given = make_url(self._spec.url).query
        return {"connect_args": {name: value for name, value in CONNECTION.items() if name not in given}}

    @cached_property
    def _locks(self) -> ServerLocks:
        try:
            engine = create_engine(self._spec.url, poolclass=NullPool, **self._options)
        except ImportError as error:
            raise self._without_driver() from error
        locks = ServerLocks(engine, self._spec.name, self._patience, rest_s=2 * BEAT_S)
        weakref.finalize(self, locks.close)
        return locks

    def _without_driver(self) -> StudyError:
        return StudyError("needs psycopg, which is not installed", place=(Named(self.place),), remedy=INSTALL)

    @property
    def storage(self) -> SharedStorage:
        """The database, with Optuna's tables.

        Raises:
            StudyError: it cannot be used.
        """
        return self._opened

    @cached_property
    def _opened(self) -> SharedStorage:
        if self._allowance.limit_s < WORKING_S:
            self._refuse_unreachable()
        try:
            with self._locks.held("tables"):  # two that make them at the same time get in each other's way
                return self._patience.call(self._with_tables)
        except (exc.SQLAlchemyError, StorageInternalError, RuntimeError) as error:
            raise self._unusable(error) from error

    def _with_tables(self) -> SharedStorage:
        return SharedStorage.open(
            self._spec.url, self._patience, beat_s=BEAT_S, grace_s=GRACE_S, pool_pre_ping=True, **self._options
        )

    def _refuse_unreachable(self) -> None:
        """Ask once, without waiting: an address with a mistake in it never answers. A worker was checked before."""
        try:
            engine = create_engine(self._spec.url, poolclass=NullPool, **self._options)
            engine.connect().close()
        except ImportError as error:
            raise self._without_driver() from error
        except exc.SQLAlchemyError as error:
            raise self._unusable(error) from error

    def _unusable(self, error: Exception) -> StudyError:
        return StudyError(
            f"cannot be used ({first_line(error)})",
            place=(Named(self.place),),
            remedy="see whether the server runs, the database is there, and the password is in ~/.pgpass or PGPASSWORD",
        )

    @property
    def artifacts(self) -> ArtifactStore:
        """The place of the study's artifacts.

        Raises:
            StudyError: it cannot be used.
        """
        return self._store

    @cached_property
    def _store(self) -> ArtifactStore:
        return artifact_store(self._spec.artifacts, self._spec.name, self._allowance)

    @property
    def files(self) -> SharedFiles:
        """Renders and results of all workers."""
        return SharedFiles(self.artifacts, self._spec.folder)

    @property
    def requests(self) -> DatabaseRequests:
        """Notes of the study."""
        return DatabaseRequests(lambda: self.storage, self._spec.name)

    @cached_property
    def _pictures(self) -> PictureCache:
        return PictureCache(self.artifacts, self._spec.folder / "artifacts")

    def picture(self, artifact: str) -> Path:
        """Return a copy of an artifact in this machine's folder; see `Backend`."""
        return self._pictures.path(artifact)

    def exists(self) -> bool:
        """Whether the study was ever started."""
        try:
            self.storage.get_study_id_from_name(self._spec.name)
        except KeyError:
            return False
        return True

    def refuse_unusable(self) -> None:
        """Refuse a database or a place of artifacts that cannot be used."""
        _ = self.storage, self.artifacts

    def tidy(self) -> None:
        """A database leaves nothing unfinished."""

    def is_writable(self) -> bool:
        """Whether this user may write to Optuna's tables."""
        return bool(self.storage.scalar("SELECT has_table_privilege('trials', 'INSERT')"))

    def mark(self) -> Hashable:
        """Return what changes with every write; see `Backend`."""
        later = self._spec.name.replace("%", r"\%").replace("_", r"\_") + " (rescored %"
        return self.storage.scalar(_MARK, name=self._spec.name, later=later)

    @contextmanager
    def one_write(self) -> Generator[None]:
        """Write the attributes of the block at once, and a trial's end last."""
        try:
            with self.storage.one_write():
                yield
        except UpdateFinishedTrialError:
            log.warning("a trial was given up to another worker while this one did not answer; that one's counts")

    @contextmanager
    def joined(self, waiting: Callable[[], None]) -> Generator[DatabaseWorker]:
        """Be a worker; see `Backend`."""
        self._allowance.limit_s = WORKING_S
        storage, locks = self.storage, self._locks
        heart = self._heart = Heart(storage, locks, BEAT_S)
        with ExitStack() as presence:
            with locks.held("night", waiting):
                if not locks.workers():
                    remove_left_behind(self._spec.folder, below=True)
                name = self._name = presence.enter_context(locks.present())
            heart.start()
            presence.callback(heart.stop)
            yield DatabaseWorker(name=name, since=time.time(), locks=locks)

    @contextmanager
    def alone(self) -> Generator[None]:
        """Have the study alone; see `Backend`."""
        _ = self.storage

        def refuse(who: str = "another `recipe-search` command is") -> None:
            place = (Named(self._spec.name),)
            raise BusyError(f"{who} working on this study", place=place, remedy="wait for it, or stop it first")

        with self._locks.held("night", refuse):
            if workers := self._locks.workers():
                refuse(f"{counted(len(workers), 'worker')} {'is' if len(workers) == 1 else 'are'}")
            yield

    @contextmanager
    def made_whole(self) -> Generator[str]:
        """Make a study that gets its name at the block's end; what a killed process left of it is deleted."""
        name = f"{self._spec.name}{NOT_WHOLE}"
        with self.alone():
            if self.exists():
                place = (Named(self.place),)
                raise StudyError(
                    f'has a study "{self._spec.name}"', place=place, remedy="give the new study another [study] name"
                )
            self._delete(name)
            try:
                yield name
                self.storage.rename(name, self._spec.name)
            finally:
                self._delete(name)

    def _delete(self, name: str) -> None:
        with suppress(KeyError):
            self.storage.delete_study(self.storage.get_study_id_from_name(name))

    def at_work(self) -> frozenset[str]:
        """Names of the workers that live, on all machines."""
        _ = self.storage
        return self._locks.workers()

    @contextmanager
    def held(self, name: str, busy: Callable[[], None] = lambda: None) -> Generator[None]:
        """Hold one of the study's locks; those of files in this machine's folder are of this machine."""
        with self._locks.held(f"{name} {this_machine()}" if name in OF_A_MACHINE else name, busy):
            yield

    def begun(self, trial: int) -> None:
        """Say that a trial is in work, again and again until it ends."""
        if self._heart is not None:
            self._heart.watch(trial)

    def lost(self, study: int, trials: Sequence[FrozenTrial], alive: Container[str]) -> list[FrozenTrial]:
        """Return the trials in work without a heartbeat.

        A worker beats for a trial in the turn in which it begins it, so one that has no heartbeat at all is lost. While
        the database did not answer, nobody could beat: for a while after that, nothing counts as lost. Another worker
        whose connection broke may live; this one gives up its own trial by leaving itself out of ``alive``.
        """
        ours = (
            []
            if not self._name or self._name in alive
            else [one for one in trials if one.user_attrs.get(WORKER) == self._name]
        )
        if not trials or self._patience.calm_s < GRACE_S:
            return ours
        gone = self.storage.stale(study) | self.storage.without_heartbeat(study)
        return ours + [one for one in trials if one not in ours and one._trial_id in gone]  # pyright: ignore[reportPrivateUsage] - Optuna's id

    def hurry(self) -> None:
        """This process ends; see `Backend`."""
        self._allowance.hurry()
