"""Where a study's trials are kept, and how a lost one is noticed: three ways beside each other.

`sqlite` is SQLite in WAL mode with Optuna's heartbeat, `journal` Optuna's journal file with Optuna's lock, `ours` the
journal file with the operating system's locks (`studies/journal.py`, `studies/workers.py`).

By hand: `python -m tests.benchmarks.bench_storage [--kind ...] [--trials 3000]`; `make bench` runs a small part.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any

import optuna
import pytest
from optuna.artifacts import FileSystemArtifactStore, upload_artifact
from optuna.distributions import FloatDistribution
from optuna.storages import JournalStorage, RDBStorage, RetryHeartbeatStaleTrialCallback
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import Trial, TrialState
from optuna_dashboard import save_note
from sqlalchemy import event

from studies.storage import StudyStore
from studies.workers import joined

KINDS = ("sqlite", "journal", "ours")
BEAT_S, GRACE_S = 1, 4
"""Of the heartbeat; a real one needs a grace longer than the longest stall, a minute or more."""
RECORD = {
    "recipe": "format = 1\n" + "alpha = [" + ", ".join(f"0.{n:03d}" for n in range(400, 426)) + "]\n" + "x" * 400,
    "recipe_key": "0" * 64,
    "standard_error": 0.1,
    "interval": [-0.11645888958582633, 0.5337266908200109],
    "scores": {
        name: {"raw": -2.83, "scaled": 0.43, "standard_error": 1.5} for name in ("style", "clip", "stats", "lda")
    },
    "aspects": {
        name: {"value": 0.43, "standard_error": 1.5, "interval": [-4.3, 5.2]} for name in ("style", "fidelity")
    },
    "penalties": {},
    "remarks": [],
    "seconds": {"build": 0.1, "render": 5.0, "look": 0.2, "whole": 5.3},
}
"""What a real trial has."""
optuna.logging.set_verbosity(optuna.logging.ERROR)


def opened(kind: str, folder: Path) -> optuna.Study:
    """Open, or create, a study of a kind."""
    if kind == "ours":
        return StudyStore(folder, "bench").study
    journal = folder / "journal.log"
    storage = (
        sqlite(folder / "study.db")
        if kind == "sqlite"
        else JournalStorage(JournalFileBackend(str(journal), lock_obj=JournalFileOpenLock(str(journal))))
    )
    sampler = optuna.samplers.RandomSampler(seed=0)
    return optuna.create_study(
        study_name="bench", storage=storage, sampler=sampler, direction="maximize", load_if_exists=True
    )


def sqlite(path: Path) -> RDBStorage:
    """Open SQLite as it is recommended for several processes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        storage = RDBStorage(
            f"sqlite:///{path}",
            engine_kwargs={"connect_args": {"timeout": 60}},
            heartbeat_interval=BEAT_S,
            grace_period=GRACE_S,
            heartbeat_stale_trial_callback=RetryHeartbeatStaleTrialCallback(max_retry=2),
        )

    @event.listens_for(storage.engine, "connect")
    def set_up(connection: Any, _: object) -> None:
        for line in ("journal_mode=WAL", "synchronous=NORMAL", "busy_timeout=60000"):
            connection.execute(f"PRAGMA {line}")

    storage.engine.dispose()
    return storage


def begun(study: optuna.Study, knobs: int, worker: str = "") -> Trial:
    """Begin a trial as the night does, the whole candidate in one call."""
    box = {f"knob {n}": FloatDistribution(0, 1) for n in range(knobs)}
    trial = optuna.create_trial(
        state=TrialState.RUNNING,
        params={name: round(n / knobs, 3) for n, name in enumerate(box)},
        distributions=dict(box),
        user_attrs={"stage": "blocks", "slots": list(range(8)), "worker": worker},
    )
    return Trial(study, study._storage.create_new_trial(study._study_id, trial))


def done(study: optuna.Study, trial: Trial, folder: Path) -> None:
    """Record and end a trial as the night does."""
    for key, value in RECORD.items():
        trial.set_user_attr(key, value)
    artifacts = FileSystemArtifactStore(folder / "artifacts")
    upload_artifact(artifact_store=artifacts, file_path=str(folder / "sheet.webp"), study_or_trial=trial)
    save_note(trial, "x" * 1200)
    study.tell(trial, 1.0)


