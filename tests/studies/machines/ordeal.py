"""A study over two machines: workers are killed, the server is started again and goes down, the network is cut.

    python -m tests.studies.machines.ordeal --kills 50 --restarts 5 --cuts 3 --down 60

Prints what happened and what it found; status 0: no finished trial was lost or doubled, nothing was rendered twice but
what a killed worker had in work, the study is complete, and every candidate that one worker alone tried too has the
same score.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from optuna.trial import FrozenTrial

from studies.night.noise import suggester_of
from studies.store.opening import open_store
from studies.store.records import INTERRUPTED
from studies.store.storage import GIVEN_UP, StudyStore
from studies.studyfile.read import read_study_file
from tests.studies.machines.machine import StudyMachine, doubled
from tests.studies.machines.servers import DatabaseServer, Network, bucket_server, database_server, server_programs
from tests.studies.sample_study import write_small_study


@dataclass(kw_only=True)
class Ordeal:
    """What happens to a study, and what was seen of it."""

    server: DatabaseServer
    network: Network
    machines: list[StudyMachine]
    down_s: float
    cut_s: float
    rng: random.Random
    finished: dict[int, tuple[str, float | None]] = field(default_factory=dict[int, tuple[str, float | None]])
    """Trials that were finished at some moment, with their values."""
    faults: list[str] = field(default_factory=list[str])

    @cached_property
    def _store(self) -> StudyStore:
        return open_store(read_study_file(self.machines[0].study).storage)

    def trials(self) -> list[FrozenTrial]:
        """All trials as they are now."""
        return self._store.study.get_trials(deepcopy=False)

    def look(self) -> None:
        """Compare what is finished with what was finished before."""
        now = {trial.number: (trial.state.name, trial.value) for trial in self.trials() if trial.state.is_finished()}
        for number, was in self.finished.items():
            if now.get(number) != was:
                self.faults.append(f"trial {number} was {was} and is {now.get(number)}")
        self.finished = now

    def kill(self) -> None:
        """Kill a worker in the midst of its work, and start another one there."""
        machine = self.rng.choice([one for one in self.machines if one.worker and one.worker.is_alive()])
        before = len(machine.rendered)
        _until(lambda: len(machine.rendered) > before or not _lives(machine))
        time.sleep(self.rng.uniform(0, 0.6))
        machine.kill()
        machine.start()

    def restart(self) -> None:
        """Start the server again, which cuts all connections."""
        self.server.restart(how=self.rng.choice(["fast", "immediate"]))

    def down(self) -> None:
        """Stop the server for a while."""
        self.server.stop()
        time.sleep(self.down_s)
        self.server.start()

    def cut(self) -> None:
        """Cut the second machine off for a while, without a word; at last, its connections are gone or go on."""
        self.network.cut()
        time.sleep(self.cut_s)
        self.network.mend(reset=self.rng.random() < 0.5)

    def run(self, events: list[Callable[[], None]]) -> None:
        """Start both machines, let everything happen, and wait for the end."""
        for machine in self.machines:
            machine.start()
        _until(lambda: all(machine.rendered for machine in self.machines))
        for number, event in enumerate(events):
            if not any(map(_lives, self.machines)):
                print(f"the study ended with {len(events) - number} events to come")
                return
            began = time.monotonic()
            event()
            self.look()
            print(f"{event.__name__}: {time.monotonic() - began:.1f} s, {len(self.finished)} trials ended", flush=True)
        _until(lambda: not any(map(_lives, self.machines)), seconds=600)

    def judge(self, alone: list[FrozenTrial]) -> None:
        """Find what must not be, ``alone`` being the trials of one worker that nothing happened to."""
        self.look()
        trials = self.trials()
        self.faults += [f"machine {n} ended with status {s}" for n, s in enumerate(map(_status, self.machines)) if s]
        self.faults += [f"trial {one.number} is in work" for one in trials if not one.state.is_finished()]
        ended = [one for one in trials if one.user_attrs.get("reason") not in (INTERRUPTED, GIVEN_UP)]
        tried = Counter(str(sorted(one.params.items())) for one in ended)
        self.faults += [f"tried {count} times: {point}" for point, count in tried.items() if count > 1]
        self.faults += [f"rendered twice: {key}" for key in doubled(self.machines)]
        self.faults += [f"trial {one.number} failed: {one.user_attrs}" for one in ended if one.value is None]
        spec = read_study_file(self.machines[0].study)
        if left := suggester_of(spec.search, spec.shots, self._store).next(self._store.history()):
            self.faults.append(f"the study is not complete: {left.label or left.stage} is left")
        values = {one.user_attrs["recipe_key"]: one.value for one in alone}
        shared = [one for one in ended if one.user_attrs.get("recipe_key") in values]
        self.faults += [
            f"trial {one.number}: {one.value}, alone {value}"
            for one in shared
            if (value := values[one.user_attrs["recipe_key"]]) != one.value
        ]
        lost = sum(one.user_attrs.get("reason") == INTERRUPTED for one in trials)
        given_up = sum(one.user_attrs.get("reason") == GIVEN_UP for one in trials)
        killed = sum(len(machine.killed) for machine in self.machines)
        print(
            f"{len(ended)} trials, {lost} of them lost and made again, {given_up} given up, {killed} workers killed; "
            f"{len(shared)} candidates tried alone too: {len(self.faults)} faults"
        )


def _lives(machine: StudyMachine) -> bool:
    return machine.worker is not None and machine.worker.is_alive()


def _status(machine: StudyMachine) -> int | None:
    return machine.worker.exitcode if machine.worker else None


def _until(what: Callable[[], bool], seconds: float = 180) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        if time.monotonic() > deadline:
            raise TimeoutError("waited in vain")
        time.sleep(0.05)


def study_on(folder: Path, address: str, artifacts: str, *, groups: int) -> Path:
    """A machine's own copy of the study."""
    folder.mkdir()
    study = write_small_study(folder, groups=groups)
    # No stage ends early: there are trials until everything has happened.
    study.write_text(study.read_text().replace(f"groups = {groups}\n", f"groups = {groups}\npatience = 0\n"))
    place = f'storage = "{address}"\nartifacts = "{artifacts}"\n'
    study.write_text(study.read_text().replace("seed = 3\n", f"seed = 3\n{place}"))
    return study


