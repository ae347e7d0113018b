"""Models that are dictionaries."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from engine.architecture.widths import Shape


class InMemory:
    """Tensors in a dictionary, as a source of a run."""

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        self._tensors = tensors
        self.shapes: dict[str, Shape] = {key: tuple(tensor.shape) for key, tensor in tensors.items()}

    def read(self, key: str) -> Tensor:
        """The tensor itself."""
        return self._tensors[key]
