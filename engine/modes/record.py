"""The record of a mode: all that the rest of the program asks about it.

A recipe names a merge mode and a calculation mode. A record says in data what a mode takes and how SuperMerger treats
it, and in functions what it computes: the exact form in SuperMerger's own arithmetic, and the folded form, a row that
is rounded once. Modules of modes are read wherever recipes are, so they import torch inside their functions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from math import inf
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from engine.modes.rows import Calculated, TensorRow

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from engine.architecture.widths import Shape

T = TypeVar("T")
NumberLimits = tuple[float, float]
"""The lowest and the highest value that a number may have."""
ANY: NumberLimits = (-inf, inf)
"""The limits of a number that may have any value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rounding:
    """The dtypes in which SuperMerger computes a run.

    Attributes:
        dialect: its name, for messages.
        native_dtype: whether the dialect computes in the models' own dtype, instead of float32.
        native_sums: whether Add difference and Triple sum alone are computed so.
        old: whether the run is computed in the models' own dtype: by its dialect, or by the option "use old calc
            method".
        any_ratio: whether ratios of 0 and 1 are computed as all others are, instead of giving A or B as it is.
    """

    dialect: str = "classic"
    native_dtype: bool = False
    native_sums: bool = False
    old: bool = False
    any_ratio: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Operands(Generic[T]):
    """What a form of a mode computes one key from: tensors, or the rows of a folded recipe.

    Attributes:
        models: what stands for A, B and C. In Add difference B is B - C; where a run has no C, the third is B again.
        alpha: the first ratio of the key.
        beta: the second ratio of the key.
        gamma: the option of the run.
        key: an LDM key.
        shape: of A's tensor.
        run: the number of the run in a folded recipe, for modes with a pre-pass; else 0.
        known: what the pre-pass of the mode returned, for forms that compute tensors.
        rounding: the dtypes of the exact form.
    """

    models: tuple[T, ...]
    alpha: float = 0.0
    beta: float = 0.0
    gamma: float = 0.0
    key: str = ""
    shape: Shape = ()
    run: int = 0
    known: Any = None
    rounding: Rounding = Rounding()

    @property
    def a(self) -> T:
        """The first model, or the first row of a formula."""
        return self.models[0]

    @property
    def b(self) -> T:
        """The second one."""
        return self.models[1]

    @property
    def c(self) -> T:
        """The third one."""
        return self.models[2]


