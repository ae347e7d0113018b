"""Several processes at one study: stopped, started again, stalled, killed, and every candidate is tried once."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Timer

import filelock
import pytest
from click.testing import CliRunner
from optuna.trial import FrozenTrial, TrialState
from rich.console import Console

from engine.recipes.recipe import Recipe
from search.samplers.optuna_samplers import distributions
from search.suggester import Proposal
from studies.cli.main import main
from studies.night.night import PROVED, Night
from studies.store.backends.journal.journal import journal_of
from studies.store.backends.journal.workers import at_work, held
from studies.store.judged.outcome import read_outcome
from studies.store.storage import INTERRUPTED, LOST, StudyStore
from studies.studyfile.read import read_study_file
from studies.studyfile.spec import StudySpec
from tests.studies.sample_study import write_small_study

PLANNED = {"flat": 12, "groups": 3, "blocks": 2, "self": 2, "adjust": 2, "refine": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A study, the trials at some moment, and what was said until then or at that moment."""

    spec: StudySpec
    trials: list[FrozenTrial]
    status: int | None
    said: str
    show: str = ""
    rescore: str = ""
    lost: int = -1


@contextmanager
def started(spec: StudySpec) -> Generator[subprocess.Popen[str]]:
    """Two workers, as the command starts them; none is left over if the test fails."""
    command = [sys.executable, "-m", "studies.cli.main", "run", str(spec.storage.file), "--workers", "2"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as team:
        try:
            yield team
        except BaseException:
            for worker in at_work(spec.storage.folder):
                os.kill(int(worker.partition("-")[0]), signal.SIGKILL)
            team.kill()
            raise


def until(what: Callable[[], object], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def all_trials(spec: StudySpec) -> list[FrozenTrial]:
    known = journal_of(spec.storage.folder).exists() and b"\n" in (spec.storage.folder / "journal.log").read_bytes()
    return StudyStore(spec.storage.folder, spec.storage.name).study.get_trials(deepcopy=False) if known else []


def workers_of(trials: list[FrozenTrial]) -> set[str]:
    return {trial.user_attrs["worker"] for trial in trials}


def stall_in_a_trial(spec: StudySpec, worker: str) -> FrozenTrial:
    """Stop a worker's process while it is at a trial and holds no lock that others wait for."""
    process = int(worker.partition("-")[0])

    def running() -> list[FrozenTrial]:
        trials = [trial for trial in all_trials(spec) if trial.state is TrialState.RUNNING]
        return [trial for trial in trials if trial.user_attrs["worker"] == worker]

    while True:
        until(running)
        os.kill(process, signal.SIGSTOP)
        if all(is_free(spec.storage.folder / "locks" / f"{name}.lock") for name in ("turn", "journal")) and (
            found := running()
        ):
            return found[0]
        os.kill(process, signal.SIGCONT)


def is_free(lock: Path) -> bool:
    """Whether a lock is free within half a second, so that only a stopped process can have it."""
    try:
        with filelock.FileLock(lock, timeout=0.5):
            return True
    except filelock.Timeout:
        return False


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """Two workers that a termination signal stopped in the middle."""
    spec = read_study_file(write_small_study(tmp_path_factory.mktemp("shared")))
    with started(spec) as team:
        until(lambda: len(workers_of(all_trials(spec))) == 2)
        team.terminate()
        said, _ = team.communicate(timeout=60)
    return Seen(spec=spec, trials=all_trials(spec), status=team.returncode, said=said)


@pytest.fixture(scope="module")
def survived(stopped: Seen) -> Seen:
    """The study goes on with two workers; one stalls in a trial and is killed at last; the other ends it alone."""
    spec, earlier = stopped.spec, workers_of(stopped.trials)
    with started(spec) as team:
        until(lambda: workers_of(all_trials(spec)) - earlier)
        (worker, *_) = workers_of(all_trials(spec)) - earlier
        lost = stall_in_a_trial(spec, worker)
        until(lambda: len(workers_of(all_trials(spec)) - earlier) == 2)
        until(lambda: any(one.state is TrialState.COMPLETE for one in all_trials(spec)[lost.number + 1 :]))
        trials = all_trials(spec)
        show, rescore = (
            CliRunner().invoke(main, [name, str(spec.storage.file)]).output for name in ("show", "rescore")
        )
        os.kill(int(worker.partition("-")[0]), signal.SIGKILL)
        said, _ = team.communicate(timeout=240)
    return Seen(
        spec=spec, trials=trials, status=team.returncode, said=said, show=show, rescore=rescore, lost=lost.number
    )


def test_workers_stop_cleanly_together(stopped: Seen) -> None:
    assert stopped.status == 130, stopped.said
    cut = [trial for trial in stopped.trials if trial.state is TrialState.FAIL]
    assert {trial.state for trial in stopped.trials} <= {TrialState.COMPLETE, TrialState.FAIL}
    assert {trial.user_attrs["reason"] for trial in cut} <= {INTERRUPTED}
    assert all(LOST not in trial.user_attrs for trial in cut)
    assert stopped.said.count("ended with status 130") == 2
    workers = [line for line in stopped.said.splitlines()[:-2] if line and "report" not in line]
    assert {line[:3] for line in workers} == {"1: ", "2: "}
    assert stopped.said.rstrip().endswith("run the same command again to go on")


def test_a_stalled_worker_keeps_its_trial_and_the_other_goes_on(survived: Seen) -> None:
    assert survived.trials[survived.lost].state is TrialState.RUNNING
    assert any(trial.state is TrialState.COMPLETE for trial in survived.trials[survived.lost + 1 :])


def test_show_says_who_is_at_work_and_the_study_is_not_rescored_meanwhile(survived: Seen) -> None:
    stage = survived.trials[survived.lost].user_attrs["stage"]
    assert re.search(rf"2 workers at work: .*\btrial {survived.lost} \({stage}\)", survived.show), survived.show
    assert "at most 23 trials in all" in survived.show
    assert "2 `recipe-search run` are working on this study" in survived.rescore


def test_a_killed_workers_candidate_is_tried_by_the_other(survived: Seen) -> None:
    assert survived.status == 1
    assert survived.said.count("ended with status -9") == 1
    trials = all_trials(survived.spec)
    lost = trials[survived.lost]
    assert (lost.state, lost.user_attrs["reason"], lost.user_attrs[LOST]) == (TrialState.FAIL, INTERRUPTED, 1)
    (again,) = [one for one in trials[survived.lost + 1 :] if one.params == lost.params]
    assert again.state is TrialState.COMPLETE
    assert again.user_attrs["stage"] == lost.user_attrs["stage"]
    assert again.user_attrs["worker"] != lost.user_attrs["worker"]


def test_every_candidate_was_tried_once_and_what_was_finished_never_changed(stopped: Seen, survived: Seen) -> None:
    spec, trials = survived.spec, all_trials(survived.spec)
    assert [trial.number for trial in trials] == list(range(len(trials)))
    ended = StudyStore(spec.storage.folder, spec.storage.name).trials()
    assert Counter(trial.user_attrs["stage"] for trial in ended) == PLANNED
    keys = [spec.search.space.decode(trial.params).key for trial in ended]
    assert len(set(keys)) == len(keys)
    for trial in ended:
        assert trial.state is TrialState.COMPLETE
        assert Recipe.parse(trial.user_attrs["recipe"]).key == spec.search.space.decode(trial.params).key
    assert {spec.search.space.decode(trial.params).key for trial in trials} == set(keys)
    for before in (stopped, survived):
        finished = [trial for trial in before.trials if trial.state is TrialState.COMPLETE]
        assert finished == [trials[trial.number] for trial in finished]
    assert read_outcome(spec.storage.folder).finalists
    assert survived.said.count("contact sheet:") == 1
    assert at_work(spec.storage.folder) == frozenset()


class Releasing(io.StringIO):
    """Takes words, and lets go of a lock when somebody says that it waits."""

    def __init__(self, lock: Path) -> None:
        super().__init__()
        self.lock = filelock.FileLock(lock)
        self.lock.acquire()

    def write(self, text: str) -> int:
        if "waiting for it" in text:
            self.lock.release()
        return super().write(text)


def test_one_worker_renders_what_calibrates_and_others_wait_saying_so(copied: Path) -> None:
    spec = read_study_file(copied)
    words = Releasing(spec.storage.folder / "locks" / "calibration.lock")
    assert Night(spec, Console(file=words, width=200)).run() is not None
    said = words.getvalue()
    assert said.startswith("another worker renders the recipes that calibrate the scorers; waiting for it\n")
    assert said.count("references: ") == 1


def test_a_worker_with_nothing_to_ask_waits_for_trials_in_work_and_does_those_of_the_dead(copied: Path) -> None:
    spec = read_study_file(copied)
    code = """
import sys; from pathlib import Path; from studies.store.backends.journal.workers import joined
with joined(Path(sys.argv[1]), lambda: None) as worker:
    print(worker.name, flush=True)
    sys.stdin.read()
"""
    command = [sys.executable, "-c", code, str(spec.storage.folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        store = StudyStore(spec.storage.folder, spec.storage.name)
        candidate = Proposal(stage="groups", point=spec.search.space.flat(0.37))
        trial = store.begin(candidate, distributions(spec.search.space), other.stdout.readline().strip())
        dying = Timer(5, other.kill)
        dying.start()
        assert Night(spec, Console(quiet=True)).run() is not None
        assert other.poll() == -signal.SIGKILL
    lost, again = all_trials(spec)[trial.number :]
    assert (lost.state, lost.user_attrs["reason"]) == (TrialState.FAIL, INTERRUPTED)
    assert (again.state, again.params) == (TrialState.COMPLETE, lost.params)


def test_the_proof_is_made_by_one_worker(copied: Path) -> None:
    spec, words = read_study_file(copied), io.StringIO()
    with held(spec.storage.folder, "proof"):
        assert Night(spec, Console(file=words, width=200)).run() is None
    assert "the search is over; another worker makes the proof" in words.getvalue()
    store = StudyStore(spec.storage.folder, spec.storage.name)
    store.note(PROVED, {"at": time.time() + 3600, "trials": len(store.trials())})  # by one that began after us
    assert Night(spec, Console(quiet=True)).run() is None
    store.note(PROVED, {"at": time.time() + 3600, "trials": len(store.trials()) - 1})
    assert Night(spec, Console(quiet=True)).run() is not None


def test_a_device_that_is_none_is_refused(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["run", str(write_small_study(tmp_path)), "--device", "gpu"])
    assert done.exit_code == 2
    assert "unknown device; write auto, cpu, cuda or cuda:0, cuda:1" in done.output


def test_the_workers_of_a_command_do_not_look_again(copied: Path) -> None:
    for picture in sorted((copied.parent / "references").glob("*.png"))[4:]:
        picture.unlink()
    aloud, quiet = (CliRunner().invoke(main, ["run", str(copied), *more]).output for more in ((), ("--checked",)))
    assert "4 pictures show little" in " ".join(aloud.split())
    assert "4 pictures show little" not in " ".join(quiet.split())