def prepared(folder: Path) -> Path:
    """Make what trials need."""
    (folder / "artifacts").mkdir(parents=True, exist_ok=True)
    (folder / "sheet.webp").write_bytes(b"x")
    return folder


def seconds_per_trial(kind: str, folder: Path, knobs: int, trials: int) -> float:
    """Return the middle time of a trial's storage in one process."""
    study, taken = opened(kind, prepared(folder)), list[float]()
    study.get_trials(deepcopy=False)
    for _ in range(trials):
        began = time.perf_counter()
        done(study, begun(study, knobs), folder)
        study.get_trials(deepcopy=False)
        taken.append(time.perf_counter() - began)
    return sorted(taken)[trials // 2]


# ---------------------------------------------------------------------------------------------------- other processes


def process(task: str, kind: str, folder: Path, *numbers: int) -> subprocess.Popen[str]:
    """Start a task below in another process; it says `ready` and waits for a line."""
    command = [sys.executable, "-m", "tests.benchmarks.bench_storage", "--task", task, "--kind", kind]
    command += ["--folder", str(folder), *map(str, numbers)]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert child.stdout is not None
    if child.stdout.readline() != "ready\n":
        raise RuntimeError(child.communicate()[1].strip().splitlines()[-1])
    return child


def go(child: subprocess.Popen[str]) -> str:
    """Let a process go on, and return its next line."""
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write("go\n")
    child.stdin.flush()
    return child.stdout.readline().strip()


def task_work(kind: str, folder: Path, knobs: int, trials: int) -> None:
    """Do trials as fast as the storage can."""
    study = opened(kind, folder)
    print("ready", flush=True)
    sys.stdin.readline()
    for _ in range(trials):
        done(study, begun(study, knobs), folder)
        study.get_trials(deepcopy=False)
    print("done", flush=True)


def task_hold(kind: str, folder: Path, knobs: int) -> None:
    """Be at a trial until told to end it; then say whether the storage took its value."""
    with ExitStack() as stack:
        name = stack.enter_context(joined(folder, lambda: None)).name if kind == "ours" else ""
        study = opened(kind, folder)
        trial = begun(study, knobs, name)
        if kind == "sqlite":
            Thread(target=_beat, args=(study._storage, trial._trial_id), daemon=True).start()
        print("ready", flush=True)
        sys.stdin.readline()
        try:
            study.tell(trial, 1.0)
            print("told", flush=True)
        except (ValueError, optuna.exceptions.UpdateFinishedTrialError) as error:
            print(f"refused: {error}", flush=True)


def _beat(storage: RDBStorage, number: int) -> None:
    while True:
        storage.record_heartbeat(number)
        time.sleep(BEAT_S)


def task_read(kind: str, folder: Path) -> None:
    """Open the study and read its whole history, as `show` and every first suggestion do."""
    print("ready", flush=True)
    sys.stdin.readline()
    began = time.perf_counter()
    study = opened(kind, folder)
    count = len(study.get_trials(deepcopy=False))
    first = time.perf_counter() - began
    trial = begun(study, 45)
    began = time.perf_counter()
    study.get_trials(deepcopy=False)
    again = time.perf_counter() - began
    study.tell(trial, 1.0)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    print(json.dumps({"trials": count, "first": first, "again": again, "memory": memory}), flush=True)


def task_fill(kind: str, folder: Path, bytes_more: int) -> None:
    """Write until the disk is full, that is, until a file of this process may not grow any more."""
    study = opened(kind, folder)
    trial = begun(study, 26)
    largest = max(path.stat().st_size for path in folder.iterdir() if path.name.startswith(("journal.log", "study.db")))
    print("ready", flush=True)
    sys.stdin.readline()
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest + bytes_more, largest + bytes_more))
    try:
        for n in range(1000):
            trial.set_user_attr(f"key {n}", "x" * 300)
    except (OSError, optuna.exceptions.StorageInternalError) as error:
        print(f"stopped: {type(error).__name__}", flush=True)


