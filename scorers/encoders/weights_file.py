"""A file of weights, read one weight at a time, so that memory holds little of it beside the weights themselves."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from scorers.catalogue.tensor_files import is_mapped, read_tensors
from scorers.encoders.layouts import Origin
from scorers.errors import ScorerError

PIECE = 1 << 26
"""Bytes after which a mapped file is opened anew: what was read of it stays in memory until it is closed."""


class WeightsFile:
    """The tensors of a file, each to be taken once.

    Attributes:
        path: the file.
        shapes: tensors of the shapes and number formats in the file, without numbers, by the file's names.
    """

    def __init__(self, path: Path) -> None:
        """Open the file.

        Raises:
            ScorerError: as ``read_tensors``.
        """
        self.path = path
        self._tensors = read_tensors(path)
        self._mapped, self._identity = is_mapped(path), _identity(path)
        self._taken = 0
        self.shapes = {name: _shape(tensor) for name, tensor in self._tensors.items()}

    def take(self, origin: Origin, dtype: torch.dtype = torch.float32) -> Tensor:
        """Return a copy of a weight, which stays as it is when the file is overwritten.

        Args:
            origin: where it is.
            dtype: the format of the copy, unless the weight is of integers.

        Raises:
            ScorerError: the file was replaced since it was opened.
        """
        size = sum(self.shapes[name].nbytes for name in origin.names)
        if self._mapped and self._taken + size > PIECE:
            self._open_anew()
        weight = origin.of(self._tensors)
        copy = weight.to(dtype if weight.is_floating_point() else weight.dtype, copy=True).contiguous()
        self._taken += size
        if not self._mapped:
            for name in origin.names:
                del self._tensors[name]
        return copy

    def _open_anew(self) -> None:
        self._tensors.clear()  # first, so that the file is closed
        if _identity(self.path) != self._identity:
            raise ScorerError("was replaced while it was read", place=(self.path,), remedy="start again")
        self._tensors, self._taken = read_tensors(self.path), 0


def _shape(tensor: Tensor) -> Tensor:
    return torch.empty(tensor.shape, dtype=tensor.dtype, device="meta")


def _identity(path: Path) -> tuple[int, int, int]:
    """What changes when a file is replaced or written to."""
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns
