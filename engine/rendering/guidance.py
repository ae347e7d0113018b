"""Classifier-free guidance: the conditionings of each UNet call, and one prediction for each shot from its outputs.

As in AUTOMATIC1111's WebUI, every part of a composed prompt moves the prediction away from the negative's, by its
weight times the guidance scale: ``negative + sum(weight * cfg * (part - negative))``. No conditioning is filled up with
tokens that the UNet sees, so that a picture does not depend on the batch it is rendered in.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from engine.prompts.conditioner import Conditioner, ConditioningRequest, Timeline
from engine.prompts.parts import negative_text, prompt_parts
from engine.rendering.conditioning_rows import ConditioningRow, Packing, Predict, RowBatches
from engine.rendering.transfer import numbers_on
from engine.shots.options import PictureOptions
from engine.shots.samplers import SAMPLERS
from engine.shots.shot import Shot

SEPARATE = Packing()
"""Batches of one length each, without hidden tokens."""
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


class Guidance:
    """The guidance of some shots, of which all or none are guided; it may be used for several runs through their steps.

    Args:
        shots: The shots.
        conditioner: Encodes their prompts.
        device: Where the UNet lives.
        base_calls: In a second pass, over how many calls the schedules of the first ran.
        packing: How rows of several lengths go through the UNet.
    """

    def __init__(
        self,
        shots: Sequence[Shot],
        conditioner: Conditioner,
        device: torch.device,
        *,
        base_calls: int | None = None,
        packing: Packing = SEPARATE,
    ) -> None:
        self._guided, self._both = is_guided(shots[0]), shots[0].sampler == CFGPP
        rows, layers = _rows_and_layers(shots, conditioner, guided=self._guided, base_calls=base_calls)
        first = len(shots) if self._guided else 0
        self._layers = [_Layer.of(rows, layer, device, first) for layer in layers]
        self._all = RowBatches(rows, range(len(rows)), device, packing)
        self._prompts = RowBatches(rows, range(first, len(rows)), device, packing) if self._guided else self._all
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
            noise[layer.shots] += (answers[self._shots :][layer.rows] - without[layer.shots]) * layer.scales
        return torch.stack((noise, without)) if self._both else noise

    def _without_negatives(self, call: int, predict: Predict) -> Tensor:
        """The prediction without guidance: the first part of a prompt takes the place of the negative."""
        answers = self._prompts.answers(call, predict)
        first = answers[self._layers[0].rows]
        noise = first.clone()
        for layer in self._layers:
            noise[layer.shots] += (answers[layer.rows] - first[layer.shots]) * layer.weights
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
    """At most one part of every shot's prompt; layers are added in order, so that sums always round the same.

    Attributes:
        shots: The numbers of the shots.
        rows: The numbers of the rows among those of prompts.
        scales: How far each part moves its shot's prediction, ``(rows, 1, 1, 1)``.
        weights: The same without the guidance scale.
    """

    shots: Tensor | slice
    rows: Tensor | slice
    scales: Tensor
    weights: Tensor

    @classmethod
    def of(cls, rows: Sequence[ConditioningRow], numbers: Sequence[int], device: torch.device, first: int) -> _Layer:
        """Return the layer of the rows with these numbers; ``first`` is the number of the first prompt's row."""
        scales = numbers_on(device, [float(rows[number].scale) for number in numbers])
        weights = numbers_on(device, [float(rows[number].weight) for number in numbers])
        return cls(
            shots=_places([rows[number].shot for number in numbers], device),
            rows=_places([number - first for number in numbers], device),
            scales=scales[:, None, None, None],
            weights=weights[:, None, None, None],
        )


def _places(numbers: Sequence[int], device: torch.device) -> Tensor | slice:
    """An index of these places: a slice where they follow each other, which needs no copy."""
    start, end = numbers[0], numbers[-1] + 1
    return slice(start, end) if list(numbers) == list(range(start, end)) else numbers_on(device, numbers)


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
