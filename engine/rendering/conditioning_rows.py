"""The conditioning of UNet calls: rows of shots, in batches that go through the UNet together.

A row's context is as long as its prompt, in multiples of 77 tokens. Rows of one length are one batch as they are. Rows
of several lengths are batches of their own, or one batch in which the shorter contexts are filled up with tokens that a
mask hides: attention gives hidden tokens a weight of exactly 0, so that they change a prediction only by rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from engine.prompts.conditioner import Timeline
from engine.rendering.transfer import numbers_on

TOKEN_MULTIPLE = 16
"""Contexts with hidden tokens are as long as a multiple of this: kernels of attention are fast on such lengths."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditioning:
    """What the UNet reads of the prompts of a batch's rows.

    Attributes:
        contexts: ``(rows, tokens, width)``.
        pooled: The pooled texts ``(rows, width)``; None for models without.
        mask: ``(rows, tokens)``, 1 for tokens and 0 for hidden ones; None where none is hidden.
    """

    contexts: Tensor
    pooled: Tensor | None = None
    mask: Tensor | None = None


Predict = Callable[[Tensor, Conditioning], Tensor]
"""``predict(shots, conditioning)``: the UNet's output ``(rows, 4, h, w)`` float32 for the numbers of shots
``(rows,)`` and the conditioning of the rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Packing:
    """How rows of several lengths go through the UNet.

    Attributes:
        joined: Whether in one batch, filled up with hidden tokens; else each length is a batch of its own.
        aligned: Whether all contexts are filled up to a multiple of ``TOKEN_MULTIPLE``.
    """

    joined: bool = False
    aligned: bool = False

    @classmethod
    def on(cls, device: torch.device) -> Packing:
        """Return what is fastest on a device.

        A CPU computes as long for one batch as for two, and its attention is slow on odd lengths; a GPU is fast with
        large batches, and its attention is slower with a mask than without.
        """
        return cls(aligned=True) if device.type == "cpu" else cls(joined=True)

    def groups(self, rows: Sequence[ConditioningRow], numbers: Sequence[int]) -> list[list[int]]:
        """Return the numbers of rows in batches."""
        if self.joined:
            return [list(numbers)]
        groups: dict[int, list[int]] = {}
        for number in numbers:
            groups.setdefault(rows[number].tokens, []).append(number)
        return list(groups.values())

    def length(self, rows: Sequence[ConditioningRow]) -> int:
        """Return how many tokens the contexts of a batch have, with hidden ones."""
        longest = max(row.tokens for row in rows)
        uneven = any(row.tokens != longest for row in rows)
        return -(-longest // TOKEN_MULTIPLE) * TOKEN_MULTIPLE if uneven or self.aligned else longest


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditioningRow:
    """One conditioning of one shot: one row of a UNet batch.

    Attributes:
        shot: The shot's number.
        timeline: The conditioning over the calls.
        tokens: How many tokens the UNet gets; the last one is repeated to that number, and those beyond it are cut off.
        scale: How far the shot's prediction moves from its negative's towards this one's.
        weight: The part of it that its prompt says.
        zeroed: Whether it is all zeros, as the WebUI has it for an empty negative of a model with pooled texts.
    """

    shot: int
    timeline: Timeline
    tokens: int
    scale: float = 1.0
    weight: float = 1.0
    zeroed: bool = False

    def context(self, number: int) -> Tensor:
        """One of the timeline's contexts, ``(tokens, width)``."""
        context = self.timeline.contexts[number]
        filled = torch.cat((context[: self.tokens], context[-1:].expand(max(self.tokens - len(context), 0), -1)))
        return torch.zeros_like(filled) if self.zeroed else filled

    def pooled(self, number: int) -> Tensor | None:
        """One of the timeline's pooled texts, ``(width,)``."""
        if self.timeline.pooled is None:
            return None
        pooled = self.timeline.pooled[number]
        return torch.zeros_like(pooled) if self.zeroed else pooled


class RowBatches:
    """Some of the rows, in batches."""

    def __init__(
        self, rows: Sequence[ConditioningRow], numbers: Sequence[int], device: torch.device, packing: Packing
    ) -> None:
        self._batches = [_Batch(rows, group, device, packing) for group in packing.groups(rows, numbers)]
        order = [number - numbers[0] for batch in self._batches for number in batch.numbers]
        places = sorted(range(len(order)), key=order.__getitem__)
        self._sorted = None if places == order else numbers_on(device, places)

    def answers(self, call: int, predict: Predict) -> Tensor:
        """The UNet's outputs ``(rows, 4, h, w)`` for the rows in their order."""
        answers = [predict(batch.shots, batch.conditioning(call)) for batch in self._batches]
        joined = answers[0] if len(answers) == 1 else torch.cat(answers)
        return joined if self._sorted is None else joined[self._sorted]


class _Batch:
    """Rows that go through the UNet in one batch."""

    def __init__(
        self, rows: Sequence[ConditioningRow], numbers: Sequence[int], device: torch.device, packing: Packing
    ) -> None:
        self.numbers = numbers
        self.shots = numbers_on(device, [rows[number].shot for number in numbers])
        self._rows = [rows[number] for number in numbers]
        self._length = packing.length(self._rows)
        self._state: tuple[int, ...] = ()
        self._current: Conditioning | None = None

    def conditioning(self, call: int) -> Conditioning:
        """The conditioning of the rows, kept until a schedule moves on."""
        state = tuple(row.timeline.number_at(call) for row in self._rows)
        if self._current is None or state != self._state:
            self._state, self._current = state, self._conditioning(state)
        return self._current

    def _conditioning(self, state: Sequence[int]) -> Conditioning:
        numbered = list(zip(self._rows, state, strict=True))
        pooled = [value for row, number in numbered if (value := row.pooled(number)) is not None]
        contexts = [pad(row.context(number), (0, 0, 0, self._length - row.tokens)) for row, number in numbered]
        return Conditioning(
            contexts=torch.stack(contexts), pooled=torch.stack(pooled) if pooled else None, mask=self._mask(contexts[0])
        )

    def _mask(self, like: Tensor) -> Tensor | None:
        """1 for tokens and 0 for hidden ones, of a context's type; None where none is hidden."""
        if all(row.tokens == self._length for row in self._rows):
            return None
        places = torch.arange(self._length, device=like.device)
        ends = numbers_on(like.device, [row.tokens for row in self._rows])
        return (places < ends[:, None]).to(like.dtype)
