"""Whatever is in a file, reading it gives a value or an error for people, in reasonable time; never a traceback."""

from __future__ import annotations

import os
import random
import signal
import warnings
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

import pytest

from engine.errors import ProblemError
from tests.fuzz.mutations import mutated
from tests.fuzz.targets import Target, prepared, targets

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "40"))
"""Changed files for each reader; `make fuzz` takes more."""
SEED = int(os.environ.get("FUZZ_SEED", "1"))
"""Another one makes other files."""
LONGEST = 20
"""Seconds after which a reader counts as hanging, also on a busy machine."""


@contextmanager
def in_time() -> Generator[None]:
    """Stop what takes longer than ``LONGEST``."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"still reading after {LONGEST} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(LONGEST)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("target", targets(), ids=lambda target: target.name)
def test_whole_files_are_read_or_refused(target: Target, tmp_path: Path) -> None:
    for data in target.seeds:
        path = prepared(target, tmp_path)
        path.write_bytes(data)
        with suppress(ProblemError):
            target.read(path)


@pytest.mark.parametrize("target", targets(), ids=lambda target: target.name)
def test_changed_files_are_read_or_refused(target: Target, tmp_path: Path) -> None:
    rng = random.Random(f"{SEED} {target.name}")
    path = prepared(target, tmp_path)
    for number in range(EXAMPLES):
        data = mutated(rng.choice(target.seeds), rng)
        path.write_bytes(data)
        try:
            with in_time(), warnings.catch_warnings(), suppress(ProblemError):
                warnings.simplefilter("error")
                target.read(path)
        except Exception as error:
            error.add_note(f"example {number} of {target.name}: {data[:2000]!r}")
            raise
