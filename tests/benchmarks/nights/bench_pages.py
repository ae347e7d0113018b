"""What the pages cost: every page of a large study, the server's memory over many requests, and a night beside them.

By hand: `python -m tests.benchmarks.nights.bench_pages [--trials 5000]`; `make bench` runs a small part. The server is
a process of its own, `recipe-search view`, so that its memory and its processor time are its own.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import psutil
import pytest

from tests.studies.pages.made_gallery import write_gallery
from tests.studies.sample_study import write_small_study

PLACES = (
    "",
    "/trials",
    "/trials?sort=by:clip",
    "/trials/20",
    "/compare?left=20&right=21",
    "/importance",
    "/finalists",
    "/exports",
)
BAD = ("/s/none", "/s/mix/trials/999999", "/s/mix/pictures/..%2f..%2fstudy.toml", "/s/mix/judge")
BAD_PER_SECOND = 20
"""How many bad requests a second stand beside a night."""


@dataclass(frozen=True, slots=True)
class Served:
    """A server and its process."""

    root: str
    process: psutil.Process

    def seconds(self) -> float:
        """Return the processor time so far."""
        used = self.process.cpu_times()
        return used.user + used.system

    def megabytes(self) -> float:
        """Return the memory that it holds."""
        return self.process.memory_info().rss / 1e6


@contextmanager
def served(file: Path) -> Generator[Served]:
    command = [sys.executable, "-m", "studies.cli.main", "view", str(file), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            found = next(match for line in process.stdout if (match := re.search(r"(http://[^/]+)/", line)))
            yield Served(found[1], psutil.Process(process.pid))
        finally:
            process.terminate()


def bench_pages(server: Served) -> float:
    """Print what each page takes at first and then; returns the most seconds of a page that was asked before."""
    slowest = 0.0
    for place in PLACES:
        first, _ = _asked(server, place)
        again, size = _asked(server, place)
        slowest = max(slowest, again)
        print(f"{place or '/':<28} {first:6.2f} s, again {again:6.2f} s, {size / 1000:8.1f} kB")
    return slowest


def _asked(server: Served, place: str) -> tuple[float, int]:
    began = time.perf_counter()
    answer = httpx.get(f"{server.root}/s/mix{place}", timeout=60)
    assert answer.status_code == 200, (place, answer.status_code)
    return time.perf_counter() - began, len(answer.content)


def bench_memory(server: Served, count: int = 1000) -> float:
    """Print the memory after some requests and after many more; returns the growth in megabytes."""
    session = httpx.Client()
    held: list[float] = []
    for number in range(count + count // 5):
        place = PLACES[number % len(PLACES)].replace("20", str(20 + number % 400))
        session.get(f"{server.root}/s/mix{place}", timeout=60)
        if number + 1 in (count // 5, count // 5 + count // 2, count + count // 5):
            held.append(server.megabytes())
    print(f"memory after {count // 5}, {count // 5 + count // 2} and {count + count // 5} requests: {held} MB")
    return held[-1] - held[0]


def bench_bad(server: Served, count: int = 400) -> float:
    """Print the processor time of bad requests; returns the share of a core that 20 a second take."""
    session = httpx.Client()
    began, clock = server.seconds(), time.perf_counter()
    for number in range(count):
        answer = session.get(server.root + BAD[number % len(BAD)], timeout=60)
        session.post(f"{server.root}/s/mix/start", timeout=60, headers={"Origin": "http://elsewhere"})
        assert answer.status_code in (200, 400, 403, 404), answer.status_code
    each = (server.seconds() - began) / (2 * count)
    wall = (time.perf_counter() - clock) / (2 * count)
    print(f"a bad request: {each * 1000:.2f} ms of the processor, {wall * 1000:.2f} ms on the clock")
    return each * BAD_PER_SECOND


def bench_night(rounds: int) -> None:
    """Print how long a night takes alone and beside bad requests, in turn."""
    for _ in range(rounds):
        with TemporaryDirectory() as folder:
            alone = _night(write_small_study(Path(folder)), bad=False)
        with TemporaryDirectory() as folder:
            beside = _night(write_small_study(Path(folder)), bad=True)
        print(f"a night: alone {alone:.2f} s, beside bad requests {beside:.2f} s: {beside / alone:.3f}")


def _night(file: Path, *, bad: bool) -> float:
    with served(file) as server:
        began = time.perf_counter()
        session = httpx.Client()
        with subprocess.Popen(
            [sys.executable, "-m", "studies.cli.main", "run", str(file)], stdout=subprocess.DEVNULL
        ) as night:
            while night.poll() is None:
                if bad:
                    session.get(f"{server.root}{BAD[0]}", timeout=60)
                time.sleep(1 / BAD_PER_SECOND)
        assert night.returncode == 0
        return time.perf_counter() - began


@pytest.mark.benchmark
def test_pages_are_quick_and_hold_little(tmp_path: Path) -> None:
    with served(write_gallery(tmp_path, 500)) as server:
        assert bench_pages(server) < 1
        assert bench_memory(server, 200) < 20
        assert bench_bad(server, 100) < 0.1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=5000)
    parser.add_argument("--nights", type=int, default=3)
    arguments = parser.parse_args()
    with TemporaryDirectory() as place, served(write_gallery(Path(place), arguments.trials)) as running:
        bench_pages(running)
        bench_memory(running)
        print(f"{BAD_PER_SECOND} bad requests a second: {bench_bad(running):.1%} of a core")
    bench_night(arguments.nights)
