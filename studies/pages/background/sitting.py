"""The kept pictures of one study, opened for judging: on the processor, in a thread, closed when nobody judges.

Opening loads the encoders and takes a while. The night's device is left alone, and so is every lock that a night waits
for.
"""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from engine.errors import ProblemError

if TYPE_CHECKING:
    from studies.review.judging.picking import Picking
    from studies.studyfile.spec import StudySpec

IDLE_S = 600.0
"""Seconds after which pictures that nobody judges are closed."""


class Sitting:
    """One opening.

    Attributes:
        spec: of the study that was opened.
        picking: what was opened; None before, and after it was closed.
        problems: why it could not be opened, for people.
    """

    def __init__(self, spec: StudySpec, *, idle_s: float = IDLE_S) -> None:
        """Begin to open."""
        self.spec = spec
        self.picking: Picking | None = None
        self.problems: tuple[str, ...] = ()
        self._idle_s = idle_s
        self._used = time.monotonic()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def use(self) -> Picking | None:
        """Return what was opened, which stays open for now; None while it opens, and where that failed."""
        self._used = time.monotonic()
        return self.picking

    @property
    def has_ended(self) -> bool:
        """Whether it was closed, or could not be opened."""
        return not self._thread.is_alive()

    def close(self) -> None:
        """Let the thread close what it opened."""
        self._closing.set()

    def wait(self) -> None:
        """Wait until it was closed."""
        self._thread.join()

    def _run(self) -> None:
        from studies.inputs.trust import trusted_study  # both bring torch, which takes half a gigabyte
        from studies.review.judging.picking import opened_picking

        self.problems = ("the kept pictures could not be opened; the terminal says more",)
        try:
            on_processor = replace(self.spec, rendering=replace(self.spec.rendering, device="cpu"))
            with opened_picking(trusted_study(on_processor)) as picking:
                self.problems = ()
                self.picking = picking
                self._wait()
        except ProblemError as error:
            self.problems = tuple(map(str, error.problems))
        except OSError as error:
            self.problems = (f"{error.filename or 'a file'}: {error.strerror or error}",)
        finally:
            self.picking = None

    def _wait(self) -> None:
        """Until nobody used it for a while, or it is to be closed."""
        while (left := self._used + self._idle_s - time.monotonic()) > 0 and not self._closing.wait(left):
            pass