def together(kind: str, folder: Path, count: int, trials: int) -> tuple[float, int, list[str]]:
    """Return seconds per trial of processes at once, how many trials have numbers of their own, and errors."""
    opened(kind, prepared(folder))
    team = [process("work", kind, folder, 26, trials) for _ in range(count)]
    began = time.perf_counter()
    for child in team:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    errors = [child.communicate()[1].strip().splitlines() for child in team]
    taken = time.perf_counter() - began
    ended = [trial.number for trial in opened(kind, folder).get_trials(states=(TrialState.COMPLETE,))]
    return taken / (count * trials), len(set(ended)), [lines[-1] for lines in errors if lines]


def noticed(kind: str, folder: Path, patience: float) -> tuple[float | None, bool]:
    """Return the seconds until a worker's trial in work is failed, and whether the same candidate is there to run."""
    study = opened(kind, folder)
    began = time.perf_counter()
    while time.perf_counter() - began < patience:
        if kind == "sqlite":
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                optuna.storages.fail_stale_trials(study)
        elif kind == "ours":
            from studies.workers import at_work

            StudyStore(folder, "bench").reap(at_work(folder))
        trials = study.get_trials(deepcopy=False)
        if trials[0].state is TrialState.FAIL:
            waiting = [trial for trial in trials if trial.state is TrialState.WAITING]
            owed = StudyStore(folder, "bench").owed() if kind == "ours" else None
            points = [trial.params for trial in waiting] + ([dict(owed.point)] if owed else [])
            return time.perf_counter() - began, points == [trials[0].params]
        time.sleep(0.05)
    return None, False


def killed(kind: str, folder: Path) -> tuple[float | None, bool]:
    """Kill a worker at a trial; `noticed` says what comes of it."""
    child = process("hold", kind, prepared(folder), 26)
    time.sleep(2 * BEAT_S)
    child.kill()
    child.communicate()
    return noticed(kind, folder, 3 * GRACE_S)


def stalled(kind: str, folder: Path) -> tuple[bool, str]:
    """Stop a worker for longer than the grace: whether its trial is failed, and what it hears when it ends it."""
    child = process("hold", kind, prepared(folder), 26)
    time.sleep(BEAT_S / 2)  # between two heartbeats: stopped in a write, it would lock all others out
    child.send_signal(signal.SIGSTOP)
    failed = noticed(kind, folder, GRACE_S + 3 * BEAT_S)[0] is not None
    child.send_signal(signal.SIGCONT)
    heard = go(child)
    child.communicate()
    return failed, heard


def after_a_full_disk(kind: str, folder: Path) -> list[str]:
    """Fill the disk under one process; what it hears, and what becomes of two others that go on."""
    opened(kind, prepared(folder))
    other = process("work", kind, folder, 26, 2)  # has the study open already
    child = process("fill", kind, folder, 5000)
    heard = [go(child)]
    child.communicate()
    heard.append(f"one beside it {_goes_on(other)}")
    try:
        heard.append(f"a new one {_goes_on(process('work', kind, folder, 26, 2))}")
    except RuntimeError as error:
        heard.append(f"a new one fails: {str(error)[:40]}")
    return [*heard, f"the study afterwards: {'whole' if _opens(kind, folder) else 'cannot be read'}"]


def _goes_on(child: subprocess.Popen[str]) -> str:
    said = child.communicate("go\n")[1].strip().splitlines()
    return f"fails: {said[-1][:40]}" if child.returncode else "goes on"


def _opens(kind: str, folder: Path) -> bool:
    try:
        opened(kind, folder).get_trials()
    except (ValueError, AttributeError, KeyError, optuna.exceptions.OptunaError):
        return False
    return True


def filled(kind: str, folder: Path, trials: int) -> float:
    """Make a study of so many trials of 45 knobs; returns MB on the disk."""
    memory = Path("/dev/shm")  # noqa: S108 - a file system in memory, where there is one, makes trials faster
    with TemporaryDirectory(dir=memory if memory.exists() else None) as place:
        made = opened("journal", prepared(Path(place)))
        for _ in range(trials):
            done(made, begun(made, 45), Path(place))
        shutil.copytree(place, folder)
    if kind == "sqlite":
        source = JournalStorage(JournalFileBackend(str(folder / "journal.log")))
        to = sqlite(folder / "study.db")
        optuna.copy_study(from_study_name="bench", from_storage=source, to_storage=to)
        (folder / "journal.log").unlink()
    files = (path for path in folder.iterdir() if path.name.startswith(("journal.log", "study.db")))
    return sum(path.stat().st_size for path in files) / 1e6


