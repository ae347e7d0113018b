"""Numbers to compare a faster way with the plain chain of steps, bit by bit."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

KINDS: dict[torch.dtype, int] = {torch.float16: 0, torch.bfloat16: 1, torch.float32: 2}
"""The numbers by which compiled code knows the dtypes."""
_COUNT = 4099  # odd, so that there is a part after the last whole vector
_SHARES = (0.7, 0.3, -0.15, 0.25)


def numbers(seed: int) -> Tensor:
    """Numbers of both signs and of magnitudes from 2**-53 to 2**17: float16 rounds some to 0, some to infinity.

    They are made of whole numbers, so they are the same on every processor.
    """
    generator = torch.Generator().manual_seed(seed)
    whole = torch.randint(-(1 << 23), 1 << 23, (_COUNT,), generator=generator).float()
    return whole * torch.exp2(torch.randint(-53, -5, (_COUNT,), generator=generator).float())


def weights(count: int) -> tuple[tuple[float, ...], ...]:
    """Weights for so many terms: some that sum to 1, and some that do not."""
    first = tuple(_SHARES[number % len(_SHARES)] for number in range(count))
    return first, (0.6, *first[1:])


def same_bits(found: Tensor, expected: Tensor) -> bool:
    """Whether two tensors of one dtype are the same bits; those of a NaN (infinity less infinity) may be any."""
    return torch.equal(_bits(found), _bits(expected))


def _bits(tensor: Tensor) -> Tensor:
    plain = tensor.nan_to_num(nan=0.5, posinf=torch.inf, neginf=-torch.inf)
    return plain.view(torch.int32 if tensor.dtype == torch.float32 else torch.int16)


def patterns(count: int) -> Sequence[tuple[int, ...]]:
    """All combinations of so many dtypes, by their numbers."""
    return [tuple(number // 3**place % 3 for place in range(count)) for number in range(3**count)]
