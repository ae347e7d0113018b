"""Run another program and say what it took: time, memory, bytes.

As a script, ``python measured.py REPORT -m MODULE ...`` or ``python measured.py REPORT SCRIPT ...``, it runs that
program in its own process and writes what the system counted. It needs only Python, so any environment can run it.
"""

from __future__ import annotations

import json
import os
import resource
import runpy
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

SAMPLE_SECONDS = 0.005
_MB = 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What a program took, its start and imports included.

    Attributes:
        seconds: by the clock on the wall.
        cpu: seconds of processor time, user and system, all threads.
        resident: most memory resident at once, bytes, pages of mapped files included.
        anonymous: the same without pages of files, sampled every 5 ms.
        read, written: bytes of all read and write calls; pages of mapped files are not among them.
        disk_read: bytes that had to come from the disk.
    """

    seconds: float
    cpu: float
    resident: float
    anonymous: float
    read: float
    written: float
    disk_read: float

    def row(self) -> str:
        """The numbers in the order of ``HEADINGS``; seconds and MB."""
        sizes = (self.resident, self.anonymous, self.read, self.written, self.disk_read)
        return f"{self.seconds:8.2f} {self.cpu:8.2f} " + " ".join(f"{size / _MB:9.0f}" for size in sizes)


HEADINGS = f"{'wall s':>8s} {'cpu s':>8s} " + " ".join(
    f"{name:>9s}" for name in ("peak MB", "anon MB", "read MB", "writ. MB", "disk MB")
)


def measure(command: list[str], *, python: Path, report: Path, cwd: Path, env: Mapping[str, str]) -> Measured:
    """Run ``python`` with these arguments and measure it.

    Args:
        command: ``-m`` and a module, or a script, and their arguments.
        python: the interpreter of the environment to run in.
        report: a file to write in between, with a ``.log`` beside it; both are removed.
        cwd: the working folder.
        env: variables besides this process's own.

    Raises:
        RuntimeError: the program failed; its last words are in the message.
    """
    whole = [str(python), str(Path(__file__).resolve()), str(report), *command]
    words = report.with_suffix(".log")
    with (
        words.open("w") as log,
        subprocess.Popen(whole, cwd=cwd, env={**os.environ, **env}, stdout=log, stderr=log) as child,
    ):
        started, anonymous = time.perf_counter(), 0.0
        while child.poll() is None:
            anonymous = max(anonymous, status(child.pid, "RssAnon"))
            time.sleep(SAMPLE_SECONDS)
        seconds = time.perf_counter() - started
    if child.returncode:
        raise RuntimeError(f"{' '.join(whole)} failed with {child.returncode}: ...{words.read_text()[-1500:]}")
    counted = json.loads(report.read_text())
    for path in (report, words):
        path.unlink()
    return Measured(seconds=seconds, anonymous=anonymous, **counted)


def status(process: int | str, field: str) -> float:
    """A memory field of a process, bytes; 0 where it is gone."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((float(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:")), 0.0)


def _counted() -> dict[str, float]:
    """What the system counted for this process so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    lines = (line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    bytes_of = {name: float(value) for name, value in lines}
    return {
        "cpu": used.ru_utime + used.ru_stime,
        "resident": status("self", "VmHWM"),
        "read": bytes_of["rchar"],
        "written": bytes_of["wchar"],
        "disk_read": bytes_of["read_bytes"],
    }


def _run(report: Path, arguments: list[str]) -> None:
    module = arguments[0] == "-m"
    sys.argv = arguments[1:] if module else arguments
    sys.path[0] = str(Path.cwd())
    try:
        if module:
            runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
        else:
            runpy.run_path(arguments[0], run_name="__main__")
    except SystemExit as end:
        if end.code:
            raise
    report.write_text(json.dumps(_counted()))


if __name__ == "__main__":
    _run(Path(sys.argv[1]), sys.argv[2:])
