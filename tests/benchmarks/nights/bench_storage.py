"""Where a study's trials are kept, and how a lost one is noticed: the three kinds of `storage_tasks.py` side by side.

By hand: `python -m tests.benchmarks.nights.bench_storage [--kind ...] [--trials 3000]`; `make bench` runs a small part.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from studies.store.backends.journal.workers import at_work
from studies.store.storage import StudyStore
from tests.benchmarks.nights.storage_tasks import (
    BEAT_S,
    GRACE_S,
    KINDS,
    begun,
    done,
    go,
    opened,
    prepared,
    process,
    sqlite,
)


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
    """Print rows."""
    reader = argparse.ArgumentParser(description="Measure storages of studies.")
    reader.add_argument("--kind", choices=KINDS, action="append")
    reader.add_argument("--trials", type=int, default=3000)
    reader.add_argument("--each", type=int, default=30)
    given = reader.parse_args()
    for kind in given.kind or KINDS:
        with TemporaryDirectory(dir=os.environ.get("BENCH_FOLDER")) as folder:
            report(kind, Path(folder), trials=given.trials, each=given.each)


if __name__ == "__main__":
    main()
