"""Which forms cannot hold a pin's recipe: looked for in a thread, since the models are opened for it, and kept."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path

from studies.review.exporting.export_forms import FormRefusal, refusals_of_forms
from studies.store.judged.pins import Pin
from studies.studyfile.spec import StudySpec

PATIENCE_S = 0.4
"""Seconds that a page waits for what is being looked for."""

Refusals = Mapping[str, FormRefusal]
"""By the name of the form; what can be written is not in it."""
_Key = tuple[object, ...]


class RefusalFinder:
    """What is known of the pins of all studies of a server."""

    def __init__(self) -> None:
        """Nothing is known yet."""
        self._lock = threading.Lock()
        self._one_at_a_time = threading.Lock()
        self._known: dict[_Key, Refusals] = {}
        self._at_work: dict[_Key, threading.Thread] = {}

    def of(self, spec: StudySpec, pin: Pin, *, patience_s: float = PATIENCE_S) -> Refusals | None:
        """Return what is refused of a pin; None while it is being looked for.

        Args:
            spec: its study.
            pin: what was approved.
            patience_s: seconds to wait for it.
        """
        key = (pin.digest, *map(_stamp, sorted(spec.merge.models.items())))
        with self._lock:
            if key in self._known:
                return self._known[key]
            thread = self._at_work.get(key)
            if thread is None:
                thread = threading.Thread(target=self._find, args=(key, spec, pin), daemon=True)
                self._at_work[key] = thread
                thread.start()
        thread.join(patience_s)
        with self._lock:
            return self._known.get(key)

    def _find(self, key: _Key, spec: StudySpec, pin: Pin) -> None:
        found: Refusals = {}
        try:
            with self._one_at_a_time:
                found = refusals_of_forms(spec, pin)
        finally:  # even after a fault of ours: an export that is asked for all the same says what it refuses
            with self._lock:
                self._known[key] = found
                del self._at_work[key]


def _stamp(model: tuple[str, Path]) -> object:
    """What changes with a model's file: letter, path, size and time."""
    letter, path = model
    try:
        status = path.stat()
    except OSError:
        return letter, path
    return letter, path, status.st_size, status.st_mtime_ns
