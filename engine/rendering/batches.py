"""Work done in pieces that fit into memory."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

from engine.errors import RenderError

MOST_SHOTS = 32
"""The most shots rendered at once, on any device: more are not faster and cost memory."""
CPU_PIXELS = 2**20
"""The most pixels of all shots rendered at once on a CPU, which shares its memory with everything else."""


def most_at_once(pixels: int, device: torch.device) -> int:
    """Return how many shots of so many pixels each may be tried at once; a GPU's limit shows when memory runs out."""
    return max(1, CPU_PIXELS // pixels) if device.type == "cpu" else MOST_SHOTS


def in_pieces(numbers: list[int], most: int, work: Callable[[list[int]], None]) -> int:
    """Do the work on even pieces of at most ``most`` numbers; halve the pieces whenever memory runs out.

    Args:
        numbers: All numbers.
        most: How many numbers a piece may have, at least 1.
        work: Done for each piece; again, in smaller pieces, where it ran out of memory.

    Returns:
        The most that may be tried next time: ``most``, or what fitted after halving.

    Raises:
        RenderError: Memory runs out on a piece of one.
    """
    left = numbers
    while left:
        count = math.ceil(len(left) / math.ceil(len(left) / most))
        if _fits(left[:count], work):
            left = left[count:]
        else:
            most = count // 2
    return most


def _fits(piece: list[int], work: Callable[[list[int]], None]) -> bool:
    try:
        work(piece)
    except torch.OutOfMemoryError as error:
        if len(piece) == 1:
            raise RenderError(
                "the device has too little memory for a single picture",
                remedy="render smaller pictures, choose precision "
                '"fp16", close other programs that use the device, or render on the CPU',
            ) from error
    else:
        return True
    if torch.cuda.is_available():  # outside the handler, where the failed call's tensors are free again
        torch.cuda.empty_cache()
    return False
