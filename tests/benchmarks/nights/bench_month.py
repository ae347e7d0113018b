"""A month of use: a hundred studies with fifty thousand trials; what they take on disk, and what looking at them costs.

By hand: `python -m tests.benchmarks.nights.bench_month [--studies 100]`. The journals are written with the project's
own code, five of different lengths, each of which is copied to a fifth of the studies; contact sheets are tiny, so what
real ones take is worked out. Times are processor seconds.
"""

from __future__ import annotations

import argparse
import re
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import psutil
import pytest

from studies.amounts import size_text
from studies.limits.disk import RECORD_BYTES, SHEET_BYTES
from studies.limits.size import size_of
from tests.studies.pages.made_gallery import write_gallery

LENGTHS = (100, 300, 500, 700, 900)
"""Trials of the studies, in turn: 500 on the average."""
PIXELS = 8 * 512 * 768
"""Pixels of a real trial."""


def written(folder: Path, studies: int) -> list[Path]:
    """Write a month's studies; returns the study files."""
    files: list[Path] = []
    for number in range(studies):
        place, length = folder / f"study-{number:03d}", LENGTHS[number % len(LENGTHS)]
        if number < len(LENGTHS):
            files.append(write_gallery(place, length))
        else:
            shutil.copytree(files[number % len(LENGTHS)].parent, place)
            files.append(place / files[number % len(LENGTHS)].name)
    return files


def spent(arguments: Sequence[str]) -> float:
    """Return the processor seconds of a command of the command line."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "studies.cli.main", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def bench_size(files: Sequence[Path]) -> None:
    """Print what the studies take on disk, and what real pictures would take."""
    began = time.process_time()
    sizes = [size_of(file.parent / "runs") for file in files]
    took = time.process_time() - began
    trials = sum(LENGTHS[number % len(LENGTHS)] for number in range(len(files)))
    records = sum(size.records for size in sizes)
    pictures = int(2 * trials * PIXELS * SHEET_BYTES)
    kept = int(2 * len(files) * (50 + 12 + 12) * PIXELS * SHEET_BYTES)
    print(f"{len(files)} studies, {trials} trials: journals {size_text(records)}, counted in {took:.2f} s")
    print(f'eight pictures of 512 x 768 a trial: {size_text(pictures)}; with keep = "best": about {size_text(kept)}')
    print(f"features and records of real trials, at most: {size_text(trials * RECORD_BYTES)}")


def bench_commands(files: Sequence[Path]) -> None:
    """Print what the commands take on the shortest and the longest study."""
    for file, length in zip(files[: len(LENGTHS)], LENGTHS, strict=False):
        if length in (min(LENGTHS), max(LENGTHS)):
            show, report = spent(["show", str(file)]), spent(["report", str(file)])
            print(f"{length} trials: show {show:.1f} s, report {report:.1f} s")


def bench_library(folder: Path) -> tuple[float, float]:
    """Print what the page of all studies takes at first and then; returns both."""
    command = [sys.executable, "-m", "studies.cli.main", "view", str(folder), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            found = next(match for line in process.stdout if (match := re.search(r"(http://[^/]+)/", line)))
            server, seconds = psutil.Process(process.pid), list[float]()
            for _ in range(3):
                before = server.cpu_times()
                answer = httpx.get(found[1], timeout=600, follow_redirects=True)
                assert answer.status_code == 200
                after = server.cpu_times()
                seconds.append(after.user + after.system - before.user - before.system)
            memory = server.memory_info().rss / 1e6
        finally:
            process.terminate()
    print(f"all studies on a page: {seconds[0]:.1f} s, again {seconds[1]:.2f} s, {seconds[2]:.2f} s; {memory:.0f} MB")
    return seconds[0], seconds[2]


def main() -> None:
    """Write a month's studies and print what they cost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=100)
    studies = parser.parse_args().studies
    with TemporaryDirectory() as folder:
        began = time.process_time()
        files = written(Path(folder), studies)
        print(f"written in {time.process_time() - began:.0f} s")
        bench_size(files)
        bench_commands(files)
        bench_library(Path(folder))


@pytest.mark.benchmark
def test_a_week_of_studies(tmp_path: Path) -> None:
    files = written(tmp_path, 10)
    bench_size(files)
    _, again = bench_library(tmp_path)
    assert again < 2


if __name__ == "__main__":
    main()
