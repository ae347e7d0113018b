"""The report at the end of a night: written by a process of its own, so that nothing in it can harm the night's end."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Generator, Hashable
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

from studies.errors import StudyError
from studies.store.backends.of_study import backend_of
from studies.studyfile.spec import Storage

NEEDED = ("jinja2", "babel")
"""What reports are written with; packages of the extra `web`."""
INSTALL = "pip install 'sd-recipe-search[web]'"
LONGEST_S, LONGEST_QUICK_S = 600.0, 20.0
"""Seconds that a report may take at the end of a night, and of one that was stopped."""


def has_web() -> bool:
    """Whether what writes reports is installed."""
    return all(find_spec(name) is not None for name in NEEDED)


def refuse_without_web(study: Path) -> None:
    """Refuse to write a report where its packages are not installed.

    Raises:
        StudyError: they are not.
    """
    if not has_web():
        missing = " and ".join(name for name in NEEDED if find_spec(name) is None)
        raise StudyError(f"a report needs {missing}", place=(study,), remedy=INSTALL)


@contextmanager
def report_at_the_end(
    storage: Storage, typed_path: str, say: Callable[[str], None], *, has_changed: bool = False
) -> Generator[None]:
    """Write the report when a night ends, however it ends, if it changed the study and no other worker goes on.

    What ends the night is raised on; a report that cannot be written is a warning.

    Args:
        storage: of the study.
        typed_path: the study as it was typed, for the command that writes the report.
        say: takes a line for people.
        has_changed: whether an earlier process of the same night may have changed the study.
    """
    before = () if has_changed else _signature(storage)
    try:
        yield
    except BaseException:
        _report_if_changed(storage, typed_path, say, before, quick=True)
        raise
    _report_if_changed(storage, typed_path, say, before, quick=False)


def _report_if_changed(
    storage: Storage, typed_path: str, say: Callable[[str], None], before: tuple[Hashable, ...], *, quick: bool
) -> None:
    if _signature(storage) == before or backend_of(storage).at_work():  # the last worker writes it
        return
    with suppress(OSError):  # of what takes the lines
        _report(storage, typed_path, say, quick=quick)


def _signature(storage: Storage) -> tuple[Hashable, ...]:
    """What a night changes: the trials and the outcome."""
    with suppress(OSError, StudyError):  # a database that is gone says nothing of what changed
        status = (storage.folder / "outcome.json").stat()
        return backend_of(storage).mark(), status.st_size, status.st_mtime_ns
    with suppress(StudyError):
        return (backend_of(storage).mark(),)
    return ()


def _report(storage: Storage, typed_path: str, say: Callable[[str], None], *, quick: bool) -> None:
    if not has_web():
        say(f"for a report of the night: {INSTALL}, then recipe-search report {typed_path}")
        return
    if quick:
        say("writing a report of what there is; that takes some seconds")
    seconds = LONGEST_QUICK_S if quick else LONGEST_S
    command = [sys.executable, "-m", "studies.cli.main", "report", str(storage.file), *["--quick"] * quick]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=seconds,
            check=False,
            start_new_session=True,  # Ctrl+C is for the night
        )
    except subprocess.TimeoutExpired:
        why = f"it took more than {seconds:g} s"
    except OSError as error:
        why = error.strerror or "no process could be started"
    else:
        if done.returncode == 0:
            say(f"report: {storage.folder / 'report.html'}")
            return
        why = (done.stderr.strip().splitlines() or [f"it ended with status {done.returncode}"])[-1]
    say(f"warning: no report was written ({why.removeprefix('Error: ')}); later: recipe-search report {typed_path}")
