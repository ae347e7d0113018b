"""Waiting for a server that does not answer: again and again, at longer and longer intervals, as long as allowed.

A server that is started again, or a network that is cut for a minute, costs that minute and nothing else. Whatever is
tried again must bear being done twice: the answer may be what was lost.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from typing import TypeVar

from engine.errors import Named
from studies.store.backends.backend import OutageError

log = logging.getLogger(__name__)

FIRST_S, LONGEST_S = 0.2, 5.0
"""Seconds between the first two tries, and the most between any two."""
READING_S, WORKING_S = 5.0, 3600.0
"""Seconds for which a command that looks waits for a server, and a worker."""
HURRIED_S = 10.0
"""Seconds for which a process that ends still waits."""
Result = TypeVar("Result")


class Allowance:
    """How long one process waits for any server.

    Attributes:
        limit_s: seconds.
    """

    def __init__(self, limit_s: float = READING_S) -> None:
        """Allow as long as a command that looks may wait."""
        self.limit_s = limit_s

    def hurry(self) -> None:
        """Wait only a little from now on: the process ends."""
        self.limit_s = min(self.limit_s, HURRIED_S)


class Patience:
    """Does what needs a server, and waits where it does not answer."""

    def __init__(
        self,
        server: str,
        errors: tuple[type[Exception], ...],
        is_outage: Callable[[Exception], bool],
        allowance: Allowance,
    ) -> None:
        """Wait as long as allowed.

        Args:
            server: its name for people.
            errors: what its library raises.
            is_outage: whether one of them says that the server cannot answer now.
            allowance: of this process; may change meanwhile.
        """
        self._server = server
        self._errors = errors
        self._is_outage = is_outage
        self._allowance = allowance
        self._answered_again = -math.inf

    def call(self, action: Callable[[], Result]) -> Result:
        """Do something, again where the server does not answer.

        Raises:
            OutageError: it did not answer for too long.
            Exception: what the action raises besides.
        """
        began, pause = None, FIRST_S
        while True:
            try:
                result = action()
            except self._errors as error:
                if not self._is_outage(error):
                    raise
                now = time.monotonic()
                began = self._noted(error) if began is None else began
                if now - began >= self._allowance.limit_s:
                    raise self._outage(error) from error
                time.sleep(pause)
                pause = min(2 * pause, LONGEST_S)
                continue
            if began is not None:
                self._answered_again = time.monotonic()
                log.warning("%s answers again", self._server)
            return result

    def _noted(self, error: Exception) -> float:
        log.warning("%s does not answer (%s); waiting for it", self._server, first_line(error))
        return time.monotonic()

    def _outage(self, error: Exception) -> OutageError:
        return OutageError(
            f"does not answer ({first_line(error)})",
            place=(Named(self._server),),
            remedy="see whether it runs and can be reached; every finished trial is kept, so run the command again",
        )

    @property
    def calm_s(self) -> float:
        """Seconds since the server began to answer again; infinite where it always did."""
        return time.monotonic() - self._answered_again


def first_line(error: BaseException) -> str:
    """Return what went wrong, by the library that noticed it, in one line and without the statement."""
    while error.__cause__ is not None:
        error = error.__cause__
    origin = getattr(error, "orig", None) or error
    return (str(origin).strip().splitlines() or [type(origin).__name__])[0]
