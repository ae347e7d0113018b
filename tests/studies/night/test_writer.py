"""What is written beside the rendering: in order, whole, and with its failures told."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

import pytest

from studies.night.writer import Writer


def test_jobs_are_done_one_after_another_beside_their_giver() -> None:
    done, going_on = list[int](), threading.Event()

    def job(number: int) -> Callable[[], None]:
        def do() -> None:
            assert going_on.wait(10)
            assert len(done) == number
            done.append(threading.get_ident())

        return do

    with Writer() as writer:
        for number in range(20):
            writer.submit(job(number))
        assert not done
        going_on.set()
        writer.settle()
        assert len(done) == 20
    assert set(done) != {threading.get_ident()}


def test_after_a_failure_nothing_is_done_and_whoever_goes_on_is_told() -> None:
    done = list[str]()

    def fail() -> None:
        full.wait(10)
        raise OSError(28, "No space left on device")

    writer, full = Writer(), threading.Event()
    writer.submit(lambda: done.append("before"))
    writer.submit(fail)
    writer.submit(lambda: done.append("given before the failure"))
    full.set()
    for go_on in (writer.settle, lambda: writer.submit(lambda: done.append("after")), writer.settle):
        with pytest.raises(OSError, match="No space"):
            go_on()
    writer.finish()
    assert done == ["before"]


def test_a_failure_that_nobody_asked_for_is_raised_at_the_end() -> None:
    with pytest.raises(OSError, match="it"), Writer() as writer:
        writer.submit(lambda: (_ for _ in ()).throw(OSError("it")))


def test_another_end_waits_for_the_writer_and_is_not_replaced_by_its_failure(caplog: pytest.LogCaptureFixture) -> None:
    begun, done = threading.Event(), list[str]()

    def slow() -> None:
        begun.wait(10)
        done.append("slow")
        raise OSError("the disk")

    def interrupted() -> None:
        with Writer() as writer:
            writer.submit(slow)
            threading.Timer(0.05, begun.set).start()
            raise KeyboardInterrupt

    with caplog.at_level(logging.WARNING), pytest.raises(KeyboardInterrupt):
        interrupted()
    assert done == ["slow"]
    assert "could not be written (the disk)" in caplog.text
