"""The heartbeat of a worker's trials: Optuna beats only within its own loop, so a thread of ours does it here."""

from __future__ import annotations

import logging
import threading

from studies.store.backends.backend import OutageError
from studies.store.backends.database.server_locks import ServerLocks
from studies.store.backends.database.shared_storage import SharedStorage

log = logging.getLogger(__name__)


class Heart:
    """Says of a worker's trials that they are in work, until they have ended, and keeps its locks."""

    def __init__(self, storage: SharedStorage, locks: ServerLocks, beat_s: float) -> None:
        """Beat every ``beat_s`` seconds, from `start` to `stop`."""
        self._storage = storage
        self._locks = locks
        self._beat_s = beat_s
        self._trials: set[int] = set()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heart", daemon=True)

    def start(self) -> None:
        """Begin to beat."""
        self._thread.start()

    def watch(self, trial: int) -> None:
        """Beat for a trial at once, and from now on."""
        self._storage.record_heartbeat(trial)
        self._trials.add(trial)

    def _run(self) -> None:
        while not self._ending.wait(self._beat_s):
            try:
                self._locks.keep()
                for trial in tuple(self._trials):
                    self._beat(trial)
            except OutageError as outage:
                log.warning("%s", outage)

    def _beat(self, trial: int) -> None:
        if self._storage.get_trial(trial).state.is_finished():
            self._trials.discard(trial)
        else:
            self._storage.record_heartbeat(trial)

    def stop(self) -> None:
        """Beat no more."""
        self._ending.set()
        self._thread.join()
