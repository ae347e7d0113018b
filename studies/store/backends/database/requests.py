"""Requests to the night of a study in a database: notes of the study, which the workers of all machines read."""

from __future__ import annotations

import time
from collections.abc import Callable

from engine.errors import Named
from studies.errors import StudyError
from studies.store.backends.database.shared_storage import SharedStorage
from studies.store.backends.requests import REQUEST_NAMES, NightRequest

_ASKED = """
    SELECT string_agg(key || ' ' || value_json, ' ') FROM study_user_attributes JOIN studies USING (study_id)
    WHERE study_name = :name AND key IN (:pause, :stop)
"""
"""The keys and values of the notes in turn; Optuna keeps notes as JSON."""
_WITHDRAWN = 0.0
"""The note of a request that was taken back: Optuna deletes no notes."""


class DatabaseRequests:
    """Requests as notes of a study, each with the moment it was made at, in seconds since 1970.

    They are kept with the study's first scoring, which stays where trials are scored anew.
    """

    def __init__(self, storage: Callable[[], SharedStorage], name: str) -> None:
        """Nothing is opened yet.

        Args:
            storage: opens the database.
            name: of the study.
        """
        self._storage, self._name = storage, name

    def asked(self) -> frozenset[NightRequest]:
        """Return the requests that are not withdrawn: one statement."""
        return frozenset(self._times())

    def ask(self, what: NightRequest) -> None:
        """Write a note; see `studies.store.backends.requests.NightRequests`."""
        self._note(what, time.time())

    def withdraw(self, *which: NightRequest, made_before: float | None = None) -> None:
        """Write that nothing is asked any more, where something is; see `NightRequests`."""
        for what, at in self._times().items():
            if what in which and (made_before is None or at < made_before):
                self._note(what, _WITHDRAWN)

    def _times(self) -> dict[NightRequest, float]:
        """When each request was made that is not withdrawn."""
        words = (self._storage().scalar(_ASKED, name=self._name, **REQUEST_NAMES) or "").split()
        times = {key: float(text) for key, text in zip(words[::2], words[1::2], strict=True)}
        return {what: times[key] for what, key in REQUEST_NAMES.items() if times.get(key, _WITHDRAWN) != _WITHDRAWN}

    def _note(self, what: NightRequest, at: float) -> None:
        storage = self._storage()
        try:
            study = storage.get_study_id_from_name(self._name)
        except KeyError as error:
            raise StudyError(
                "its first night is just beginning", place=(Named(self._name),), remedy="ask again in a minute"
            ) from error
        storage.set_study_user_attr(study, REQUEST_NAMES[what], at)
