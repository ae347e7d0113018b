"""Trials an hour against workers on a PostgreSQL server, with pretended rendering: where the storage becomes the limit.

By hand: ``python -m tests.benchmarks.nights.bench_machines [--workers 1 4 16 64] [--render 20] [--seconds 60]``.
Workers are processes with the project's own claims, store and database backend, and its own suggester; rendering is a
pause. All run on this one machine, so besides trials an hour it prints what they share: processor seconds of a worker
for a trial, and how long a worker waits for its turn.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import queue
import tempfile
import time
from dataclasses import dataclass
from functools import cached_property
from multiprocessing.queues import Queue
from pathlib import Path

from optuna.trial import TrialState

from search.plan import STAGES, SearchPlan
from search.samplers.optuna_samplers import distributions
from search.space.build import build_space
from search.suggester import Suggester
from studies.night.claims import Claims
from studies.store.backends.of_study import backend_of
from studies.store.storage import StudyStore
from studies.studyfile.spec import Storage
from tests.benchmarks.nights.storage_tasks import RECORD
from tests.studies.machines.servers import DatabaseServer, database_server, server_programs

STARTED = 100
"""Trials that the study has before anything is measured: made by one worker without pauses."""


@dataclass(frozen=True, kw_only=True)
class PretendedStudy:
    """A study whose rendering is a pause; without slots, so that its suggester is made once."""

    url: str
    artifacts: str
    name: str

    @cached_property
    def suggester(self) -> Suggester:
        """45 knobs would need Self and Adjust; the blocks alone are 25, and a proposal costs about the same."""
        return Suggester(space=build_space(), plan=SearchPlan(blocks=10**6, patience=0), seed=1)

    def opened(self, folder: Path) -> StudyStore:
        """Open its storage as a machine of its own does."""
        storage = Storage(
            file=folder / "study.toml", name=self.name, folder=folder, url=self.url, artifacts=self.artifacts
        )
        return StudyStore(folder, self.name, backend=backend_of(storage))


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What a trial took beside its pause."""

    at: float
    """When it ended, in seconds as `time.monotonic` counts them."""
    processor: float
    """Processor seconds of the worker."""
    waited: float
    """Seconds from asking for a trial until it was claimed."""


def work(study: PretendedStudy, pause: float, trials: int, until: float, told: Queue[Spent]) -> None:
    """Be one worker, until so many trials are made or the time is over."""
    with tempfile.TemporaryDirectory() as folder:
        store = study.opened(Path(folder))
        bounds = distributions(study.suggester.space)
        with store.backend.joined(lambda: None) as worker:
            claims = Claims(store=store, worker=worker, suggester=study.suggester, bounds=bounds, stages=STAGES)
            while trials and time.monotonic() < until:
                trials -= 1
                told.put(_one_trial(store, claims, pause))


def _one_trial(store: StudyStore, claims: Claims, pause: float) -> Spent:
    began, processor = time.monotonic(), time.process_time()
    claim = claims.take()
    assert claim is not None
    waited = time.monotonic() - began
    time.sleep(pause)
    with store.one_write():
        for name, value in RECORD.items():
            claim.trial.set_user_attr(name, value)
        point = claim.proposal.point
        store.study.tell(claim.trial, -sum((number - 0.3) ** 2 for number in point.values()))
    return Spent(at=time.monotonic(), processor=time.process_time() - processor, waited=waited)


def measured(server: DatabaseServer, folder: Path, workers: int, pause: float, seconds: float) -> None:
    """Print what so many workers come to."""
    study = PretendedStudy(url=server.url(), artifacts=str(folder / "artifacts"), name=f"{workers} workers")
    told: Queue[Spent] = multiprocessing.Queue()
    work(study, 0.0, STARTED, time.monotonic() + 600, told)
    while told.qsize():
        told.get()
    joining = 2.0 + 0.8 * workers
    begin = time.monotonic() + joining
    end = begin + seconds
    team = [
        multiprocessing.get_context("fork").Process(target=work, args=(study, pause, 10**6, end, told))
        for _ in range(workers)
    ]
    for process in team:
        process.start()
    spent = _drained(told, end + pause + 20)
    for process in team:
        process.join()
    counted = [one for one in spent if begin <= one.at <= end]
    if not counted:
        print(f"{workers:3} workers: no trial ended")
        return
    an_hour, ideal = 3600 * len(counted) / seconds, 3600 * workers / pause
    processor = sorted(one.processor for one in counted)[len(counted) // 2]
    waits = sorted(one.waited for one in counted)
    ended = study.opened(folder / "look").study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    points = [tuple(sorted(trial.params.items())) for trial in ended]
    print(
        f"{workers:3} workers, {pause:g} s of rendering: {an_hour:6.0f} trials an hour, {100 * an_hour / ideal:3.0f} % "
        f"of {ideal:.0f}; a trial takes {1000 * processor:.0f} ms of a worker's processor, and waits "
        f"{1000 * waits[len(waits) // 2]:.0f} ms (at most {1000 * waits[-1]:.0f}) for its turn and its proposal; "
        f"{len(points) - len(set(points))} of {len(points)} recipes twice",
        flush=True,
    )


def _drained(told: Queue[Spent], until: float) -> list[Spent]:
    """Everything that workers tell, until nobody tells any more."""
    found: list[Spent] = []
    while time.monotonic() < until:
        try:
            found.append(told.get(timeout=1.0))
        except queue.Empty:
            if not multiprocessing.active_children():
                break
    return found


def main() -> None:
    """Print rows."""
    reader = argparse.ArgumentParser(description="Measure many workers on one database.")
    reader.add_argument("--workers", type=int, nargs="+", default=[1, 4, 16, 64])
    reader.add_argument("--render", type=float, default=20.0, help="seconds of a trial's pretended rendering")
    reader.add_argument("--seconds", type=float, default=60.0, help="that are measured")
    given = reader.parse_args()
    programs = server_programs()
    if programs is None:
        reader.error("PostgreSQL is not installed: apt-get install postgresql")
    with database_server(programs) as server, tempfile.TemporaryDirectory() as folder:
        os.environ.update(server.environment)
        for workers in given.workers:
            measured(server, Path(folder), workers, given.render, given.seconds)


if __name__ == "__main__":
    main()
