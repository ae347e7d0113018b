"""One side of an encoder, pictures or texts: weights that may wait in main memory, work that a full device cannot stop.

On a GPU, weights that wait lie in pinned memory, from where they come back at the full speed of the bus: 1.2 GB (the
picture side of ViT-L in float32) are 0.05 s over PCIe 4 x16 by count; that was not measured on a GPU. Leaving costs
nothing after the first time, because weights never change.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import Tensor

from engine.errors import Named
from scorers.errors import ScorerError, ScorerWarning

Result = TypeVar("Result")

HOST = "cpu"
"""The kind of device that is the machine itself: weights never leave it, for there is nowhere else."""


class Side:
    """The weights of one side of an encoder, and how much of its work fits on the device at once.

    Attributes:
        device: where its work is done; main memory's own once nothing fits on the device.
        rows: the most pictures or texts at once; less than at first where the device was too full for them.
    """

    def __init__(self, name: str, tensors: Iterable[Tensor], device: torch.device, rows: int) -> None:
        """Take charge of weights.

        Args:
            name: of the encoder and the side, for messages.
            tensors: its parameters and buffers, in main memory.
            device: where its work is to be done; they go there when they are fetched.
            rows: the most pictures or texts at once.
        """
        self.device, self.rows = device, rows
        self._name, self._tensors = name, tuple(tensors)
        self._leaves = device.type != HOST
        self._is_there = not self._leaves
        self._waiting: list[Tensor] | None = None

    @property
    def size(self) -> int:
        """Bytes of the weights."""
        return sum(tensor.nbytes for tensor in self._tensors)

    def fetch(self) -> None:
        """Bring the weights to the device, if they are not there.

        Raises:
            torch.OutOfMemoryError: they do not fit; they stay in main memory.
        """
        if self._is_there:
            return
        with _ordinary_tensors():
            moved = [tensor.data.to(self.device, non_blocking=True, copy=True) for tensor in self._tensors]
        self._point_to(moved)
        self._is_there = True

    def park(self) -> int:
        """Have the weights wait in main memory; return the bytes that the device has more, 0 if they lay there."""
        if not (self._leaves and self._is_there):
            return 0
        if self._waiting is None:
            with _ordinary_tensors():
                self._waiting = [_in_main_memory(tensor.data) for tensor in self._tensors]
        self._point_to(self._waiting)
        self._is_there = False
        give_back()
        return self.size

    def run(self, count: int, work: Callable[[int], Result], make_room: Callable[[], int]) -> Result:
        """Do work on the device; where its memory runs out, with less of it each time.

        First with smaller batches, which is remembered, then with whatever ``make_room`` frees, then in main memory.

        Args:
            count: of pictures or texts.
            work: called with the most rows at once; again from the start when memory ran out.
            make_room: frees memory of the device, and returns how many bytes.

        Raises:
            ScorerError: nothing of that is enough.
        """
        while True:
            if attempted(self.fetch):
                if done := attempted(lambda: work(self.rows)):
                    return done[0]
                if (tried := min(self.rows, count)) > 1:
                    self.rows = tried // 2
                    continue
            if not make_room() and not self._leave():
                raise ScorerError(
                    "the device has too little memory for a single one",
                    place=(Named(self._name),),
                    remedy="close other programs that use the device, or take a smaller encoder",
                )

    def _leave(self) -> bool:
        """Do the work in main memory from now on; False if it was done there already."""
        if not self._leaves:
            return False
        self.park()
        self.device, self._leaves, self._is_there = torch.device("cpu"), False, True
        warnings.warn(
            f"{self._name}: does not fit on the device, and runs on the CPU from now on, which takes longer",
            ScorerWarning,
            stacklevel=4,
        )
        return True

    def _point_to(self, data: Iterable[Tensor]) -> None:
        for tensor, its in zip(self._tensors, data, strict=True):
            tensor.data = its


def attempted(work: Callable[[], Result]) -> tuple[Result, ...]:
    """Return what some work returns, as a row of one; an empty row where memory ran out, and is free again."""
    try:
        return (work(),)
    except torch.OutOfMemoryError:
        pass
    give_back()  # outside the handler, where the failed call's tensors are free again
    return ()


def give_back() -> None:
    """Let others have what torch holds ready on the device."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _in_main_memory(tensor: Tensor) -> Tensor:
    """A copy in main memory, pinned where it is to go back to a GPU and the system has memory to pin."""
    if tensor.is_cuda:
        try:
            return torch.empty_like(tensor, device="cpu", pin_memory=True).copy_(tensor)
        except RuntimeError:  # not pinned, it comes back more slowly
            pass
    return tensor.to("cpu", copy=True)


@contextmanager
def _ordinary_tensors() -> Generator[None]:
    """Tensors made here are ordinary ones, which may be used outside inference mode too."""
    with torch.inference_mode(mode=False), torch.no_grad():
        yield
