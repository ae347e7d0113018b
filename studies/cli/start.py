"""Where the command begins: before everything is imported, Ctrl+C is one sentence too, and no traceback."""

from __future__ import annotations

import os
import signal

STOPPED = 130
"""That of `studies.cli.command`, which takes a while to be imported."""
NOT_BEGUN = "\nstopped before it began; nothing was changed\n"
"""What is said then."""


def start() -> None:
    """Import the command line and run it."""
    before = signal.getsignal(signal.SIGINT)
    if before is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end)
    from studies.cli.main import main
    from studies.limits.signals import resend_lost_signals

    resend_lost_signals()
    signal.signal(signal.SIGINT, before)
    main()


def _end(*_: object) -> None:
    """End at once: nothing is to be cleared up, and a library may take an interrupt of its import for an error."""
    os.write(2, NOT_BEGUN.encode())
    os._exit(STOPPED)


if __name__ == "__main__":
    start()
