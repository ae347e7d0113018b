"""A device of limited memory, simulated on the CPU: tensors are counted, and one too many does not fit."""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class DeviceMemory(TorchDispatchMode):
    """Within, every new tensor counts until it is freed; an operator whose result does not fit is out of memory.

    Host memory of the engine, which torch does not allocate, does not count.

    Args:
        most: Bytes that fit.
        resident: Tensors that lie there from the start, until they are freed.

    Attributes:
        used: Bytes now.
        peak: The most bytes so far.
        refusals: How often memory ran out.
    """

    def __init__(self, most: float = float("inf"), resident: Iterable[Tensor] = ()) -> None:
        super().__init__()
        self.most, self.used, self.peak, self.refusals = most, 0, 0, 0
        self._known: dict[int, Any] = {}
        for tensor in resident:
            self._count(tensor.untyped_storage())

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = {id(one.untyped_storage()) for one in tree_leaves((args, kwargs)) if isinstance(one, Tensor)}
        result = func(*args, **(kwargs or {}))
        storages = [one.untyped_storage() for one in tree_leaves(result) if isinstance(one, Tensor)]
        new = {id(one): one for one in storages if id(one) not in given and id(one) not in self._known}
        size = sum(one.nbytes() for one in new.values())
        if size and self.used + size > self.most:
            self.refusals += 1
            raise torch.OutOfMemoryError(f"{size} bytes more than {self.used} do not fit into {self.most}")
        for one in new.values():
            self._count(one)
        return result

    def _count(self, storage: Any) -> None:
        number, size = id(storage), storage.nbytes()

        def free(_: object) -> None:
            self.used -= size
            self._known.pop(number, None)

        self._known[number] = weakref.ref(storage, free)
        self.used += size
        self.peak = max(self.peak, self.used)
