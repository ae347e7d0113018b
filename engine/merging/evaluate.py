"""The arithmetic of rows, bit for bit the same on every device and for every cut into pieces.

Each operation of a weighted sum is its own elementwise step in float32 (``torch.lerp`` would fuse some, differently per
processor), and the result is rounded once to the export dtype. So a candidate in memory is exactly the exported file.
The sum starts from the term with the largest weight and adds what the others differ from it: equal models stay equal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.architecture.widths import Shape
from engine.arithmetic.rounding import lerp_by
from engine.arithmetic.smoothing import smoothed
from engine.errors import RecipeError
from engine.merging.calculations import (
    CosineRange,
    Noise,
    cosine_range,
    cosine_share,
    extracted,
    noise_places,
    similarities,
    spliced,
    train_difference,
)
from engine.merging.folded import Prepass
from engine.merging.rows import Calculated, Row
from engine.merging.sources import as_shape

DTYPES: dict[str, torch.dtype] = {"fp16": torch.float16, "bf16": torch.bfloat16, "fp32": torch.float32}
CPU_PIECE = 1 << 17  # elements; the scratch of a piece stays in the cache of a core
GPU_PIECE = 1 << 24
_CPU = torch.device("cpu")

Read = Callable[[str], Tensor]
"""Gives the tensor of a model by the model's name, for one key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What pre-passes found out.

    Attributes:
        ranges: of the cosine modes, by run.
        noise: of plus random, by run and key.
    """

    ranges: Mapping[int, CosineRange]
    noise: Mapping[int, Mapping[str, Noise]]

    @classmethod
    def of_runs(cls, found: Mapping[int, Found]) -> Found:
        """What the pre-passes of several runs found out, by the number of each run."""
        return cls(
            ranges={number: one.ranges[0] for number, one in found.items() if one.ranges},
            noise={number: one.noise[0] for number, one in found.items() if one.noise},
        )


NOTHING = Found(ranges={}, noise={})


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
    def evaluate(self, row: Row, read: Read, out: Tensor) -> None:
        """Write a plain row, or one with a shift, into ``out``, rounded.

        Args:
            row: its terms are models.
            read: gives flat tensors as long as ``out``.
            out: flat.
        """
        terms = [(read(str(term)), weight) for term, weight in row.terms]
        for start in range(0, out.numel(), self._piece):
            end = min(start + self._piece, out.numel())
            value = self._sum[: end - start]
            self._weighted([(tensor[start:end], weight) for tensor, weight in terms], value)
            if row.shift:
                value.add_(torch.tensor(row.shift[start:end], dtype=torch.float32, device=value.device))
            out[start:end].copy_(self._rounded[: end - start].copy_(value))

    @torch.no_grad()
    def evaluate_key(self, key: str, row: Row, read: Read, shape: Shape, out: Tensor, found: Found = NOTHING) -> None:
        """Write any row into ``out``, rounded.

        Args:
            key: whose row it is.
            row: of any kind.
            read: gives tensors in the shape of their file.
            shape: of the result.
            out: flat.
            found: what pre-passes found out, where the row needs it.
        """
        if all(isinstance(term, str) for term, _ in row.terms):
            self.evaluate(row, lambda name: read(name).reshape(-1), out)
            return
        value = _Evaluation(key, read, shape, found, out.device).row(row)
        out.copy_(value.reshape(-1).to(self.round_to))

    def _weighted(self, terms: list[tuple[Tensor, float]], value: Tensor) -> None:
        """Into ``value``: ``total * base + sum of weight * (tensor - base)``, exact where one term is all there is."""
        if not terms:
            value.zero_()
            return
        base, total, rest = _parted(terms)
        other = self._other[: value.numel()]
        for number, (tensor, weight) in enumerate(rest):
            part = other if number else value
            part.copy_(tensor).sub_(base.float()).mul_(weight)
            if number:
                value.add_(part)
        last = other if rest else value
        last.copy_(base)
        if total != 1:
            last.mul_(total)
        if rest:
            value.add_(last)


def _parted(terms: list[tuple[Tensor, float]]) -> tuple[Tensor, float, list[tuple[Tensor, float]]]:
    """The tensor with the largest weight (the last of equal ones), the sum of all weights, and the other terms."""
    place = max(range(len(terms)), key=lambda number: (abs(terms[number][1]), number))
    total = sum(weight for _, weight in terms)
    rest = [term for number, term in enumerate(terms) if number != place]
    return terms[place][0], 1.0 if abs(total - 1) < 1e-12 else total, rest


def find_out(plans: Mapping[int, Prepass], read: Callable[[str, str], Tensor], shapes: Mapping[str, Shape]) -> Found:
    """Do all pre-passes of a plan, in the order of their runs.

    Args:
        plans: by the number of the run.
        read: gives the tensor of a model's name and a key.
        shapes: of the keys.

    Raises:
        RecipeError: as ``prepass``.
    """
    found: dict[int, Found] = {}
    for number in sorted(plans):
        found[number] = prepass(plans[number], read, shapes, Found.of_runs(found))
    return Found.of_runs(found)


def prepass(
    plan: Prepass, read: Callable[[str, str], Tensor], shapes: Mapping[str, Shape], known: Found = NOTHING
) -> Found:
    """Find out what a run has to know of all its keys; the number of the run is 0 in the result.

    Args:
        plan: of the run.
        read: gives the tensor of a model's name and a key.
        shapes: of the keys.
        known: what the pre-passes of earlier runs found out.

    Raises:
        RecipeError: the models have too few tensors in common to compare.
    """
    if plan.kind == "plus random":
        order = ((key, shapes[key], _noise_dtype(plan, row, key, read)) for key, (row,) in plan.pairs)
        return Found(ranges={}, noise={0: noise_places(order, plan.seed)})
    collected: list[Tensor] = []
    for key, rows in plan.pairs:
        evaluation = _Evaluation(key, lambda name, key=key: read(name, key), shapes[key], known, _CPU)
        a, b = (evaluation.row(row) for row in rows)
        collected.append(similarities(plan.kind, a, b).cpu())
    try:
        return Found(ranges={0: cosine_range(collected)}, noise={})
    except ValueError:
        raise RecipeError(f"{plan.kind}: the models have too few tensors in common to compare; write normal") from None


def _noise_dtype(plan: Prepass, row: Row, key: str, read: Callable[[str, str], Tensor]) -> torch.dtype:
    """Noise is drawn in A's dtype, which decides what the random stream gives."""
    name = _first_model(row)
    return torch.float16 if plan.half or name is None else read(name, key).dtype


