"""Devices by the names that people write: what "auto", "cuda:1" and the others mean, and whether they are there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from engine.errors import EngineError

if TYPE_CHECKING:
    import torch

DEVICE_NAMES = "auto, cpu, cuda or cuda:0, cuda:1, ..."
"""The names a device can be given by, for messages."""
_NAME = re.compile(r"auto|cpu|cuda(?::(\d+))?")


def is_device_name(name: str) -> bool:
    """Return whether a name can be one of a device, here or on another machine."""
    return _NAME.fullmatch(name) is not None


def device_of(name: str) -> torch.device:
    """Return the torch device of a name on this machine.

    Args:
        name: "cpu"; "cuda" for torch's current GPU; "cuda:1" for the GPU of that number, from 0; or "auto": a GPU where
            torch can use one, else the CPU.

    Raises:
        EngineError: The name is none of a device, or torch sees no such GPU here.
    """
    known = _NAME.fullmatch(name)
    if known is None:
        raise EngineError("unknown device", seen=name, remedy=f"choose {DEVICE_NAMES}")
    import torch

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    count = torch.cuda.device_count() if name != "cpu" else 0
    if name != "cpu" and int(known[1] or 0) >= count:
        raise EngineError(f"torch sees {count} CUDA devices here", seen=name, remedy=_instead(count))
    return torch.device(name)


def worker_devices(name: str, workers: int) -> list[str]:
    """Return the name of a device for each of several workers: all GPUs in turn, unless the name says which one.

    Args:
        name: As ``device_of``; "auto" and "cuda" are all GPUs.
        workers: How many.
    """
    import torch

    count = torch.cuda.device_count() if name in {"auto", "cuda"} else 0
    return [f"cuda:{number % count}" if count else name for number in range(workers)]


def _instead(count: int) -> str:
    if not count:
        return "choose auto or cpu, or install a torch build for your GPU"
    return f"choose auto, cpu or cuda:0{f' to cuda:{count - 1}' if count > 1 else ''}"
