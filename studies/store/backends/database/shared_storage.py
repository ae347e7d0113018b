"""Optuna's storage in a database, as a study's workers use it: patient, and with a trial's point as one attribute.

Optuna writes a row for each parameter of a trial and asks the database three times for each: 151 statements for 45
parameters. A trial of ours has its whole point when it begins, so that goes into one attribute with all else that is
known then; what is said of a trial in one block goes into another. Every trial that is read has its parameters and
attributes where Optuna has them: whoever reads through this storage sees no difference.
"""

from __future__ import annotations

import copy
import threading
import warnings
import weakref
from collections.abc import Callable, Container, Generator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache, partial
from typing import Any, cast

from optuna.distributions import BaseDistribution, distribution_to_json, json_to_distribution
from optuna.exceptions import ExperimentalWarning, StorageInternalError, UpdateFinishedTrialError
from optuna.storages import RDBStorage
from optuna.storages._cached_storage import (
    _CachedStorage,  # pyright: ignore[reportPrivateUsage] - what `get_storage` makes; it takes no heartbeat
)
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import exc, text

from studies.store.backends.database.patience import Allowance, Patience

POINT = "point"
"""Key of the attribute that holds a trial's parameters, their distributions, and the attributes it began with."""
TOGETHER = "together: "
"""How the key of an attribute begins that holds several, by the first of them."""
GONE = ("57", "08", "53", "40")
"""Classes of PostgreSQL's errors that pass: shut down, no connection, too few resources, to be tried again."""


BROKEN = (exc.PendingRollbackError, exc.ResourceClosedError, exc.TimeoutError)
"""What SQLAlchemy raises of its own where a connection broke in the midst of something, or none is free."""


