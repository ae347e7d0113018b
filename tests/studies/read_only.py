"""Folders that cannot be written, for tests: also for the superuser, who may write whatever the modes of files say."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

_VERSION = 0x20080522
"""Third version of the kernel's interface of capabilities, with two words for each set."""
_OVERRIDES = 1 << 1 | 1 << 2
"""`CAP_DAC_OVERRIDE` and `CAP_DAC_READ_SEARCH`: the rights to pass over the modes of files."""


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Data(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


@contextmanager
def _bound_by_modes() -> Generator[None]:
    """Let this thread, and those that it starts, keep to the modes of files, even for the superuser."""
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        yield
        return
    libc, header, sets = ctypes.CDLL(None, use_errno=True), _Header(_VERSION, 0), (_Data * 2)()
    assert libc.capget(ctypes.byref(header), sets) == 0
    before = sets[0].effective
    sets[0].effective &= ~_OVERRIDES
    assert libc.capset(ctypes.byref(header), sets) == 0
    try:
        yield
    finally:
        sets[0].effective = before
        assert libc.capset(ctypes.byref(header), sets) == 0


@contextmanager
def read_only(folder: Path) -> Generator[None]:
    """Take from everything in a folder, and from the folder, the right to be written; skip where that means nothing."""
    every = [folder, *folder.rglob("*")]
    modes = {path: path.stat().st_mode for path in every}
    for path in every:
        path.chmod(modes[path] & ~0o222)
    try:
        with _bound_by_modes():
            try:
                (folder / "written").touch()
            except PermissionError:
                yield
            else:
                pytest.skip("this system lets everything be written")
    finally:
        for path, mode in modes.items():
            path.chmod(mode)
