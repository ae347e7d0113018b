"""Studies in three kinds of storage, and what other processes do to them while `bench_storage.py` looks.

`sqlite` is SQLite in WAL mode with Optuna's heartbeat, `journal` Optuna's journal file with Optuna's lock, `ours` the
journal file with the operating system's locks (`studies/store/backends/journal`).
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
import warnings
from contextlib import ExitStack
from pathlib import Path
from threading import Thread
from typing import Any

import optuna
from optuna.artifacts import FileSystemArtifactStore, upload_artifact
from optuna.distributions import FloatDistribution
from optuna.storages import JournalStorage, RDBStorage, RetryHeartbeatStaleTrialCallback
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import Trial, TrialState
from optuna_dashboard import save_note
from sqlalchemy import event

from studies.store.backends.journal.workers import joined
from studies.store.storage import StudyStore

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


# ---------------------------------------------------------------------------------------------------- other processes


def process(task: str, kind: str, folder: Path, *numbers: int) -> subprocess.Popen[str]:
    """Start a task below in another process; it says `ready` and waits for a line."""
    command = [
        sys.executable,
        "-m",
        "tests.benchmarks.nights.storage_tasks",
        task,
        kind,
        str(folder),
        *map(str, numbers),
    ]
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


TASKS = {"work": task_work, "hold": task_hold, "read": task_read, "fill": task_fill}


def main() -> None:
    """Do the task that the command line names."""
    task, kind, folder, *numbers = sys.argv[1:]
    TASKS[task](kind, Path(folder), *map(int, numbers))


if __name__ == "__main__":
    main()
