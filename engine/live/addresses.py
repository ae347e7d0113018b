"""Whether the parameters of a live model still lie where the live buffers are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from operator import getitem, is_
from typing import Any

from torch import Tensor, nn

Place = tuple[nn.Module, str]
"""A module and the name of one of its parameters."""


class Addresses:
    """The parameters as they were bound, and where they lie.

    Asked before every build, so it takes a fraction of a millisecond for all parameters of a model: modules are looked
    up once, and the comparisons run without Python code for each.

    Args:
        places: the parameters of every key.
    """

    def __init__(self, places: Mapping[str, Iterable[Place]]) -> None:
        bound = [(key, module, leaf) for key, found in places.items() for module, leaf in found]
        self._keys = [key for key, _, _ in bound]
        self._names = [leaf for _, _, leaf in bound]
        self._owners: list[dict[str, Any]] = [vars(module)["_parameters"] for _, module, _ in bound]
        self._parameters = list(map(getitem, self._owners, self._names))
        self._addresses = list(map(Tensor.data_ptr, self._parameters))

    def note(self, keys: Iterable[str]) -> None:
        """Take what keys have now as right: they were bound anew."""
        chosen = set(keys)
        for number, key in enumerate(self._keys):
            if key in chosen:
                self._parameters[number] = self._owners[number][self._names[number]]
                self._addresses[number] = self._parameters[number].data_ptr()

    def moved(self) -> list[str]:
        """Return the keys of the parameters that were replaced, cast or moved since."""
        now = list(map(getitem, self._owners, self._names))
        same = all(map(is_, now, self._parameters))
        if same and list(map(Tensor.data_ptr, self._parameters)) == self._addresses:
            return []
        return [
            key for key, parameter, address in zip(self._keys, now, self._addresses, strict=True)
            if parameter.data_ptr() != address
        ]  # fmt: skip
