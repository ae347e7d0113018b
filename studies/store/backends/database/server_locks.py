"""Locks that reach from machine to machine: PostgreSQL's advisory locks, on a connection that only holds them.

The server lets go of a lock when its holder's connection ends, as an operating system does when a process ends. A
server that is started again lets go of all of them: whoever held one takes it again as soon as it is noticed, before
those who wait for it, and whoever had a turn is told that it was lost.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, exc, text

from studies.store.backends.backend import TurnLostError
from studies.store.backends.database.patience import Patience

log = logging.getLogger(__name__)

SETTINGS = {
    "statement_timeout": "0",
    "lock_timeout": "0",
    "idle_session_timeout": "0",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "client_connection_check_interval": "10s",
}
"""What the server is asked for on the connection of the locks: to wait, and to notice a client that is gone."""
_SET = """
    SELECT set_config(name, value, false) FROM (VALUES {rows}) AS wanted (name, value)
    WHERE EXISTS (SELECT 1 FROM pg_settings WHERE pg_settings.name = wanted.name)
"""
_HELD = """
    SELECT objid FROM pg_locks WHERE locktype = 'advisory' AND granted AND classid = :kind AND objsubid = 2
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


def _number(text: str) -> int:
    """A number for a text, as PostgreSQL's locks have them: 31 bits."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4]) >> 1


class ServerLocks:
    """The locks of one study that this process takes; its methods are for the main thread, `keep` for another."""

    def __init__(self, engine: Engine, study: str, patience: Patience, *, rest_s: float) -> None:
        """Connect when the first lock is taken.

        Args:
            engine: connects to the database; each connection is a new one.
            study: its name.
            patience: waits for the database.
            rest_s: seconds for which those who wait leave a lock alone after the connection broke.
        """
        self._engine = engine
        self._patience = patience
        self._rest_s = rest_s
        self._names, self._workers = _number(f"{study} locks"), _number(f"{study} workers")
        self._using = threading.RLock()
        self._connection: Connection | None = None
        self._connections = 0
        self._mine: set[tuple[int, int]] = set()

    def _ask(self, statement: str, **values: Any) -> Any:
        with self._using:
            return self._patience.call(lambda: self._asked(statement, values).scalar())

    def _asked(self, statement: str, values: dict[str, Any]) -> Any:
        try:
            return self._connected().execute(text(statement), values)
        except exc.DBAPIError:
            self._drop()
            raise

    def _connected(self) -> Connection:
        if self._connection is None:
            self._connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            self._connections += 1
            rows = ", ".join(f"('{name}', '{value}')" for name, value in SETTINGS.items())
            self._connection.execute(text(_SET.format(rows=rows)))
            for kind, key in self._mine:
                taken = self._connection.execute(text("SELECT pg_try_advisory_lock(:a, :b)"), {"a": kind, "b": key})
                if not taken.scalar():
                    log.warning("another worker took a lock while the database did not answer")
        return self._connection

    def _drop(self) -> None:
        broken, self._connection = self._connection, None
        if broken is not None:
            broken.invalidate()
            broken.close()

    def keep(self) -> None:
        """Take locks again that a broken connection has lost; does nothing while another thread asks for one."""
        if self._mine and self._using.acquire(blocking=False):
            try:
                self._ask("SELECT 1")
            finally:
                self._using.release()

    @contextmanager
    def held(self, name: str, busy: Callable[[], None] = lambda: None) -> Generator[None]:
        """Hold a lock; ``busy`` is called once where another has it, which is then waited for unless that raises."""
        key = _number(name)
        if not self._ask("SELECT pg_try_advisory_lock(:a, :b)", a=self._names, b=key):
            busy()
            self._wait_for(key)
        with self._kept(self._names, key):
            yield

    def _wait_for(self, key: int) -> None:
        """Wait for a lock; after a broken connection, whoever had it may take it first."""

        def waited() -> bool:
            before = self._connections
            self._asked("SELECT 1", {})
            if self._connections != before:
                time.sleep(self._rest_s)
            self._asked("SELECT pg_advisory_lock(:a, :b)", {"a": self._names, "b": key})
            return True

        with self._using:
            self._patience.call(waited)

    @contextmanager
    def turn(self) -> Generator[None]:
        """Let nobody else have a turn meanwhile.

        Raises:
            TurnLostError: at the end of the block, where the connection broke within it.
        """
        key = _number("turn")
        self._ask("SELECT pg_advisory_lock(:a, :b)", a=self._names, b=key)
        connections = self._connections
        with self._kept(self._names, key):
            yield
            self._ask("SELECT 1")
            if self._connections != connections:
                raise TurnLostError("the turn was lost: the connection to the database broke")

    @contextmanager
    def _kept(self, kind: int, key: int) -> Generator[None]:
        """Keep a lock that was taken until the block ends."""
        self._mine.add((kind, key))
        try:
            yield
        finally:
            self._mine.discard((kind, key))
            self._ask("SELECT pg_advisory_unlock(:a, :b)", a=kind, b=key)

    @contextmanager
    def present(self) -> Generator[str]:
        """Show that this worker is there; gives its name."""
        key = secrets.randbits(31)
        self._ask("SELECT pg_advisory_lock(:a, :b)", a=self._workers, b=key)
        with self._kept(self._workers, key):
            yield _worker_name(key)

    def workers(self) -> frozenset[str]:
        """Return the names of the workers that are there."""
        with self._using:
            keys = self._patience.call(lambda: self._asked(_HELD, {"kind": self._workers}).scalars().all())
        return frozenset(map(_worker_name, keys))

    def close(self) -> None:
        """Let go of everything."""
        with self._using:
            if self._connection is not None:
                self._connection.close()
                self._connection = None


def _worker_name(key: int) -> str:
    return f"{key:08x}"
