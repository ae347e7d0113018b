"""The arithmetic of rows, bit for bit the same on every device and for every cut into pieces.

Each operation of a weighted sum is its own elementwise step in float32, and the result is rounded once to the export
dtype (``engine.arithmetic.weighted_sums``). So a candidate in memory is exactly the exported file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor

from engine.architecture.widths import Shape
from engine.arithmetic.weighted_sums import PlainSums, Term, base_first
from engine.kernels.compiled import COMPILED_FROM, CompiledSums, compiled_sums
from engine.kernels.device_sums import DeviceSums
from engine.merging.folded import RunPrepass
from engine.merging.sources import as_shape
from engine.modes.record import Operands, PrepassKey
from engine.modes.rows import Calculated, TensorRow

DTYPES: dict[str, torch.dtype] = {"fp16": torch.float16, "bf16": torch.bfloat16, "fp32": torch.float32}
_CPU = torch.device("cpu")

Read = Callable[[str], Tensor]
"""Gives the tensor of a model by the model's name, for one key."""


Known = Mapping[int, object]
"""What pre-passes returned, by the number of the run."""

NOTHING: Known = MappingProxyType({})
"""What is known where no run has a pre-pass."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainSum:
    """A plain row to evaluate.

    Attributes:
        row: its terms are models.
        read: gives flat tensors as long as ``out``, of any dtypes.
        out: flat.
    """

    row: TensorRow
    read: Read
    out: Tensor


class Arithmetic:
    """Evaluates rows on one device, with scratch memory of its own.

    Large tensors are summed in one pass: on the CPU where a C compiler is at hand (``engine.kernels.compiled``), on a
    GPU where Triton is (``engine.kernels.device_sums``).

    Attributes:
        round_to: the dtype every result is rounded to, whatever dtype it is stored in.

    Args:
        device: of all tensors.
        round_to: see above.
        elements: of the whole model, if it is known: compiling pays for large ones alone.
        compiled: whether to compile at all.
    """

    def __init__(
        self, device: torch.device, round_to: torch.dtype, *, elements: int = 0, compiled: bool = True
    ) -> None:
        self.round_to = round_to
        self._plain = PlainSums(device, round_to)
        self._elements = elements
        self._may_compile = compiled and device.type == "cpu"
        self._compiled: CompiledSums | None = None
        self._on_device = DeviceSums(device, round_to) if compiled and device.type == "cuda" else None

    @property
    def scratch(self) -> int:
        """Bytes of its scratch memory."""
        return self._plain.scratch

    @torch.no_grad()
    def evaluate(self, row: TensorRow, read: Read, out: Tensor) -> None:
        """Write a plain row, or one with a shift, into ``out``, rounded.

        Args:
            row: its terms are models.
            read: gives flat tensors as long as ``out``, of any dtypes.
            out: flat.
        """
        one = PlainSum(row=row, read=read, out=out)
        if row.shift:
            self._write(row, _ordered_terms(one), out)
        else:
            self.evaluate_all([one])

    @torch.no_grad()
    def evaluate_all(self, sums: Sequence[PlainSum]) -> None:
        """Write several plain rows; on a GPU with one launch for all that are alike in their dtypes."""
        ordered = [_ordered_terms(one) for one in sums]
        on_device = self._on_device
        written = on_device.write([(t, o.out) for o, t in zip(sums, ordered, strict=True)]) if on_device else None
        for number, (one, terms) in enumerate(zip(sums, ordered, strict=True)):
            if not (written and written[number]):
                self._write(one.row, terms, one.out)

    def _write(self, row: TensorRow, terms: Sequence[Term], out: Tensor) -> None:
        if self._may_compile and max(out.numel(), self._elements) >= COMPILED_FROM:
            self._may_compile, self._compiled = False, compiled_sums()
        if self._compiled and not row.shift and self._compiled.takes(terms, out):
            self._compiled.write(terms, self.round_to, out)
            return
        shift = torch.tensor(row.shift, dtype=torch.float32, device=out.device) if row.shift else None
        self._plain.write(terms, out, shift)

    @torch.no_grad()
    def evaluate_key(
        self, key: str, row: TensorRow, read: Read, shape: Shape, out: Tensor, known: Known = NOTHING
    ) -> None:
        """Write any row into ``out``, rounded.

        Args:
            key: whose row it is.
            row: of any kind.
            read: gives tensors in the shape of their file.
            shape: of the result.
            out: flat.
            known: what pre-passes returned, where the row needs it.
        """
        if all(isinstance(term, str) for term, _ in row.terms):
            self.evaluate(row, lambda name: read(name).reshape(-1), out)
            return
        value = _Evaluation(key, read, shape, known, out.device).row(row)
        out.copy_(value.reshape(-1).to(self.round_to))


def _ordered_terms(one: PlainSum) -> list[Term]:
    terms = [(one.read(str(term)), weight) for term, weight in one.row.terms]
    return base_first(terms) if terms else []


def known_of(plans: Mapping[int, RunPrepass], read: Callable[[str, str], Tensor], shapes: Mapping[str, Shape]) -> Known:
    """Do all pre-passes of a plan, in the order of their runs.

    Args:
        plans: by the number of the run.
        read: gives the tensor of a model's name and a key.
        shapes: of the keys.

    Raises:
        RecipeError: as ``do_prepass``.
    """
    known: dict[int, object] = {}
    for number in sorted(plans):
        known[number] = do_prepass(plans[number], read, shapes, known)
    return known


def do_prepass(
    plan: RunPrepass, read: Callable[[str, str], Tensor], shapes: Mapping[str, Shape], known: Known = NOTHING
) -> object:
    """Find out what a run has to know of all its keys.

    Args:
        plan: of the run.
        read: gives the tensor of a model's name and a key.
        shapes: of the keys.
        known: what the pre-passes of earlier runs returned.

    Raises:
        RecipeError: the models have too few tensors in common to compare.
    """
    return plan.prepass.find(_prepass_keys(plan, read, shapes, known), plan.seed)


def _prepass_keys(
    plan: RunPrepass, read: Callable[[str, str], Tensor], shapes: Mapping[str, Shape], known: Known
) -> Iterator[PrepassKey]:
    for key, rows in plan.rows:
        if plan.prepass.compares:
            evaluation = _Evaluation(key, lambda name, key=key: read(name, key), shapes[key], known, _CPU)
            tensors = tuple(evaluation.row(row) for row in rows)
            yield PrepassKey(key=key, shape=shapes[key], tensors=tensors)
        else:
            yield PrepassKey(key=key, shape=shapes[key], dtype=_first_dtype(plan, rows[0], key, read))


def _first_dtype(plan: RunPrepass, row: TensorRow, key: str, read: Callable[[str, str], Tensor]) -> torch.dtype:
    """The dtype of A, which decides what a random stream gives."""
    name = _first_model(row)
    return torch.float16 if plan.half or name is None else read(name, key).dtype


def _first_model(row: TensorRow) -> str | None:
    """The model that comes first in a row: A of the run that made it, A of what that took, and so on."""
    if not row.terms:
        return None
    term = row.terms[0][0]
    return term if isinstance(term, str) else next(iter(map(_first_model, term.rows)), None)


class _Evaluation:
    """Evaluates rows of one key with whole float32 tensors."""

    def __init__(self, key: str, read: Read, shape: Shape, known: Known, device: torch.device) -> None:
        self._key, self._read, self._shape, self._known, self._device = key, read, shape, known, device

    def row(self, row: TensorRow) -> Tensor:
        """The value of a row, float32."""
        terms = [(self._term(term), weight) for term, weight in row.terms]
        if not terms:
            return torch.zeros(self._shape, device=self._device)
        (base, total), *rest = base_first(terms)
        value = base if total == 1 else base * total
        for tensor, weight in rest:
            value = value + (tensor - base) * weight
        if row.shift:
            value = value + torch.tensor(row.shift, device=value.device).reshape(value.shape)
        return value

    def _term(self, term: str | Calculated) -> Tensor:
        if isinstance(term, str):
            return as_shape(self._read(term).float(), self._shape)
        operands = Operands(
            models=self._models(term),
            alpha=term.alpha,
            beta=term.beta,
            gamma=term.gamma,
            key=self._key,
            shape=self._shape,
            known=self._known.get(term.run),
        )
        value: Tensor = term.formula(operands)
        return value.float().to(self._device)

    def _models(self, term: Calculated) -> tuple[Tensor, ...]:
        """The rows of a calculation; those behind the first for its leading input channels alone, if it says so."""
        rest = self._narrowed(term.channels) if term.channels else self
        return tuple((rest if number else self).row(row) for number, row in enumerate(term.rows))

    def _narrowed(self, channels: int) -> _Evaluation:
        shape = (self._shape[0], channels, *self._shape[2:])
        read = lambda name: self._read(name)[:, :channels]  # noqa: E731
        return _Evaluation(self._key, read, shape, self._known, self._device)
