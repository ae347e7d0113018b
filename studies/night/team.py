"""A team, several workers of a study, each a process and mostly a GPU of its own, started and stopped together."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from threading import Thread

from engine.devices import worker_devices
from studies.night.night import termination_as_interrupt
from studies.studyfile.read import StudySpec


def run_team(spec: StudySpec, workers: int, options: Sequence[str], say: Callable[[str], None]) -> bool:
    """Run workers until all have ended; Ctrl+C or a termination signal ends them all, each in its own clean way.

    Args:
        spec: the study; where its device is `auto` or `cuda`, the workers get all GPUs in turn.
        workers: how many.
        options: of `recipe-search run`, for each of them.
        say: takes what they say, line by line, with the worker's number before it.

    Returns:
        Whether all ended well.

    Raises:
        KeyboardInterrupt: they were stopped.
    """
    team: list[subprocess.Popen[str]] = []
    readers: list[Thread] = []
    with termination_as_interrupt():
        try:
            for number, device in enumerate(worker_devices(spec.device, workers), start=1):
                team.append(_started([str(spec.file), "--device", device, *options]))
                readers.append(Thread(target=_relay, args=(team[-1], number, say)))
                readers[-1].start()
            for process in team:
                process.wait()
        finally:
            for process in team:
                process.terminate()  # does nothing to those that have ended
            for process in team:
                process.wait()
            for reader in readers:
                reader.join()
    return not any(process.returncode for process in team)


def _started(arguments: Sequence[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "studies.cli.main", "run", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,  # Ctrl+C comes once, from here: a second one could break into the clean end
    )


def _relay(process: subprocess.Popen[str], number: int, say: Callable[[str], None]) -> None:
    for line in process.stdout or ():
        say(f"{number}: {line.rstrip()}")
    if status := process.wait():
        say(f"{number}: ended with status {status}")
