"""Logarithm, powers, sine and cosine in float64, the same bits on every processor.

Those of torch and of a C library round differently from one processor, and one release, to the next. These are made of
IEEE 754's additions, multiplications and divisions alone, each a call of its own, by the classic reductions and series.
They are off by at most two units in the last place of float64, so that in float32 they are the nearest number but where
the exact value lies that close to the middle of two.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

_MANTISSA, _BIAS = 52, 1023  # bits of float64, and what its exponents are stored with
_ROOT_HALF = 0x3FE6A09E667F3BCD
"""The bits of the root of 1/2."""
_LN2 = (0.693147180369123816490, 1.90821492927058770002e-10)
"""ln 2 in two parts; the first has so few digits that it times a whole number is exact."""
_QUARTER = (1.5707963267341256, 6.077100506506192e-11)
"""Half of pi, in two such parts."""
_ATANH = tuple(1 / (2 * k + 1) for k in range(12))
_EXP = tuple(1 / math.factorial(k) for k in range(15))
_COS = tuple((-1) ** k / math.factorial(2 * k) for k in range(10))
_SIN = tuple((-1) ** k / math.factorial(2 * k + 1) for k in range(10))
_SMALLEST, _LARGEST = -700.0, 700.0  # beyond these, exp leaves float64's normal numbers


def log(x: Tensor) -> Tensor:
    """The natural logarithm of positive normal numbers: ``ln(m * 2**e)`` with ``ln m = 2 atanh((m - 1) / (m + 1))``.

    Args:
        x: float64; NaN stays NaN.
    """
    bits = x.contiguous().view(torch.int64)
    exponent = (bits - _ROOT_HALF) >> _MANTISSA
    part = (bits - (exponent << _MANTISSA)).view(torch.float64)  # from the root of 1/2 to that of 2
    ratio, exponent = (part - 1) / (part + 1), exponent.double()
    found = ratio * 2 * _polynomial(ratio * ratio, _ATANH)
    return exponent * _LN2[0] + (exponent * _LN2[1] + found) + (x - x)


def exp(x: Tensor) -> Tensor:
    """``e ** x`` as ``2**n`` times a series for what is left of x; beyond -700 and 700 as there.

    Args:
        x: float64; NaN stays NaN.
    """
    inside = x.clamp(_SMALLEST, _LARGEST)
    count = (inside * (1 / _LN2[0])).round()
    left = (inside - count * _LN2[0]) - count * _LN2[1]
    power = ((count.nan_to_num().long() + _BIAS) << _MANTISSA).view(torch.float64)
    return _polynomial(left, _EXP) * power


def power(base: Tensor, exponent: float) -> Tensor:
    """``base ** exponent``, rounded to float32; 1 for the exponent 0.

    Args:
        base: float32, not negative.
        exponent: not negative.
    """
    if exponent == 0:
        return torch.ones_like(base)
    found = exp(log(base.double()) * exponent).float()
    return torch.where(base == 0, base, found)


def cos_sin(angle: Tensor) -> tuple[Tensor, Tensor]:
    """Cosine and sine of angles in radian, float64, from 0 to a few turns."""
    quarter = (angle * (1 / _QUARTER[0])).round()
    left = (angle - quarter * _QUARTER[0]) - quarter * _QUARTER[1]
    square, turn = left * left, (quarter.long() & 3).double()
    cos, sin = _polynomial(square, _COS), left * _polynomial(square, _SIN)
    across, up = (turn - 2).abs() - 1, 1 - (turn - 1).abs()  # cosine and sine of the quarters themselves: 0, 1 or -1
    return cos * across - sin * up, sin * across + cos * up


def _polynomial(x: Tensor, coefficients: tuple[float, ...]) -> Tensor:
    """By Horner's rule; the first coefficient is that of 1."""
    found = torch.full_like(x, coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        found.mul_(x).add_(coefficient)
    return found
