"""Where the tensors of a run come from: files, or what an earlier run made."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Tensor

from engine.architecture.widths import Shape


class TensorSource(Protocol):
    """The tensors of a model by LDM key, in the order of its file."""

    @property
    def shapes(self) -> Mapping[str, Shape]:
        """Key to shape."""
        ...

    def read(self, key: str) -> Tensor:
        """A tensor on the CPU, in its own dtype; its memory may be used again ``SCRATCH_TURNS`` tensors later."""
        ...


class SavedAsHalf:
    """What is read back when SuperMerger has saved a model with "fp16": floats with "model" in their name are fp16."""

    def __init__(self, source: TensorSource) -> None:
        self._source = source

    @property
    def shapes(self) -> Mapping[str, Shape]:
        """Those of the source."""
        return self._source.shapes

    def read(self, key: str) -> Tensor:
        """The tensor of the source, rounded."""
        return half(key, self._source.read(key))


def half(key: str, tensor: Tensor) -> Tensor:
    """A tensor as SuperMerger saves it with "fp16"."""
    return tensor.half() if is_weight(key, tensor) else tensor


def is_weight(key: str, tensor: Tensor) -> bool:
    """Whether a tensor is saved in the dtype that was asked for: floats with "model" in their name."""
    return tensor.is_floating_point() and "model" in key


def as_shape(tensor: Tensor, shape: Shape) -> Tensor:
    """A tensor in another shape that is the same but for trailing ones."""
    return tensor if tuple(tensor.shape) == shape else tensor.reshape(shape)


SCRATCH_TURNS = 5


class Scratch:
    """Memory for results that is used again and again: fresh memory for each costs more than the arithmetic.

    Pieces take turns, ``SCRATCH_TURNS`` of them, so that tensors can be written out while the next ones are made.
    """

    def __init__(self) -> None:
        self._pieces = deque([torch.empty(0, dtype=torch.uint8)] * SCRATCH_TURNS)

    def like(self, shape: Shape, dtype: torch.dtype) -> Tensor:
        """A tensor with unknown content; it is lost when ``SCRATCH_TURNS`` more have been asked for."""
        size = torch.Size(shape).numel() * dtype.itemsize
        self._pieces.rotate()
        if size > self._pieces[0].numel():
            self._pieces[0] = torch.empty(size, dtype=torch.uint8)
        return self._pieces[0][:size].view(dtype).view(shape)