def is_outage(error: Exception) -> bool:
    """Whether an error of the database says that it cannot answer now."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, exc.DBAPIError):
            state = getattr(cause.orig, "sqlstate", None)
            passing = state is None or state[:2] in GONE
            return cause.connection_invalidated or (passing and isinstance(cause, exc.OperationalError))
        if isinstance(cause, BROKEN):
            return True
        cause = cause.__cause__
    return False


def database_patience(server: str, allowance: Allowance) -> Patience:
    """Return what waits for a database."""
    return Patience(server, (exc.SQLAlchemyError, StorageInternalError), is_outage, allowance)


class PatientDatabase:
    """An `RDBStorage` whose methods wait where the database does not answer."""

    def __init__(self, inner: RDBStorage, patience: Patience) -> None:
        """Wrap an open storage."""
        self._inner = inner
        self._patience = patience

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._inner, name)
        return partial(self._patiently, value) if callable(value) else value

    def _patiently(self, method: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        return self._patience.call(lambda: method(*arguments, **options))

    def set_trial_state_values(self, trial_id: int, state: TrialState, values: Sequence[float] | None = None) -> bool:
        """End a trial; one that an attempt ended whose answer was lost has ended well."""
        attempts = 0

        def end() -> bool:
            nonlocal attempts
            attempts += 1
            try:
                return self._inner.set_trial_state_values(trial_id, state, values)
            except UpdateFinishedTrialError:
                if attempts > 1 and self._ended_so(trial_id, state, values):
                    return True
                raise

        return self._patience.call(end)

    def _ended_so(self, trial_id: int, state: TrialState, values: Sequence[float] | None) -> bool:
        trial = self._inner.get_trial(trial_id)
        return trial.state is state and (trial.values or []) == list(values or [])


class SharedStorage(_CachedStorage):
    """The storage of one database."""

    def __init__(self, inner: RDBStorage, patience: Patience) -> None:
        """Wrap an open storage."""
        super().__init__(cast("RDBStorage", PatientDatabase(inner, patience)))
        self._engine = inner.engine
        weakref.finalize(self, inner.engine.dispose)  # who reads trials may have nothing but them and this
        self._patience = patience
        self._just_begun: dict[int, FrozenTrial] = {}
        self._ended: set[int] = set()
        self._gathered = threading.local()

    @classmethod
    def open(cls, url: str, patience: Patience, *, beat_s: int, grace_s: int, **engine_options: Any) -> SharedStorage:
        """Open a database, and make Optuna's tables where there are none.

        Args:
            url: its address.
            patience: for all later work; opening by itself does not wait.
            beat_s: seconds between two heartbeats.
            grace_s: seconds without one after which a trial counts as lost.
            engine_options: of SQLAlchemy's ``create_engine``.

        Raises:
            StorageInternalError, sqlalchemy.exc.SQLAlchemyError: it cannot be used.
            ImportError: its driver is not installed.
            RuntimeError: another version of Optuna made the tables.
        """
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            inner = RDBStorage(url, engine_kwargs=dict(engine_options), heartbeat_interval=beat_s, grace_period=grace_s)
        return cls(inner, patience)

    def scalar(self, statement: str, **values: Any) -> Any:
        """Ask the database something of ours: the first column of the first row."""

        def ask() -> Any:
            with self._engine.connect() as connection:
                return connection.execute(text(statement), values).scalar()

        return self._patience.call(ask)

    def rename(self, study: str, name: str) -> None:
        """Give a study another name, which none has; where the study is gone, nothing is done."""
        statement = text("UPDATE studies SET study_name = :name WHERE study_name = :study")

        def write() -> None:
            with self._engine.begin() as connection:
                connection.execute(statement, {"study": study, "name": name})

        self._patience.call(write)

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        """Begin a trial; the template's parameters become one attribute."""
        if template_trial is None:
            return super().create_new_trial(study_id)
        slim = copy.copy(template_trial)
        slim.params, slim.distributions, slim.user_attrs = {}, {}, {POINT: _point_of(template_trial)}
        trial_id = super().create_new_trial(study_id, slim)
        trial = self._studies[study_id].trials[self._trial_id_to_study_id_and_number[trial_id][1]]
        self._just_begun[trial_id] = _whole(copy.copy(trial))
        return trial_id

    def get_trial(self, trial_id: int) -> FrozenTrial:
        """Return a trial with its parameters; one that was just begun here is known without asking."""
        begun = self._just_begun.pop(trial_id, None)
        return begun or _whole(super().get_trial(trial_id))

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        """Return trials with their parameters; one that ended is read once."""
        trials = super().get_all_trials(study_id, deepcopy=False, states=states)
        known = self._ended
        for trial in trials:
            number = trial._trial_id  # pyright: ignore[reportPrivateUsage] - Optuna has no public name for it
            if number not in known:
                _whole(trial)
                if trial.state.is_finished():
                    known.add(number)
        return copy.deepcopy(trials) if deepcopy else trials

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Set an attribute, or gather it for the end of `one_write`."""
        gathered: dict[int, dict[str, Any]] | None = getattr(self._gathered, "attributes", None)
        if gathered is None:
            super().set_trial_user_attr(trial_id, key, value)
        else:
            gathered.setdefault(trial_id, {})[key] = value

    @contextmanager
    def one_write(self) -> Generator[None]:
        """Write the attributes that this thread sets in the block at once; all of them before a trial's end."""
        if getattr(self._gathered, "attributes", None) is not None:
            yield
            return
        self._gathered.attributes = dict[int, dict[str, Any]]()
        try:
            yield
            self._write_gathered()
        finally:
            self._gathered.attributes = None

    def _write_gathered(self) -> None:
        gathered: dict[int, dict[str, Any]] = getattr(self._gathered, "attributes", None) or {}
        for trial_id in tuple(gathered):
            attributes = gathered.pop(trial_id)
            super().set_trial_user_attr(trial_id, TOGETHER + next(iter(attributes)), attributes)

    def set_trial_state_values(self, trial_id: int, state: TrialState, values: Sequence[float] | None = None) -> bool:
        """End a trial, after what was gathered of it."""
        self._write_gathered()
        return super().set_trial_state_values(trial_id, state, values)

    def without_heartbeat(self, study_id: int) -> frozenset[int]:
        """Return the ids of the trials in work whose worker was gone before it said that it lives."""
        statement = text(
            "SELECT trial_id FROM trials WHERE study_id = :study AND state = 'RUNNING' "
            "AND NOT EXISTS (SELECT 1 FROM trial_heartbeats AS beat WHERE beat.trial_id = trials.trial_id)"
        )

        def ask() -> frozenset[int]:
            with self._engine.connect() as connection:
                return frozenset(connection.execute(statement, {"study": study_id}).scalars())

        return self._patience.call(ask)

    def stale(self, study_id: int) -> frozenset[int]:
        """Return the ids of the trials in work that `optuna.storages.fail_stale_trials` would fail.

        That function ends them without a word, and nothing can be said of a trial that has ended.
        """
        return frozenset(self._get_stale_trial_ids(study_id))


_NOTHING: Mapping[str, Any] = {"values": {}, "bounds": {}, "attributes": {}}


def _point_of(trial: FrozenTrial) -> dict[str, Any]:
    """A trial's parameters, the knobs of each distribution, and its attributes."""
    bounds: dict[str, list[str]] = {}
    for name, distribution in trial.distributions.items():
        bounds.setdefault(distribution_to_json(distribution), []).append(name)
    values = {name: trial.distributions[name].to_internal_repr(value) for name, value in trial.params.items()}
    return {"values": values, "bounds": bounds, "attributes": dict(trial.user_attrs)}


def _whole(trial: FrozenTrial) -> FrozenTrial:
    """The trial, with its parameters and attributes where Optuna has them."""
    packed = [key for key in trial.user_attrs if key == POINT or key.startswith(TOGETHER)]
    if not packed:
        return trial
    point: Mapping[str, Any] = trial.user_attrs.get(POINT, _NOTHING)
    known = {name: _distribution(bounds) for bounds, names in point["bounds"].items() for name in names}
    trial.distributions = {name: known[name] for name in point["values"]}
    trial.params = {name: known[name].to_external_repr(value) for name, value in point["values"].items()}
    attributes = dict(point["attributes"])
    for key, value in trial.user_attrs.items():
        attributes |= value if key.startswith(TOGETHER) else {} if key == POINT else {key: value}
    trial.user_attrs = attributes
    return trial


@lru_cache(maxsize=1000)
def _distribution(bounds: str) -> BaseDistribution:
    return json_to_distribution(bounds)
