"""Weighted sums of tensors as a chain of elementwise steps: the definition, bit for bit, of what faster ways give.

Each step rounds to float32 on its own (``torch.lerp`` would fuse some, differently per processor), and the result is
rounded once. The sum starts from the term with the largest weight and adds what the others differ from it: equal models
stay equal.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

Term = tuple[Tensor, float]
"""A tensor and its weight."""

CPU_PIECE = 1 << 18
"""Elements of a piece for each thread of the CPU: so few that its scratch stays in a cache, so many that calls cost
little."""
GPU_PIECE = 1 << 24
"""Elements of a piece elsewhere."""


def base_first(terms: Sequence[Term]) -> list[Term]:
    """The terms in the order of the sum: the base with the sum of all weights, then the others.

    The base is the term with the largest weight, the last of equal ones. A sum of weights that is 1 but for rounding
    counts as 1, with which the base stays what it is.
    """
    place = max(range(len(terms)), key=lambda number: (abs(terms[number][1]), number))
    total = sum(weight for _, weight in terms)
    rest = [term for number, term in enumerate(terms) if number != place]
    return [(terms[place][0], 1.0 if abs(total - 1) < 1e-12 else total), *rest]


class PlainSums:
    """Writes weighted sums in pieces, with scratch memory of its own.

    Args:
        device: of all tensors.
        round_to: the dtype every result is rounded to, whatever dtype it is stored in.
    """

    def __init__(self, device: torch.device, round_to: torch.dtype) -> None:
        self._round_to = round_to
        self._piece = CPU_PIECE * torch.get_num_threads() if device.type == "cpu" else GPU_PIECE
        self._sum, self._base, self._part = (torch.empty(0, dtype=torch.float32, device=device) for _ in range(3))
        self._rounded = torch.empty(0, dtype=round_to, device=device)

    @property
    def scratch(self) -> int:
        """Bytes of the scratch memory."""
        held = (self._sum, self._base, self._part, self._rounded)
        return sum(tensor.numel() * tensor.element_size() for tensor in held)

    def write(self, terms: Sequence[Term], out: Tensor, shift: Tensor | None = None) -> None:
        """Write ``base * total + sum of weight * (tensor - base)``, exact where one term is all there is.

        Args:
            terms: flat and as long as ``out``, in the order of ``base_first``; none: the sum is 0.
            out: flat, of any dtype.
            shift: float32, added before the rounding.
        """
        self._make_room(min(self._piece, out.numel()), len(terms))
        for start in range(0, out.numel(), self._piece):
            end = min(start + self._piece, out.numel())
            value = self._value([(tensor[start:end], weight) for tensor, weight in terms], end - start)
            if shift is not None:
                value = torch.add(value, shift[start:end], out=self._sum[: end - start])
            self._round(value, out[start:end])

    def _make_room(self, count: int, terms: int) -> None:
        if self._sum.numel() < count:
            for scratch in (self._sum, self._base, self._rounded):
                scratch.resize_(count)
        if terms > 2 and self._part.numel() < count:
            self._part.resize_(count)

    def _value(self, terms: list[Term], count: int) -> Tensor:
        """The sum of one piece, float32: in scratch, or the base itself."""
        value = self._sum[:count]
        if not terms:
            return value.zero_()
        (tensor, total), *rest = terms
        base = tensor if tensor.dtype == torch.float32 else self._base[:count].copy_(tensor)
        for number, (other, weight) in enumerate(rest):
            part = self._difference(other, base, self._part[:count] if number else value).mul_(weight)
            if number:
                value.add_(part)
        last = base if total == 1 else torch.mul(base, total, out=self._base[:count])
        return value.add_(last) if rest else last

    def _difference(self, tensor: Tensor, base: Tensor, out: Tensor) -> Tensor:
        if tensor.dtype == torch.float32:
            return torch.sub(tensor, base, out=out)
        return out.copy_(tensor).sub_(base)

    def _round(self, value: Tensor, out: Tensor) -> None:
        """Into ``out``, over the dtype to round to where that is a third one."""
        if self._round_to in {out.dtype, torch.float32}:
            out.copy_(value)
        else:
            out.copy_(self._rounded[: value.numel()].copy_(value))
