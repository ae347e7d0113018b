"""Several workers of one study, each a process with, where possible, a GPU of its own; started and stopped together."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Thread

from engine.devices import worker_devices
from studies.limits.signals import PatientEnd, termination_as_interrupt


def run_team(file: Path, device: str, workers: int, options: Sequence[str], say: Callable[[str], None]) -> bool:
    """Run workers until all have ended; Ctrl+C or a termination signal ends them all, each cleanly.

    The first Ctrl+C lets every worker finish its trial; a second one, or a termination signal, ends them at once.

    Args:
        file: the study file.
        device: the study's; where it is `auto` or `cuda`, the workers get all GPUs in turn.
        workers: how many.
        options: of `recipe-search run`, for each of them.
        say: takes their output, line by line, with the worker's number before it.

    Returns:
        Whether all ended well.

    Raises:
        KeyboardInterrupt: they were stopped.
    """
    team: list[subprocess.Popen[str]] = []
    readers: list[Thread] = []
    patient = PatientEnd(lambda: _interrupt(team))
    with termination_as_interrupt(patient):
        try:
            devices = worker_devices(device, workers)
            for number, own in enumerate(devices, start=1):
                sharing = ["--sharing", str(devices.count(own)), str(workers)]
                team.append(_started([str(file), "--device", own, *sharing, *options]))
                readers.append(Thread(target=_relay, args=(team[-1], number, say)))
                readers[-1].start()
            with patient.finishing():
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


def _interrupt(team: Sequence[subprocess.Popen[str]]) -> None:
    """Hand Ctrl+C on; where that cannot be done, the workers end at once."""
    for process in team:
        if sys.platform == "win32":
            process.terminate()
        else:
            process.send_signal(signal.SIGINT)


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