def _first_model(row: Row) -> str | None:
    """The model that comes first in a row: A of the run that made it, A of what that took, and so on."""
    if not row.terms:
        return None
    term = row.terms[0][0]
    return term if isinstance(term, str) else next(iter(map(_first_model, term.rows)), None)


class _Evaluation:
    """Evaluates rows of one key with whole float32 tensors."""

    def __init__(self, key: str, read: Read, shape: Shape, found: Found, device: torch.device) -> None:
        self._key, self._read, self._shape, self._found, self._device = key, read, shape, found, device

    def row(self, row: Row) -> Tensor:
        """The value of a row, float32."""
        terms = [(self._term(term), weight) for term, weight in row.terms]
        if not terms:
            return torch.zeros(self._shape, device=self._device)
        base, total, rest = _parted(terms)
        value = base if total == 1 else base * total
        for tensor, weight in rest:
            value = value + (tensor - base) * weight
        if row.shift:
            value = value + torch.tensor(row.shift, device=value.device).reshape(value.shape)
        return value

    def _term(self, term: str | Calculated) -> Tensor:
        if isinstance(term, str):
            return as_shape(self._read(term).float(), self._shape)
        if term.kind == "input channels":
            return self._first_channels(term)
        if term.kind == "plus random":
            return self._found.noise[term.run][self._key].draw(self._shape).float().to(self._device)
        first, *rest = (self.row(row) for row in term.rows)
        return self._calculated(term, first, rest)

    def _calculated(self, term: Calculated, first: Tensor, rest: list[Tensor]) -> Tensor:
        match term.kind:
            case "cosineA" | "cosineB" as kind:
                share = cosine_share(kind, first, rest[0], term.alpha, self._found.ranges[term.run])
                return lerp_by(rest[0], first, share)
            case "smoothAdd":
                return smoothed(first.cpu()).to(first.device)
            case "tensor" | "tensor2" as kind:
                return spliced(kind, first, rest[0], term.alpha, term.beta)
            case "trainDifference":
                return first + train_difference(first, rest[0], rest[1], term.alpha)
            case "extract":
                return extracted(first, rest[0], rest[1], term.alpha, term.beta, term.gamma)
            case _:  # unless equal
                changed, b, c = rest
                return first if torch.equal(b, c) else changed

    def _first_channels(self, term: Calculated) -> Tensor:
        whole, part = (row for row in term.rows)
        count = min(self._read(name).shape[1] for name in part.models)
        shape = (self._shape[0], count, *self._shape[2:])
        read = lambda name: self._read(name)[:, :count]  # noqa: E731
        narrow = _Evaluation(self._key, read, shape, self._found, self._device)
        found = self.row(whole).clone()
        found[:, :count] = narrow.row(part)
        return found
