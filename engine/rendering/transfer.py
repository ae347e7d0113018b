"""Copies from the CPU to the device that nobody waits for."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def sent(tensor: Tensor, device: torch.device) -> Tensor:
    """Return a tensor of the CPU on a device.

    To a GPU it goes from pinned memory, so that the program goes on while it is copied and while the GPU computes what
    it was given before; from other memory the copy would wait for all of that.
    """
    if device.type == "cpu":
        return tensor
    return tensor.pin_memory().to(device, non_blocking=True)


def numbers_on(device: torch.device, numbers: Sequence[float] | Sequence[Sequence[float]]) -> Tensor:
    """Return numbers, or rows of them, on a device: int64 for whole numbers, float32 for others."""
    return sent(torch.tensor(numbers), device)
