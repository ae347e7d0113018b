"""A device with memory of its own, and as little as a test likes, on the CPU."""

from __future__ import annotations

import weakref

import torch
from torch import Tensor

from engine.live.allocation import Memory

PLENTY = 1 << 40


class LimitedMemory(Memory):
    """Counts what is allocated and not yet freed, and refuses what is beyond a limit.

    Attributes:
        device_limit, host_limit: bytes.
        on: bytes taken now, by "device" and "host".
        peak: the most taken so far.
    """

    def __init__(self, *, device: int = PLENTY, host: int = PLENTY) -> None:
        super().__init__(torch.device("cpu"))
        self.separate = True
        self.device_limit, self.host_limit = device, host
        self.on = {"device": 0, "host": 0}
        self.peak = dict(self.on)

    def on_device(self, elements: int, dtype: torch.dtype) -> Tensor:
        """Real memory, counted as the device's."""
        if elements * dtype.itemsize > self.free_on_device():
            raise torch.OutOfMemoryError("simulated")
        return self._counted("device", elements, dtype)

    def on_host(self, elements: int, dtype: torch.dtype) -> Tensor:
        """Real memory, counted as the machine's."""
        if elements * dtype.itemsize > self.free_on_host():
            raise MemoryError("simulated")
        return self._counted("host", elements, dtype)

    def free_on_device(self) -> int:
        """What the limit leaves."""
        return self.device_limit - self.on["device"]

    def free_on_host(self) -> int:
        """What the limit leaves."""
        return self.host_limit - self.on["host"]

    def _counted(self, where: str, elements: int, dtype: torch.dtype) -> Tensor:
        size = elements * dtype.itemsize
        self.on[where] += size
        self.peak[where] = max(self.peak[where], self.on[where])
        tensor = torch.empty(elements, dtype=dtype)
        weakref.finalize(tensor.untyped_storage(), self._freed, where, size)
        return tensor

    def _freed(self, where: str, size: int) -> None:
        self.on[where] -= size
