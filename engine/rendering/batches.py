"""Work done in pieces that fit into memory."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

from engine.errors import RenderError
from engine.footprint.machine import main_memory_errors

MOST_SHOTS = 32
"""The most shots rendered at once, on any device: more are not faster and cost memory."""
CPU_PIXELS = 2**20
"""The most pixels of all shots rendered at once on a CPU, which shares its memory with everything else."""


def most_at_once(pixels: int, device: torch.device) -> int:
    """Return how many shots of so many pixels each may be tried at once; a GPU's limit shows when memory runs out."""
    return max(1, CPU_PIXELS // pixels) if device.type == "cpu" else MOST_SHOTS


MakeRoom = Callable[[], bool]
"""``make_room()``: gives up memory that something else takes; returns whether there was any to give up."""


def no_room() -> bool:
    """Give up nothing."""
    return False


def in_pieces(numbers: list[int], most: int, work: Callable[[list[int]], None], make_room: MakeRoom = no_room) -> int:
    """Do the work on even pieces of at most ``most`` numbers; halve the pieces whenever memory runs out.

    Args:
        numbers: All numbers.
        most: How many numbers a piece may have, at least 1.
        work: Done for each piece; again, in smaller pieces, where it ran out of memory.
        make_room: Called when memory runs out on a piece of one; if it gave up some, pieces may be large again.

    Returns:
        The most that may be tried next time: ``most``, or what fitted after halving.

    Raises:
        RenderError: Memory runs out on a piece of one, and there is no more to give up.
    """
    left, limit = numbers, most
    while left:
        count = math.ceil(len(left) / math.ceil(len(left) / limit))
        failure = _memory_failure(left[:count], work)
        if failure is None:
            left = left[count:]
        elif count > 1:
            limit = count // 2
        elif make_room():
            limit = most
        else:
            raise RenderError(
                "the device has too little memory for a single picture",
                remedy="render smaller pictures, choose precision "
                '"fp16", close other programs that use the device, or render on the CPU',
            ) from failure
        if failure is not None and torch.cuda.is_available():
            torch.cuda.empty_cache()
    return limit


def _memory_failure(piece: list[int], work: Callable[[list[int]], None]) -> BaseException | None:
    """Do the work; return why there was too little memory, without the frames that hold the failed call's tensors."""
    try:
        with main_memory_errors():
            work(piece)
    except (torch.OutOfMemoryError, MemoryError) as error:  # on a GPU, and in main memory
        return error.with_traceback(None)
    return None
