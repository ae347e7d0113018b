"""What a trial costs in a database that has many: processor time of the client and statements, on a server of its own.

    python -m tests.studies.machines.many_trials 100 1000 5000

Trials in between are copies of the first hundred, made by the server itself.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from optuna.distributions import FloatDistribution
from sqlalchemy import event
from sqlalchemy.engine import Engine

from search.suggester import Proposal
from studies.store.backends.of_study import backend_of
from studies.store.storage import StudyStore
from studies.studyfile.spec import Storage
from tests.studies.machines.servers import DatabaseServer, database_server, server_programs

KNOBS = {f"k{number:02d}": FloatDistribution(0, 1) for number in range(45)}
SCORES = {name: {"raw": 0.5, "scaled": 1.25, "standard_error": 0.1} for name in ("style", "clip", "stats", "lda")}
MEASURED = 20
COPY = """
    WITH made AS (
        INSERT INTO trials (number, study_id, state, datetime_start, datetime_complete)
        SELECT {first} + n, {study}, 'COMPLETE', now(), now() FROM generate_series(0, {count} - 1) AS n
        RETURNING trial_id, number
    ), valued AS (
        INSERT INTO trial_values (trial_id, objective, value, value_type)
        SELECT trial_id, 0, number * 0.001, 'FINITE' FROM made
    )
    INSERT INTO trial_user_attributes (trial_id, key, value_json)
    SELECT made.trial_id, key, replace(value_json, '0.123', '0.' || made.number)
    FROM made JOIN trials AS model ON model.study_id = {study} AND model.number = made.number % 50
    JOIN trial_user_attributes AS known ON known.trial_id = model.trial_id
"""


def proposal(number: int) -> Proposal:
    """A point that no other number has."""
    point = {name: ((number * 31 + place * 7) % 9973) / 9973 for place, name in enumerate(KNOBS)}
    return Proposal(stage="groups", point=point, label="", slots=())


def measured(server: DatabaseServer, storage: Storage, counts: list[int]) -> None:
    """Print a line for each number of trials."""
    statements = [0]

    def count(*_: Any) -> None:
        statements[0] += 1

    event.listen(Engine, "before_cursor_execute", count)
    backend = backend_of(storage)
    store = StudyStore(storage.folder, storage.name, backend=backend)
    with backend.joined(lambda: None) as worker:
        for wanted in counts:
            known = len(store.study.get_trials(deepcopy=False))
            if known >= 100:
                values = {"first": known, "study": store.number, "count": wanted - known}
                server.ask(COPY.format(**values))
            while len(store.study.get_trials(deepcopy=False)) < wanted:
                number = len(store.study.get_trials(deepcopy=False))
                tried(store, worker.name, number)
            store.history()
            spent: dict[str, list[float]] = {"turn": [0.0, 0], "open": [0.0, 0], "end": [0.0, 0]}
            for number in range(MEASURED):
                steps = step_by_step(store, worker, wanted + number)
                for sums in spent.values():
                    before, started = statements[0], time.thread_time()
                    next(steps)
                    sums[0] += time.thread_time() - started
                    sums[1] += statements[0] - before
            fresh, started = backend_of(storage), time.thread_time()
            StudyStore(storage.folder, storage.name, backend=fresh).history()
            first = time.thread_time() - started
            cells = [
                f"{name} {1e3 * s / MEASURED:.1f} ms, {n / MEASURED:.0f} statements" for name, (s, n) in spent.items()
            ]
            print(f"{wanted} trials: {'; '.join(cells)}; first read {first:.2f} s", flush=True)


def step_by_step(store: StudyStore, worker: Any, number: int) -> Any:
    """A worker's turn, the trial that it opens, and its end."""
    with worker.turn():
        store.reap(worker.others() | {worker.name})
        store.owed()
        store.history()
    yield
    trial = store.begin(proposal(number), KNOBS, worker.name)
    yield
    ended(store, trial, number)
    yield


def tried(store: StudyStore, worker: str, number: int) -> None:
    """A whole trial."""
    ended(store, store.begin(proposal(number), KNOBS, worker), number)


def ended(store: StudyStore, trial: Any, number: int) -> None:
    """End a trial as a night does."""
    with store.one_write():
        for name, value in {"recipe": "A" * 800, "scores": SCORES, "seconds": {"whole": 1.0}, "remarks": []}.items():
            trial.set_user_attr(name, value)
        store.complete(trial, number * 0.001)


def main() -> None:
    """Measure."""
    programs = server_programs()
    if programs is None:
        sys.exit("PostgreSQL's server is not installed here")
    with database_server(programs) as server, tempfile.TemporaryDirectory() as folder:
        os.environ.update(server.environment)
        place = Path(folder)
        storage = Storage(
            file=place / "study.toml", name="many", folder=place, url=server.url(), artifacts=str(place / "artifacts")
        )
        measured(server, storage, [int(text) for text in sys.argv[1:]] or [100, 1000, 5000])


if __name__ == "__main__":
    main()
