"""Classifier-free guidance: the conditionings of each UNet call, and one prediction for each shot from its outputs.

As in AUTOMATIC1111's WebUI, every part of a composed prompt moves the prediction away from the negative's, by its
weight times the guidance scale: ``negative + sum(weight * cfg * (part - negative))``. Conditionings of one length go
through the UNet in one batch, those of other lengths in calls of their own; none is padded to the length of another
shot's, so that a picture does not depend on the batch it is rendered in.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from engine.prompts.conditioner import Conditioner, ConditioningRequest, Timeline
from engine.prompts.parts import negative_text, prompt_parts
from engine.shots.options import PictureOptions
from engine.shots.samplers import SAMPLERS
from engine.shots.shot import Shot

Predict = Callable[[Tensor, Tensor, Tensor | None], Tensor]
"""``predict(shots, contexts, pooled)``: the UNet's output ``(rows, 4, h, w)`` float32 for the numbers of shots
``(rows,)``, contexts ``(rows, tokens, width)`` and pooled texts ``(rows, width)``, None for models without."""

CFGPP = "DDIM CFG++"
"""The sampler that goes to the guided latent along the noise of the negative."""
CFGPP_RANGE = 12.5
"""The CFG scale that is 1 for this sampler: a guided prediction lies between the negative's and the prompt's."""


def calls_of(sampler: str, steps: int) -> int:
    """Return over how many UNet calls a schedule runs: with two calls a step, the WebUI counts both."""
    return steps * 2 if SAMPLERS[sampler].two_calls else steps


def is_guided(shot: Shot) -> bool:
    """Return whether the negative prompt has any effect on a shot."""
    scales = [part.weight * shot.cfg for part in prompt_parts(shot.prompt)]
    return scales != [1] or shot.sampler == CFGPP


def scale_of(shot: Shot) -> float:
    """Return how far a shot's prediction moves from its negative's: its CFG scale, with DDIM CFG++ a part of that."""
    return shot.cfg * (1 / CFGPP_RANGE) if shot.sampler == CFGPP else shot.cfg


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


class Guidance:
    """The guidance of some shots, of which all or none are guided; made for one run through their steps.

    ``base_calls``: in a second pass, over how many calls the schedules of the first ran.
    """

    def __init__(
        self, shots: Sequence[Shot], conditioner: Conditioner, device: torch.device, *, base_calls: int | None = None
    ) -> None:
        self._guided, self._both = is_guided(shots[0]), shots[0].sampler == CFGPP
        self._rows, layers = _rows_and_layers(shots, conditioner, guided=self._guided, base_calls=base_calls)
        self._layers = [_Layer.of(self._rows, layer, device) for layer in layers]
        self._all = _Batches(self._rows, range(len(self._rows)), device)
        self._prompts = _Batches(self._rows, range(len(shots), len(self._rows)), device) if self._guided else self._all
        self._shots = len(shots)
        self._skip = _Skip(options=shots[0].options, calls=calls_of(shots[0].sampler, shots[0].steps))

    def noise(self, call: int, predict: Predict, place: float = math.inf) -> Tensor:
        """Return the guided prediction ``(shots, 4, h, w)`` of a UNet call, counted from 0.

        For DDIM CFG++ it is two, ``(2, shots, 4, h, w)``: the guided one and the negative's.

        Args:
            call: The call's number.
            predict: Asks the UNet.
            place: The noise level; of samplers with levels of their own the time, as in the WebUI.
        """
        if self._guided and self._skip.at(call, place):
            return self._without_negatives(call, predict)
        answers = self._all.answers(call, predict)
        without = answers[: self._shots]
        if not self._guided:
            return without
        noise = without.clone()
        for layer in self._layers:
            noise[layer.shots] += (answers[layer.rows] - without[layer.shots]) * layer.scales
        return torch.stack((noise, without)) if self._both else noise

    def _without_negatives(self, call: int, predict: Predict) -> Tensor:
        """The prediction without guidance: the first part of a prompt takes the place of the negative."""
        answers = self._prompts.answers(call, predict)
        first = answers[self._layers[0].rows - self._shots]
        noise = first.clone()
        for layer in self._layers:
            noise[layer.shots] += (answers[layer.rows - self._shots] - first[layer.shots]) * layer.weights
        return torch.stack((noise, first)) if self._both else noise


@dataclass(frozen=True, slots=True, kw_only=True)
class _Skip:
    """Which calls of the UNet are made without the negatives."""

    options: PictureOptions
    calls: int

    def at(self, call: int, place: float) -> bool:
        """Whether a call is, by its number and its noise level or time."""
        options = self.options
        if options.skip_early_cfg and call / self.calls <= options.skip_early_cfg:
            return True
        return place < options.ngms and bool(call % 2 or options.ngms_all)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layer:
    """At most one part of every shot's prompt; layers are added in order, so that sums always round the same."""

    shots: Tensor
    rows: Tensor
    scales: Tensor
    weights: Tensor

    @classmethod
    def of(cls, rows: Sequence[ConditioningRow], numbers: Sequence[int], device: torch.device) -> _Layer:
        """Return the layer of the rows with these numbers, its tensors on the device."""
        scales = torch.tensor([rows[number].scale for number in numbers], device=device)
        weights = torch.tensor([rows[number].weight for number in numbers], device=device)
        return cls(
            shots=torch.tensor([rows[number].shot for number in numbers], device=device),
            rows=torch.tensor(list(numbers), device=device),
            scales=scales[:, None, None, None],
            weights=weights[:, None, None, None],
        )