Formula = Callable[["Operands[Tensor]"], "Tensor"]
"""Computes a tensor from tensors. In a row it is given float32 tensors on any device, all in the shape of A, and what
it returns is brought to float32 and to that device. It is a function of a module, so that equal rows are equal."""
ExactForm = Callable[["Operands[Tensor]"], "Tensor | None"]
"""Computes a key as SuperMerger does, from tensors in the models' dtypes; None: the key stays A's, without Adjust."""
FoldedForm = Callable[[Operands[TensorRow]], TensorRow]
"""The row of a key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PrepassKey:
    """What a pre-pass sees of one key.

    Attributes:
        key: an LDM key.
        shape: of A's tensor.
        dtype: of A's tensor; None where the tensors are given.
        tensors: of A and B (or B - C), float32, where the pre-pass compares them.
    """

    key: str
    shape: Shape
    dtype: torch.dtype | None = None
    tensors: tuple[Tensor, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepass:
    """What has to be known of all keys before any of them can be computed.

    Attributes:
        compares: whether it reads the tensors of every key with "model" in its name that A and B have. Else it is given
            shapes and dtypes of the keys that the run touches, in A's order.
        find: makes of the keys (one at a time) and the seed what the forms are given as ``known``. May raise
            RecipeError.
    """

    compares: bool
    find: Callable[[Iterable[PrepassKey], int], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class AfterAdjust:
    """What a mode does with a key once Adjust has been applied.

    Attributes:
        exact: from the operands and the adjusted value.
        folded: from the operands, the row before Adjust and the row after it.
    """

    exact: Callable[[Operands[Tensor], Tensor], Tensor]
    folded: Callable[[Operands[TensorRow], TensorRow, TensorRow], TensorRow]


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeMode:
    """A merge mode: a weighted sum of two or three models.

    Attributes:
        name: in recipes and in SuperMerger.
        mark: the part of the name by which SuperMerger knows it.
        models: how many it takes.
        exact: the sum in SuperMerger's arithmetic.
        weights: of A, B and C, from alpha and beta.
        formula: as SuperMerger writes it into mergehistory.csv.
        beta: whether there is a second ratio, by block.
        subtracts: whether B stands for B - C, so that a key that C lacks is merged all the same.
    """

    name: str
    mark: str
    models: int
    exact: ExactForm
    weights: Callable[[float, float], tuple[float, ...]]
    formula: str
    beta: bool = False
    subtracts: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CalculationMode:
    """A calculation mode: what takes the place of the merge mode's sum.

    Attributes:
        name: in recipes and in SuperMerger.
        exact: computes a key as SuperMerger does; None: as the merge mode does.
        folded: the row of a key; None: the merge mode's weighted sum.
        inputs: what it computes with. ``A``: A alone, by the dialect's rules for Self. ``AB``: A and B, or B - C in Add
            difference. ``ABC``: all three as they are; SuperMerger then merges as Add difference, whatever is set.
        beta: what its own second ratio is, beside the merge mode's: one number, or one a block.
        gamma: whether it has the option gamma.
        seed: whether it draws random numbers.
        alpha_limits: of the first ratio, in every block and rule.
        beta_limits: of the second one.
        gamma_limits: of gamma.
        neutral: the alpha with which a tensor stays what it is in A; None: there is none.
        neutral_beta: the limits of beta within which that is so.
        linear: whether its rows are weighted sums of models alone, and exactly A's row with the neutral ratios.
        elementwise: whether its exact form goes element by element, so that a large tensor may be cut into pieces.
        merges_inputs: whether it merges the input convolution of a model with further input channels, as far as B's go.
        skips: parts of the names of keys that stay A's.
        prepass: what it has to know of all keys first.
        after_adjust: what it does after Adjust.
        joins_adjust: whether Adjust in the same run does what Adjust in a run of its own does after it.
        not_in: dialects that lack it.
        made_for: the merge mode that it is meant for; "": any.
        ratio_noun: what its alpha is called in sentences.
        seed_note: what SuperMerger does with its seed, where that is not what recipes do.
        not_searched: why a search has no use for it, and the way out; None: it has.
        package: the installed package that it comes from, with its version; "": it is ours. The registry fills it in.
    """

    name: str
    exact: ExactForm | None = None
    folded: FoldedForm | None = None
    inputs: Literal["A", "AB", "ABC"] = "AB"
    beta: Literal["none", "number", "blocks"] = "none"
    gamma: bool = False
    seed: bool = False
    alpha_limits: NumberLimits = ANY
    beta_limits: NumberLimits = ANY
    gamma_limits: NumberLimits = ANY
    neutral: float | None = 0.0
    neutral_beta: NumberLimits = (0.0, 0.0)
    linear: bool = False
    elementwise: bool = False
    merges_inputs: bool = False
    skips: tuple[str, ...] = ()
    prepass: Prepass | None = None
    after_adjust: AfterAdjust | None = None
    joins_adjust: bool = True
    not_in: tuple[str, ...] = ()
    made_for: str = ""
    ratio_noun: str = "alpha"
    seed_note: str = ""
    not_searched: tuple[str, str] | None = None
    package: str = ""

    def leaves_a(self, alpha: float, beta: float) -> bool:
        """Whether a tensor stays what it is in A with these ratios (but for the sign of a zero)."""
        low, high = self.neutral_beta
        return alpha == self.neutral and low <= beta <= high

    def skips_key(self, key: str) -> bool:
        """Whether a key stays A's whatever the ratios."""
        return any(part in key for part in self.skips)


def in_float32(formula: Formula) -> ExactForm:
    """The exact form of a formula that is computed in float32 and rounded to A's dtype."""

    def exact(operands: Operands[Tensor]) -> Tensor:
        return formula(as_float32(operands)).to(operands.a.dtype)

    return exact


def as_float32(operands: Operands[Tensor]) -> Operands[Tensor]:
    """The same with float32 tensors."""
    return replace(operands, models=tuple(tensor.float() for tensor in operands.models))


def as_term(formula: Formula, *, models: int) -> FoldedForm:
    """The folded form of a formula of the first two or three models: a row with that one calculation in it."""

    def folded(operands: Operands[TensorRow]) -> TensorRow:
        return term(formula, operands, *operands.models[:models])

    return folded


def term(formula: Formula, operands: Operands[TensorRow], *rows: TensorRow) -> TensorRow:
    """The row of a formula, with the ratios of the operands."""
    ratios = (operands.alpha, operands.beta, operands.gamma)
    return TensorRow(((Calculated(formula, rows, *ratios, run=operands.run), 1.0),))


def limits_text(limits: NumberLimits) -> str:
    """Limits in words: ``from 0 to 1``, ``0 or more``."""
    low, high = limits
    return f"{low:g} or more" if high == inf else f"from {low:g} to {high:g}"
