"""The normal numbers of ``torch.randn`` on the CPU, the same bits on every processor.

torch makes them of uniform numbers from its Mersenne twister, which are the same everywhere, by the method of Box and
Muller, with logarithms, sines and cosines that depend on the processor and on the release. Here these are
``engine.arithmetic.elementary``'s, rounded where torch rounds. They differ from torch's by less than ``CLOSE``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.arithmetic.elementary import cos_sin, log

CLOSE = 5e-7
"""How far a number may lie from torch's on a processor with AVX2, before both are rounded to the dtype."""
_GROUP = 16  # numbers are made together: of the first half of uniform ones come the radii, of the second the angles
_TURN = torch.tensor(2 * math.pi, dtype=torch.float32)
_PIECE = 1 << 16  # elements that are computed at a time


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A place in the stream.

    Attributes:
        state: of torch's generator.
        spare: the second number of a pair of which only the first was taken.
    """

    state: Tensor
    spare: float | None = None


class NormalStream:
    """Normal numbers one tensor after the other, as a ``torch.Generator`` on the CPU gives them to ``torch.randn``."""

    def __init__(self, start: int | Place) -> None:
        """Begin with a seed, or go on from a place."""
        self._generator = torch.Generator()
        self._spare: float | None = None
        if isinstance(start, Place):
            self._generator.set_state(start.state)
            self._spare = start.spare
        else:
            self._generator.manual_seed(start)

    @property
    def place(self) -> Place:
        """Where the stream is."""
        return Place(state=self._generator.get_state(), spare=self._spare)

    def draw(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """The next numbers: computed in float32, or float64 where they are fewer than sixteen, rounded to ``dtype``."""
        count = math.prod(shape)
        if count < _GROUP:
            numbers = torch.tensor([self._single() for _ in range(count)], dtype=torch.float64)
            return numbers.float().to(dtype).reshape(shape)
        whole = count - count % _GROUP
        uniform = self._uniform(_drawn(count, dtype))
        found = torch.empty(count, dtype=dtype)
        for start in range(0, whole, _PIECE):
            piece = slice(start, min(start + _PIECE, whole))
            found[piece] = _normal(uniform[piece])
        if whole < count:  # the last sixteen are drawn again
            found[-_GROUP:] = _normal(self._uniform(_GROUP))
        return found.reshape(shape)

    def skip(self, shape: tuple[int, ...], dtype: torch.dtype) -> None:
        """Go on as if numbers had been drawn."""
        count = math.prod(shape)
        if count < _GROUP:
            self.draw(shape, dtype)
        else:
            self._uniform(_drawn(count, dtype) + (_GROUP if count % _GROUP else 0))

    def _uniform(self, count: int, dtype: torch.dtype = torch.float32) -> Tensor:
        return torch.rand(count, dtype=dtype, generator=self._generator)

    def _single(self) -> float:
        """One number in float64; every second one is what the draw before left."""
        if self._spare is not None:
            found, self._spare = self._spare, None
            return found
        angle, distance = self._uniform(2, torch.float64).unsqueeze(-1)
        radius = (log(1 - distance) * -2).sqrt()
        cos, sin = cos_sin(angle * (2 * math.pi))
        self._spare = float(radius * sin)
        return float(radius * cos)


def _drawn(count: int, dtype: torch.dtype) -> int:
    """How many uniform numbers torch draws before it comes to the last sixteen."""
    return count if dtype == torch.float32 else count - count % _GROUP


def _normal(uniform: Tensor) -> Tensor:
    """Of a multiple of sixteen uniform numbers: logarithm, root, angle, sine, cosine and product, each in float32."""
    pairs = uniform.reshape(-1, 2, _GROUP // 2)
    radius = (log((1 - pairs[:, 0]).double()).float() * -2).sqrt()
    cos, sin = cos_sin((pairs[:, 1] * _TURN).double())
    return torch.stack((radius * cos.float(), radius * sin.float()), dim=1).reshape(-1)
