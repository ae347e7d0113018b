"""Seconds on a device, with what it still has to do counted in."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch


def median_seconds(work: Callable[[int], object], device: torch.device, repeats: int = 9) -> float:
    """Return the median of ``repeats`` calls, after two to warm up; the call's number is its argument."""
    times: list[float] = []
    for number in range(repeats + 2):
        wait(device)
        began = time.perf_counter()
        work(number)
        wait(device)
        times.append(time.perf_counter() - began)
    return sorted(times[2:])[repeats // 2]


def wait(device: torch.device) -> None:
    """Wait until the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def peak_gb(device: torch.device, *, restart: bool = False) -> float:
    """Return the most memory that torch had of the device, in 10^9 bytes; 0 on a CPU.

    Args:
        device: Of which the peak is asked.
        restart: Count anew from what torch has now, once it gave back what nothing uses; and return that.
    """
    if device.type != "cuda":
        return 0.0
    if restart:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
    return torch.cuda.max_memory_reserved(device) / 1e9
