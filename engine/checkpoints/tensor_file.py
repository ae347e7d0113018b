"""Reading parts of a file of tensors into memory that is there already.

Unlike a mapped file, a file that is read leaves no page in the memory of the process: what was read once lies where it
was read to and nowhere else, and what is read from the disk every time takes the memory of one piece.
"""

from __future__ import annotations

import os
import weakref
from functools import cached_property
from io import FileIO
from pathlib import Path

import torch
from torch import Tensor

from engine.errors import CheckpointError
from engine.files import readable

Stamp = tuple[int, int]
"""Size in bytes and time of the last change, in nanoseconds: what shows that a file was changed."""


class TensorFile:
    """A file that stays open, so that it can be read as long as it is needed, also after it was deleted or renamed.

    Args:
        path: of the file, whose header was read and checked.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def hold(self) -> None:
        """Open the file, if it is not open yet.

        Raises:
            CheckpointError: it cannot be opened.
        """
        _ = self._opened

    def read(self, place: int, out: Tensor) -> None:
        """Fill a tensor with the bytes of the file from a place on.

        Args:
            place: in bytes, from the beginning of the file.
            out: flat and contiguous, on the CPU.

        Raises:
            CheckpointError: the file cannot be read, or was changed since it was read first.
        """
        file, stamp = self._opened
        left = out.view(torch.uint8).numpy().data
        try:
            file.seek(place)
            while left:
                count = file.readinto(left)
                if not count:
                    break
                left = left[count:]
            changed = bool(left) or _stamp(file) != stamp
        except OSError as error:
            raise self._unreadable(error) from error
        if changed:
            raise CheckpointError(
                "the file was changed while it was in use", place=(self._path,), remedy="start again with it as it is"
            )

    @cached_property
    def _opened(self) -> tuple[FileIO, Stamp]:
        try:
            file = readable(self._path).open("rb", buffering=0)
            weakref.finalize(self, file.close)
            return file, _stamp(file)
        except OSError as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: OSError) -> CheckpointError:
        return CheckpointError(
            f"cannot be read ({error.strerror})", place=(self._path,), remedy="check the path and the disk"
        )


def _stamp(file: FileIO) -> Stamp:
    status = os.fstat(file.fileno())
    return status.st_size, status.st_mtime_ns
