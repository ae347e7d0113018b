"""Memory for large pictures that goes back to the system as soon as it is free.

glibc keeps freed blocks of up to 32 MB for later. Pictures leave it many of unlike sizes that suit no later request, so
that a process grows by some megabytes with each: 500 pictures of a megapixel took 1.4 GB.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Generator
from contextlib import contextmanager

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of mallopt, in malloc.h
_LARGE = 1 << 20
_MOST = 32 << 20


@contextmanager
def returned_at_once() -> Generator[None]:
    """Within the block, memory of a megabyte and more goes back to the system when it is freed, where that is glibc's.

    Afterwards the limits are those that glibc's own rise to in a process that uses large blocks.
    """
    set_option = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if set_option is None:
        yield
        return
    set_option(_MMAP_THRESHOLD, _LARGE)
    try:
        yield
    finally:
        set_option(_MMAP_THRESHOLD, _MOST)
        set_option(_TRIM_THRESHOLD, 2 * _MOST)