def read(kind: str, folder: Path) -> dict[str, float]:
    """Read a study in a fresh process."""
    child = process("read", kind, folder)
    found = json.loads(go(child))
    child.communicate()
    return found


TASKS = {"work": task_work, "hold": task_hold, "read": task_read, "fill": task_fill}


def report(kind: str, folder: Path, *, trials: int, each: int, processes: Sequence[int] = (1, 2, 4)) -> None:
    """Print everything of a kind."""
    for knobs in (26, 45):
        taken = seconds_per_trial(kind, folder / f"alone{knobs}", knobs, each)
        print(f"{kind:8} {knobs} knobs, one process: {taken * 1e3:.0f} ms a trial", flush=True)
    for count in processes:
        taken, numbers, errors = together(kind, folder / f"together{count}", count, each)
        lost = count * each - numbers
        print(f"{kind:8} {count} at once: {taken * 1e3:.0f} ms a trial, {lost} lost, errors: {errors}", flush=True)
    seconds, same = killed(kind, folder / "killed")
    when = "never noticed" if seconds is None else f"noticed after {seconds:.2f} s, same candidate: {same}"
    print(f"{kind:8} kill -9: {when}", flush=True)
    failed, heard = stalled(kind, folder / "stalled")
    print(
        f"{kind:8} stalled: {'taken from its worker' if failed else 'left alone'}; at its end: {heard[:70]}", flush=True
    )
    print(f"{kind:8} full disk: {'; '.join(after_a_full_disk(kind, folder / 'full'))}", flush=True)
    size = filled(kind, folder / "many", trials)
    found = read(kind, folder / "many")
    late = seconds_per_trial(kind, folder / "many", 45, 10)
    print(
        f"{kind:8} {trials} trials: {size:.0f} MB, opened and read in {found['first']:.2f} s "
        f"({found['memory']:.0f} MB of memory), after one more trial {found['again'] * 1e3:.1f} ms; "
        f"the next trials take {late * 1e3:.0f} ms",
        flush=True,
    )


@pytest.mark.benchmark
@pytest.mark.parametrize("kind", KINDS)
def test_report(kind: str, tmp_path: Path) -> None:
    report(kind, tmp_path, trials=100, each=10, processes=(1, 2))


@pytest.mark.benchmark
def test_ours_costs_little_and_loses_nothing(tmp_path: Path) -> None:
    assert seconds_per_trial("ours", tmp_path / "alone", 45, 20) < 0.5
    assert together("ours", tmp_path / "together", 4, 10)[1:] == (40, [])
    seconds, same = killed("ours", tmp_path / "killed")
    assert seconds is not None
    assert seconds < 1
    assert same
    assert stalled("ours", tmp_path / "stalled") == (False, "told")
    assert after_a_full_disk("ours", tmp_path / "full")[1:] == [
        "one beside it goes on",
        "a new one goes on",
        "the study afterwards: whole",
    ]


def main() -> None:
    """Print rows, or do a task of another process's."""
    reader = argparse.ArgumentParser(description="Measure storages of studies.")
    reader.add_argument("--kind", choices=KINDS, action="append")
    reader.add_argument("--trials", type=int, default=3000)
    reader.add_argument("--each", type=int, default=30)
    reader.add_argument("--task", choices=list(TASKS))
    reader.add_argument("--folder", type=Path)
    reader.add_argument("numbers", type=int, nargs="*")
    given = reader.parse_args()
    if given.task:
        TASKS[given.task](given.kind[0], given.folder, *given.numbers)
        return
    for kind in given.kind or KINDS:
        with TemporaryDirectory(dir=os.environ.get("BENCH_FOLDER")) as folder:
            report(kind, Path(folder), trials=given.trials, each=given.each)


if __name__ == "__main__":
    main()
