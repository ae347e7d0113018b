"""The command that a person has told of a night's end: run without a shell, with the facts, for a limited time."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from engine.errors import first_line
from engine.files import file_kind, readable
from studies.errors import StudyError
from studies.status.secrets import without_secrets
from studies.status.text import as_json
from studies.status.watched import WatchedStudies
from studies.store.backends.requests import NightRequests

NightResult = Literal["finished", "stopped", "failed"]
"""How a night ended: by itself; as somebody asked; with an error."""
LONGEST_S, LONGEST_QUICK_S = 60.0, 10.0
"""Seconds that the command may take; and after Ctrl+C or a termination signal."""
LONGEST_REASON = 2000
"""The most characters of a reason."""
PREFIX = "RECIPE_SEARCH_"
"""What the names of the variables begin with in which it gets the facts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """The command of one study."""

    command: tuple[str, ...]
    """A program and its arguments."""
    file: Path
    """The study file that names it; its folder is where it runs."""

    @property
    def content(self) -> bytes:
        """All that would run: the words of the command, and the content of the files among them."""
        parts = [json.dumps(self.command).encode()]
        for word in self.command:
            path = self.file.parent / word
            with suppress(OSError, ValueError):
                if file_kind(path) == "file":
                    parts.append(readable(path).read_bytes())
        return b"\0".join(parts)

    def send(self, facts: Mapping[str, Any], *, limit_s: float) -> str:
        """Run the command, which gets facts as JSON on its standard input, and the short ones as variables too.

        Args:
            facts: values of JSON; "result", "reason", "study" and so on.
            limit_s: seconds after which it is ended, and what it has started too.

        Returns:
            Why it did not do well, for people; "" where it did.
        """
        with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as printed:
            given.write(json.dumps(facts, ensure_ascii=False).encode("utf-8", "replace"))
            given.seek(0)
            try:
                process = subprocess.Popen(
                    self.command,
                    stdin=given,
                    stdout=printed,
                    stderr=subprocess.STDOUT,
                    cwd=self.file.parent,
                    env=os.environ | _variables(facts),
                    start_new_session=True,  # Ctrl+C is for the night
                )
            except (OSError, ValueError) as error:
                return getattr(error, "strerror", None) or first_line(error)
            try:
                status = process.wait(limit_s)
            except subprocess.TimeoutExpired:
                return f"it took more than {limit_s:g} s"
            finally:
                _end(process)
            printed.seek(0)
            lines = printed.read(1 << 16).decode("utf-8", "replace").strip().splitlines()
        return "" if status == 0 else f"it ended with status {status}" + (f": {lines[-1]}" if lines else "")


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process that still runs, and all that it has started."""
    if process.poll() is None:
        with suppress(OSError):
            if hasattr(os, "killpg"):
                os.killpg(process.pid, signal.SIGKILL)
            else:
                process.kill()
        process.wait()


def _variables(facts: Mapping[str, Any]) -> dict[str, str]:
    """The short facts as environment variables."""
    best: Mapping[str, Any] = facts.get("best") or {}
    trials: Mapping[str, Any] = facts.get("trials") or {}
    known = {
        "RESULT": facts.get("result"),
        "REASON": facts.get("reason"),
        "STUDY": facts.get("study"),
        "FILE": facts.get("file"),
        "FOLDER": facts.get("folder"),
        "STATE": facts.get("state"),
        "TRIALS": trials.get("done"),
        "PLANNED": trials.get("planned"),
        "BEST_SCORE": best.get("score"),
        "BEST_TRIAL": best.get("trial"),
    }
    return {PREFIX + name: "" if value is None else str(value).replace("\0", "") for name, value in known.items()}


@contextmanager
def told_of_the_end(notice: Notice | None, requests: NightRequests, say: Callable[[str], None]) -> Generator[None]:
    """Run a study's command when the night in the block ends, however it ends; what ends it is raised on.

    A command that fails is a warning.

    Args:
        notice: the command; None: there is none.
        requests: what is asked of the night.
        say: takes a line for people.
    """
    if notice is None:
        yield
        return
    try:
        yield
    except BaseException as end:
        is_stop = isinstance(end, KeyboardInterrupt)
        reason = "" if is_stop else first_line(end) if isinstance(end, Exception) else type(end).__name__
        reason = "a worker ended with an error" if hasattr(end, "exit_code") else reason
        _tell(notice, "stopped" if is_stop else "failed", reason, say, quick=is_stop)
        raise
    _tell(notice, "stopped" if _is_stop_asked(requests) else "finished", "", say, quick=False)


def _is_stop_asked(requests: NightRequests) -> bool:
    with suppress(StudyError):  # a database that does not answer
        return "stop" in requests.asked()
    return False


def _tell(notice: Notice, result: NightResult, reason: str, say: Callable[[str], None], *, quick: bool) -> None:
    (study,) = WatchedStudies([notice.file]).look()
    facts = {"result": result, "reason": without_secrets(reason)[:LONGEST_REASON], **as_json(study)}
    if why := notice.send(facts, limit_s=LONGEST_QUICK_S if quick else LONGEST_S):
        say(f"warning: the command of [study] notify did not do well ({why})")
