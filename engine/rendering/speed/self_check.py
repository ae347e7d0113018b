"""Compiled and recorded calls, compared with plain ones: that they compute the same, with the weights that are there.

The first call with new shapes is made both ways. After the next build the first of these calls is repeated both ways:
code that kept the old weights gives the old output, while the plain call's has moved.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.rendering.speed.unet_inputs import Signature, UnetInputs

TOLERANCES = {torch.float32: 1e-4, torch.float16: 1e-2, torch.bfloat16: 5e-2}
"""How far outputs may be apart, root mean square, as a part of the plain output's: some ten times the rounding of the
type, summed over the layers of a UNet."""
CLEAR_CHANGE = 4.0
"""How many times further than rounding a build has to move the output, so that old weights would be noticed."""

OneCall = Callable[[UnetInputs], Tensor]
"""``call(inputs)``: the UNet's output."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Probe:
    """The first call: its inputs, the plain output, how far the fast one was from it."""

    inputs: UnetInputs
    output: Tensor
    distance: float


class SelfCheck:
    """Checks fast calls against plain ones, for as long as there is something to check.

    Attributes:
        proven: Whether fast calls were seen to follow a change of the weights.
    """

    def __init__(self) -> None:
        self.proven = False
        self._seen: set[Signature] = set()
        self._probe: _Probe | None = None
        self._changed = False

    def weights_changed(self) -> None:
        """Say that the UNet's weights have changed."""
        self._changed = True

    def problem(self, inputs: UnetInputs, plain: OneCall, fast: OneCall) -> str:
        """Return what is wrong with fast calls, before such a call is made; empty where nothing is known to be."""
        if self._changed and self._probe is not None:
            self._changed = False
            if problem := self._after_a_build(self._probe, plain, fast):
                return problem
        return "" if inputs.signature in self._seen else self._with_new_shapes(inputs, plain, fast)

    def _with_new_shapes(self, inputs: UnetInputs, plain: OneCall, fast: OneCall) -> str:
        expected = plain(inputs)
        distance = relative_distance(fast(inputs), expected)
        self._seen.add(inputs.signature)
        if self._probe is None and not self.proven:
            self._probe, self._changed = _Probe(inputs=inputs, output=expected, distance=distance), False
        return _too_far(distance, expected.dtype)

    def _after_a_build(self, probe: _Probe, plain: OneCall, fast: OneCall) -> str:
        """Compare again, where the build moved the output so far that old weights would show."""
        expected = plain(probe.inputs)
        change = relative_distance(expected, probe.output)
        if change <= CLEAR_CHANGE * probe.distance:
            return ""
        distance = relative_distance(fast(probe.inputs), expected)
        if not distance <= change / 2:
            return (
                f"after a build that moves its output by {change:.2g} of it, it is {distance:.2g} away from the plain "
                "one: it does not see the new weights"
            )
        self.proven, self._probe = True, None
        return _too_far(distance, expected.dtype)


def relative_distance(found: Tensor, expected: Tensor) -> float:
    """Return how far two tensors are apart, root mean square, as a part of the second's root mean square."""
    apart = (found.float() - expected.float()).square().mean().sqrt()
    return float(apart / expected.float().square().mean().sqrt().clamp(min=torch.finfo(torch.float32).tiny))


def _too_far(distance: float, dtype: torch.dtype) -> str:
    allowed = TOLERANCES[dtype]
    if distance <= allowed:  # also false for NaN
        return ""
    return f"its output is {distance:.2g} of it away from the plain one's, and {allowed:g} is allowed"
