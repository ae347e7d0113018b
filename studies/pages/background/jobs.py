"""Long work that a page begins: an approval, which reads the models whole, and an export; one at a time for a study."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from engine.errors import ProblemError

log = logging.getLogger(__name__)

JobKind = Literal["approve", "export"]
"""What a job does."""
JobStep = Literal["begin", "read", "write"]
"""What it is at: nothing yet; reading the models; writing a file."""
JobState = Literal["running", "done", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One piece of work, as it stands."""

    kind: JobKind
    subject: str
    """What it is about: "finalist 1", "pin 2"."""
    state: JobState = "running"
    step: JobStep = "begin"
    done: int = 0
    """Bytes of the step."""
    total: int = 0
    """Bytes of the step in all; 0 while they are not known."""
    results: tuple[str, ...] = ()
    """What came of it, a line each."""
    problems: tuple[str, ...] = ()
    """Why it failed, for people."""


class JobReport:
    """What a job's work is given: it says through it how far it is."""

    def __init__(self, jobs: JobList, key: str) -> None:
        """``key`` is the study's."""
        self._jobs = jobs
        self._key = key

    def step(self, step: JobStep) -> Callable[[int, int], None]:
        """Return what is called with (bytes done, bytes in all) during a step."""

        def report(done: int, total: int) -> None:
            self._jobs.change(self._key, step=step, done=done, total=total)

        return report


JobWork = Callable[[JobReport], tuple[str, ...]]
"""The work itself; what it returns is shown, a line each."""


class JobList:
    """The jobs of a server: the newest of each study."""

    def __init__(self) -> None:
        """Nothing was begun yet."""
        self._lock = threading.Lock()
        self._jobs: dict[str, Job] = {}

    def job(self, key: str) -> Job | None:
        """Return a study's newest job."""
        with self._lock:
            return self._jobs.get(key)

    def start(self, key: str, job: Job, work: JobWork, *, is_wanted: Callable[[], bool]) -> bool:
        """Begin a job in a thread of its own.

        Args:
            key: of the study.
            job: what is shown of it.
            work: done in the thread.
            is_wanted: asked once no other job of the study runs and none can begin: whether there is anything to do.

        Returns:
            Whether it began: not where another one of the study runs, or where it is not wanted.
        """
        with self._lock:
            running = self._jobs.get(key)
            if (running is not None and running.state == "running") or not is_wanted():
                return False
            self._jobs[key] = job
        threading.Thread(target=self._run, args=(key, work), daemon=True).start()
        return True

    def _run(self, key: str, work: JobWork) -> None:
        ending = {"state": "failed", "problems": ("it ended in a way that nobody foresaw; the terminal says more",)}
        try:
            ending = {"state": "done", "results": work(JobReport(self, key))}
        except ProblemError as error:
            ending = {"state": "failed", "problems": tuple(map(str, error.problems))}
        except OSError as error:
            ending = {"state": "failed", "problems": (f"{error.filename or 'a file'}: {error.strerror or error}",)}
        finally:
            self.change(key, **ending)

    def change(self, key: str, **fields: object) -> None:
        """Set fields of a study's job."""
        with self._lock:
            self._jobs[key] = replace(self._jobs[key], **fields)  # pyright: ignore[reportArgumentType] - by name
