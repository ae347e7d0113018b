"""What is written beside the rendering: one job after another, in a thread of its own."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

log = logging.getLogger(__name__)


class Writer:
    """Does jobs in the order in which they came; after one that failed, none of the others is done.

    So what a job writes is complete when the next one begins, and a failure leaves a state that a kill at that moment
    would have left. Whoever gives the jobs is told of the failure: by `settle` and `submit`.
    """

    def __init__(self, around: Callable[[Callable[[], None]], None] = lambda job: job()) -> None:
        """Start no thread yet; the first job does. ``around`` does a job, and may do one that failed again."""
        self._around = around
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="writer")
        self._last: Future[None] | None = None
        self._failure: BaseException | None = None
        self._is_raised = False

    def submit(self, job: Callable[[], None]) -> None:
        """Have a job done after those that came before, and go on meanwhile.

        Raises:
            BaseException: what an earlier job raised.
        """
        self._raise_failure()
        self._last = self._thread.submit(self._do, job)

    def _do(self, job: Callable[[], None]) -> None:
        if self._failure is None:
            try:
                self._around(job)
            except BaseException as failure:  # noqa: BLE001 - raised where `settle` is called
                self._failure = failure

    def settle(self) -> None:
        """Wait until every job is done.

        Raises:
            BaseException: what one of them raised.
        """
        if self._last is not None:
            self._last.result()
        self._raise_failure()

    def _raise_failure(self) -> None:
        if self._failure is not None:
            self._is_raised = True
            raise self._failure

    def finish(self) -> None:
        """Take no more jobs and wait until every one is done, on the way out of a night that something else has ended.

        A failure that was not raised yet is a warning then: what it kept from being written is made again.
        """
        self._thread.shutdown()
        if self._failure is not None and not self._is_raised:
            self._is_raised = True
            log.warning("the last trial could not be written (%s) and is made again", self._failure)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        """Wait for all jobs; where the block ended well, failures are raised."""
        try:
            self.finish() if kind else self.settle()
        finally:
            self._thread.shutdown()
