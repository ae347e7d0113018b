"""Models that have a tensor in common: where B's VAE is A's, it does not matter whose a tool keeps."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING

from engine.exports.ratio_tools.fitting.merge_forms import Weights

if TYPE_CHECKING:
    from engine.checkpoints.checkpoint import Checkpoint


class EqualTensors:
    """Knows which models have equal tensors; each is read once, and only where it is asked for.

    Args:
        checkpoints: by name.
    """

    def __init__(self, checkpoints: Mapping[str, Checkpoint]) -> None:
        self._checkpoints = checkpoints
        self._first: dict[str, Mapping[str, str]] = {}

    def joined(self, key: str, weights: Weights) -> Weights:
        """Return weights in which models with an equal tensor count as the first of them."""
        if key not in self._first:
            self._first[key] = self._first_of_equals(key)
        found: dict[str, float] = defaultdict(float)
        for name, weight in weights.items():
            found[self._first[key].get(name, name)] += weight
        return found

    def _first_of_equals(self, key: str) -> Mapping[str, str]:
        import torch

        found: dict[str, str] = {}
        for name, checkpoint in self._checkpoints.items():
            if key not in checkpoint.shapes:
                continue
            tensor = checkpoint.read(key).double()  # a file of another dtype may hold the same numbers
            firsts = dict.fromkeys(found.values())
            equals = (other for other in firsts if torch.equal(tensor, self._checkpoints[other].read(key).double()))
            found[name] = next(equals, name)
        return found
