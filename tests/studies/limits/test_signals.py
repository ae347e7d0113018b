"""Handlers of signals that change at the very moment a signal comes."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

CHANGES = """
import signal, sys, threading, time
from studies.limits.signals import resend_lost_signals

threading.Thread(target=threading.Event().wait, daemon=True).start()
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])  # the other thread gets them, as OpenMP's threads do
{before}
print("begun", flush=True)
end = time.monotonic() + 1
while time.monotonic() < end:
    signal.signal(signal.SIGINT, lambda *_: None)
    for _ in range(10):
        pass
    signal.signal(signal.SIGINT, signal.SIG_IGN)
"""


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="this system cannot block signals by thread")
def test_a_signal_while_its_handler_changes_is_no_traceback() -> None:
    assert "race condition" not in printed("resend_lost_signals()")


def printed(before: str) -> str:
    """What a program prints as errors that takes its handler away again and again while signals come."""
    with subprocess.Popen(
        [sys.executable, "-c", CHANGES.format(before=before)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "begun\n"
        end = time.monotonic() + 0.9
        while program.poll() is None and time.monotonic() < end:
            for _ in range(10):
                program.send_signal(signal.SIGINT)
            time.sleep(1e-5)
        errors = program.communicate(timeout=60)[1]
    assert program.returncode == 0, errors
    return errors
