"""The arithmetic of a row on flat tensors, bit for bit the same on every device and for every cut into pieces.

Each operation is its own elementwise step in float32 (``torch.lerp`` would fuse some, differently per device and per
alignment), and the result is rounded once to the export dtype. So a candidate in memory is exactly the exported file.
"""

from __future__ import annotations

import torch
from torch import Tensor

from engine.plan import Row

DTYPES: dict[str, torch.dtype] = {"fp16": torch.float16, "bf16": torch.bfloat16, "fp32": torch.float32}
CPU_PIECE = 1 << 17  # elements; the scratch of a piece stays in the cache of a core
GPU_PIECE = 1 << 24


def all_finite(tensor: Tensor) -> bool:
    """Whether no element is NaN or infinite; one pass, where ``isfinite().all()`` takes many."""
    if tensor.numel() == 0:
        return True
    low, high = tensor.aminmax()  # NaN anywhere makes both NaN
    return bool(low.isfinite() & high.isfinite())


class Arithmetic:
    """Evaluates rows on one device, with scratch memory of its own.

    Attributes:
        round_to: the dtype every result is rounded to, whatever dtype it is stored in.
    """

    def __init__(self, device: torch.device, round_to: torch.dtype) -> None:
        self.round_to = round_to
        self._piece = CPU_PIECE if device.type == "cpu" else GPU_PIECE
        self._sum = torch.empty(self._piece, dtype=torch.float32, device=device)
        self._other = torch.empty_like(self._sum)
        self._rounded = torch.empty(self._piece, dtype=round_to, device=device)

    @torch.no_grad()
    def evaluate(self, row: Row, first: Tensor, second: Tensor, out: Tensor) -> None:
        """Write ``scale * lerp(first, second, ratio) + shift`` into ``out``; all are flat and equally long."""
        for start in range(0, out.numel(), self._piece):
            end = min(start + self._piece, out.numel())
            value = self._lerp(row.ratio, first[start:end], second[start:end])
            if row.scale != 1:
                value.mul_(row.scale)
            if row.shift:
                value.add_(torch.tensor(row.shift[start:end], dtype=torch.float32, device=value.device))
            out[start:end].copy_(self._rounded[: end - start].copy_(value))

    def _lerp(self, ratio: float, first: Tensor, second: Tensor) -> Tensor:
        """Exact at both ends: a ratio of 0 is the first model, a ratio of 1 is the second, bit for bit."""
        value = self._sum[: first.numel()]
        if ratio in {0, 1}:
            return value.copy_(second if ratio else first)
        other = self._other[: first.numel()].copy_(first)
        value.copy_(second).sub_(other)
        if abs(ratio) < 0.5:
            return value.mul_(ratio).add_(other)
        return value.mul_(ratio - 1).add_(other.copy_(second))