class _Batches:
    """Some of the rows, in batches of one length."""

    def __init__(self, rows: Sequence[ConditioningRow], numbers: Sequence[int], device: torch.device) -> None:
        self._batches = [_Batch(rows, group, device) for group in _by_length(rows, numbers)]
        order = [number for batch in self._batches for number in batch.numbers]
        self._sorted = torch.tensor(order, device=device).argsort()

    def answers(self, call: int, predict: Predict) -> Tensor:
        """The UNet's outputs ``(rows, 4, h, w)`` for the rows in their order."""
        return torch.cat([predict(batch.shots, *batch.conditioning(call)) for batch in self._batches])[self._sorted]


class _Batch:
    """Rows of one length, which go through the UNet in one batch."""

    def __init__(self, rows: Sequence[ConditioningRow], numbers: Sequence[int], device: torch.device) -> None:
        self.numbers = numbers
        self.shots = torch.tensor([rows[number].shot for number in numbers], device=device)
        self._rows = [rows[number] for number in numbers]
        self._state: tuple[int, ...] = ()
        self._current: tuple[Tensor, Tensor | None] | None = None

    def conditioning(self, call: int) -> tuple[Tensor, Tensor | None]:
        """Contexts and pooled texts of the rows, kept until a schedule moves on."""
        state = tuple(row.timeline.number_at(call) for row in self._rows)
        if self._current is None or state != self._state:
            numbered = list(zip(self._rows, state, strict=True))
            pooled = [value for row, number in numbered if (value := row.pooled(number)) is not None]
            contexts = torch.stack([row.context(number) for row, number in numbered])
            self._state, self._current = state, (contexts, torch.stack(pooled) if pooled else None)
        return self._current


def _rows_and_layers(
    shots: Sequence[Shot], conditioner: Conditioner, *, guided: bool, base_calls: int | None
) -> tuple[list[ConditioningRow], list[list[int]]]:
    """All rows, the negatives' first, and the others' numbers by their position in their prompt."""

    def request(text: str, shot: Shot) -> ConditioningRequest:
        calls = calls_of(shot.sampler, shot.steps)
        return ConditioningRequest(
            text=text,
            clip_skip=shot.clip_skip,
            calls=calls,
            base_calls=base_calls,
            emphasis=shot.options.emphasis,
            old_timelines=shot.compatibility.old_timelines,
        )

    composed = [prompt_parts(shot.prompt) for shot in shots]
    negatives = [request(negative_text(shot.negative), shot) for shot in shots] if guided else []
    positives = [request(part.text, shot) for shot, parts in zip(shots, composed, strict=True) for part in parts]
    timelines = iter(conditioner.timelines([*negatives, *positives]))
    rows = [_negative_row(number, next(timelines), one.text) for number, one in enumerate(negatives)]
    layers: list[list[int]] = [[] for _ in range(max(map(len, composed)))]
    for number, (shot, parts) in enumerate(zip(shots, composed, strict=True)):
        own = [next(timelines) for _ in parts]
        tokens = max(timeline.tokens for timeline in own)
        if guided and shot.compatibility.padded_negatives:
            rows[number] = replace(rows[number], tokens=tokens)
        for layer, part, timeline in zip(layers, parts, own, strict=False):
            layer.append(len(rows))
            scale = part.weight * scale_of(shot)
            row = ConditioningRow(shot=number, timeline=timeline, tokens=tokens, scale=scale, weight=part.weight)
            rows.append(row)
    return rows, layers


def _negative_row(shot: int, timeline: Timeline, text: str) -> ConditioningRow:
    zeroed = timeline.pooled is not None and not text
    return ConditioningRow(shot=shot, timeline=timeline, tokens=timeline.tokens, zeroed=zeroed)


def _by_length(rows: Sequence[ConditioningRow], numbers: Sequence[int]) -> list[list[int]]:
    """Numbers of rows by their length."""
    groups: dict[int, list[int]] = {}
    for number in numbers:
        groups.setdefault(rows[number].tokens, []).append(number)
    return list(groups.values())
