"""Rows: what a tensor of the result is made of, as a weighted sum with one rounding at its end.

``sum of weight * term, plus shift``, where a term is a model's own tensor or something that a calculation mode makes of
further rows. A whole chain of steps folds into one row a key, so the result is computed in one pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class TensorRow:
    """A weighted sum.

    Attributes:
        terms: names of models, or calculations, each with its weight; no name twice, no weight of 0.
        shift: empty, or one number per element of the tensor, added at the end.
    """

    terms: tuple[tuple[str | Calculated, float], ...]
    shift: tuple[float, ...] = ()

    @property
    def is_plain(self) -> bool:
        """Whether it is a sum of models' tensors alone, the same for every element."""
        return not self.shift and all(isinstance(term, str) for term, _ in self.terms)

    @property
    def source(self) -> str | None:
        """The one model whose tensor it is, unchanged."""
        if len(self.terms) == 1 and not self.shift:
            term, weight = self.terms[0]
            return term if weight == 1 and isinstance(term, str) else None
        return None

    @property
    def runs(self) -> frozenset[int]:
        """The runs whose pre-passes it needs, at any depth."""
        found: set[int] = set()
        for term, _ in self.terms:
            if not isinstance(term, str):
                found |= {term.run, *(number for row in term.rows for number in row.runs)}
        return frozenset(found)

    @property
    def models(self) -> frozenset[str]:
        """The models that it takes, at any depth."""
        found: set[str] = set()
        for term, _ in self.terms:
            found |= {term} if isinstance(term, str) else {name for row in term.rows for name in row.models}
        return frozenset(found)


@dataclass(frozen=True, slots=True)
class Calculated:
    """What a formula makes of rows.

    Attributes:
        formula: a function of ``Operands[Tensor]``, see ``engine.modes.record.Formula``.
        rows: what stands for its models.
        alpha, beta, gamma: its numbers.
        run: the number of the run whose pre-pass it needs; else 0.
        channels: 0, or the number of leading input channels (dim 1) that the rows behind the first are computed for.
    """

    formula: Callable[..., Any]
    rows: tuple[TensorRow, ...]
    alpha: float = 0.0
    beta: float = 0.0
    gamma: float = 0.0
    run: int = 0
    channels: int = 0


def model(name: str) -> TensorRow:
    """The tensor of a model."""
    return TensorRow(((name, 1.0),))


def combined(parts: Iterable[tuple[TensorRow, float]]) -> TensorRow:
    """The weighted sum of rows; equal terms are added up, so what cancels is gone."""
    weights: dict[str | Calculated, float] = {}
    shift: tuple[float, ...] = ()
    for row, weight in parts:
        for term, inner in row.terms:
            weights[term] = weights.get(term, 0.0) + weight * inner
        if row.shift and weight:
            shift = tuple(a + weight * b for a, b in zip(shift or (0.0,) * len(row.shift), row.shift, strict=True))
    return TensorRow(tuple((term, weight) for term, weight in weights.items() if weight), shift if any(shift) else ())


def scaled(row: TensorRow, factor: float) -> TensorRow:
    """A row times a number."""
    return row if factor == 1 else combined(((row, factor),))


def shifted(row: TensorRow, shift: tuple[float, ...]) -> TensorRow:
    """A row plus one number per element."""
    total = tuple(a + b for a, b in zip(row.shift or (0.0,) * len(shift), shift, strict=True))
    return TensorRow(row.terms, total if any(total) else ())


def calculated(formula: Callable[..., Any], *rows: TensorRow, run: int = 0, channels: int = 0) -> TensorRow:
    """The row of one formula without ratios."""
    return TensorRow(((Calculated(formula, rows, run=run, channels=channels), 1.0),))
