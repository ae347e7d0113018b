"""Where memory comes from: the device's, and main memory that a GPU can copy from by itself.

Everything that a live model and its parents take is allocated here, so that running out shows in one place and a test
can set a limit.
"""

from __future__ import annotations

import logging
import mmap
import weakref
from typing import Any

import torch
from torch import Tensor

from engine.footprint.machine import available_ram, total_memory

log = logging.getLogger(__name__)

OUT_OF_MEMORY = (torch.OutOfMemoryError, MemoryError)
"""What is raised where memory runs out: on a GPU, and in main memory."""
_PORTABLE = 1  # cudaHostRegisterPortable: pinned for every GPU


class Memory:
    """The memory of one device and of the machine around it.

    Attributes:
        device: whose.
        separate: whether the device has memory of its own, apart from the machine's.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.separate = device.type != "cpu"
        self._pins = device.type == "cuda"

    def on_device(self, elements: int, dtype: torch.dtype) -> Tensor:
        """Return a flat tensor on the device, with unknown content.

        Raises:
            torch.OutOfMemoryError: the GPU has too little memory.
            MemoryError: the device is a CPU, and the machine has too little.
        """
        if self.device.type == "cpu":
            return self._plain(elements, dtype)
        return torch.empty(elements, dtype=dtype, device=self.device)

    def on_host(self, elements: int, dtype: torch.dtype) -> Tensor:
        """Return a flat tensor in main memory, with unknown content; pinned where the device is a GPU.

        Where pinning is refused it is plain memory, which is copied from more slowly.

        Raises:
            MemoryError: the machine has too little memory.
        """
        if self.device.type == "cpu":
            return self._plain(elements, dtype)
        size = elements * dtype.itemsize
        self._check_main_memory(size)
        try:
            block = mmap.mmap(-1, max(size, 1))  # torch's own pinned memory comes in powers of two
        except OSError as error:
            raise MemoryError(f"{size} bytes of main memory") from error
        tensor = torch.frombuffer(block, dtype=dtype, count=elements)
        if self._pins:
            self._pins = _pin(block, tensor, self.device)
        return tensor

    def free_on_device(self) -> int:
        """Return the bytes that can still be allocated on the device, what torch holds ready among them.

        A limit that torch was given for this process counts.
        """
        if self.device.type != "cuda":
            return self.free_on_host()
        free, total = torch.cuda.mem_get_info(self.device)
        allocated = torch.cuda.memory_allocated(self.device)
        left = int(free) + torch.cuda.memory_reserved(self.device) - allocated
        if share := getattr(torch.cuda, "get_per_process_memory_fraction", None):  # not in the oldest torch
            left = min(left, int(share(self.device) * total) - allocated)
        return left

    def total_on_device(self) -> int:
        """Return the bytes that the device has, used or free."""
        return total_memory(self.device)

    def free_on_host(self) -> int:
        """Return the bytes of main memory that can be had without swapping, within this process's container."""
        return available_ram()

    def give_back(self) -> None:
        """Let others have what torch holds ready on the device."""
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def _plain(self, elements: int, dtype: torch.dtype) -> Tensor:
        self._check_main_memory(elements * dtype.itemsize)
        try:
            return torch.empty(elements, dtype=dtype)
        except RuntimeError as error:  # torch has no kind of its own for it on a CPU
            raise MemoryError(f"{elements * dtype.itemsize} bytes of main memory") from error

    def _check_main_memory(self, size: int) -> None:
        """Systems promise more than they have, and end the process later; so what there is is asked first."""
        if size > (free := self.free_on_host()):
            raise MemoryError(f"{size} bytes of main memory, and {free} are free")


def _pin(block: mmap.mmap, tensor: Tensor, device: torch.device) -> bool:
    """Pin a block for as long as it lives; whether that worked."""
    runtime: Any = torch.cuda.cudart()
    address, size = tensor.data_ptr(), tensor.numel() * tensor.element_size()
    refused = int(runtime.cudaHostRegister(address, size, _PORTABLE))
    if refused:
        log.warning("main memory cannot be pinned (CUDA error %d): copying to the GPU takes longer", refused)
        _drop_last_error(device)
        return False
    weakref.finalize(block, runtime.cudaHostUnregister, address).atexit = False  # before its memory goes
    return True


def _drop_last_error(device: torch.device) -> None:
    """CUDA remembers a refusal until it is asked, and torch would raise it at the next kernel, whatever that is."""
    try:
        torch.zeros(1, device=device).add_(1)
        torch.cuda.synchronize(device)
    except RuntimeError:
        log.debug("the refusal was reported once more and is dropped")