def trials_alone(folder: Path, *, groups: int) -> list[FrozenTrial]:
    """The trials of one worker in a folder, that nothing happens to."""
    folder.mkdir()
    machine = StudyMachine(study=write_small_study(folder, groups=groups), environment={})
    machine.start()
    assert machine.worker is not None
    machine.worker.join()
    assert not machine.worker.exitcode, machine.said
    return open_store(read_study_file(machine.study).storage).trials()


def main() -> None:
    """Run the ordeal, and say what it found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("kills", 50), ("restarts", 5), ("downs", 1), ("cuts", 3), ("groups", 90), ("seed", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--down", type=float, default=60.0, help="seconds")
    parser.add_argument("--alone", type=int, default=90, help="trials of groups of the one worker to compare with")
    parser.add_argument("--cut", type=float, default=5.0, help="seconds")
    given = parser.parse_args()
    programs = server_programs()
    if programs is None:
        sys.exit("PostgreSQL's server is not installed here")
    root = Path(tempfile.mkdtemp(prefix="recipe-search-ordeal-"))
    with database_server(programs) as server, bucket_server("recipes") as bucket:
        os.environ.update(server.environment | bucket)
        network = Network(server.port)
        environment = server.environment | bucket
        machines = [
            StudyMachine(
                study=study_on(root / name, server.url(port), "s3://recipes/ordeal", groups=given.groups),
                environment=environment,
            )
            for name, port in (("one", server.port), ("two", network.port))
        ]
        ordeal = Ordeal(
            server=server,
            network=network,
            machines=machines,
            down_s=given.down,
            cut_s=given.cut,
            rng=random.Random(given.seed),
        )
        events = [ordeal.kill] * given.kills + [ordeal.restart] * given.restarts
        events += [ordeal.down] * given.downs + [ordeal.cut] * given.cuts
        ordeal.rng.shuffle(events)
        began = time.monotonic()
        ordeal.run(events)
        print(f"the study took {time.monotonic() - began:.0f} s")
        ordeal.judge(trials_alone(root / "alone", groups=given.alone))
        network.close()
    for fault in ordeal.faults:
        print(fault)
    if ordeal.faults:
        sys.exit(f"see {root}")
    shutil.rmtree(root)


if __name__ == "__main__":
    main()
