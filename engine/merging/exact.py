"""Exact replay: a recipe run step by step in SuperMerger's own arithmetic, with its rounding after every step.

Nothing is kept but what is asked for: a tensor is computed when it is read, from tensors of files that are read then.
The order within a run is SuperMerger's: ratio, calculation, Adjust, and what a calculation mode does after Adjust; then
come the keys that only B has.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from engine.architecture.widths import FamilyName, Shape
from engine.arithmetic.rounding import times
from engine.errors import RecipeError
from engine.merging.compatibility import appended, check_shapes, input_channels, is_subtracted
from engine.merging.ratios import Ratios, RunSettings
from engine.merging.sources import SavedAsHalf, Scratch, TensorSource, as_shape
from engine.modes.record import Operands, PrepassKey, Rounding
from engine.modes.sums import difference
from engine.recipes.adjust import ADJUSTED, SHIFTED, factor, shift
from engine.recipes.blocks import takes_part
from engine.recipes.dialects import Dialect
from engine.recipes.recipe import Recipe
from engine.recipes.steps import MergeStep

PIECE = 1 << 17  # elements of one piece of elementwise arithmetic: its temporaries stay in the cache of a core


def replay(recipe: Recipe, models: Mapping[str, TensorSource]) -> Replayed:
    """The model that SuperMerger would make: the result of the last step, see ``replayed_runs``."""
    return replayed_runs(recipe, models)[-1]


def replayed_runs(recipe: Recipe, models: Mapping[str, TensorSource]) -> list[Replayed]:
    """The models that SuperMerger would make, run after run.

    Args:
        recipe: what to merge.
        models: by the names that the recipe uses.

    Returns:
        The result of every run, as computed: the last is rounded to the dtype that it is saved in.

    Raises:
        RecipeError: a model is missing, models do not fit, or SuperMerger would stop with an error.
    """
    if missing := [name for name in recipe.models if name not in models]:
        raise RecipeError(f"the recipe takes {', '.join(missing)}; the models at hand are {', '.join(models)}")
    made: dict[str, TensorSource] = {name: models[name] for name in recipe.models}
    results: list[Replayed] = []
    halves = recipe.save == "fp16"
    for number, run in enumerate(recipe.runs, start=1):
        sources = [made[name] for name in run.models]
        results.append(Replayed(run, sources, recipe.family, recipe.rules, halves=halves and recipe.rules.webui))
        made[f"step{number}"] = SavedAsHalf(results[-1]) if halves and not recipe.rules.webui else results[-1]
    return results


class Replayed:
    """The result of one run, computed as it is read.

    Attributes:
        shapes: of A's keys in their order, then of those that only B has.

    Args:
        run: the run.
        sources: its models.
        family: of the models.
        dialect: whose rules hold.
        halves: whether float32 is rounded to float16 as it is merged, as the WebUI's own merger does. Where it is given
            the same model twice and a ratio of 0, it interpolates nothing and rounds every tensor.

    Raises:
        RecipeError: the models do not fit each other, or have too little in common for the calculation mode.
    """

    def __init__(
        self,
        run: MergeStep,
        sources: Sequence[TensorSource],
        family: FamilyName,
        dialect: Dialect,
        *,
        halves: bool = False,
    ) -> None:
        self._run, self._dialect, self._halves = run, dialect, halves
        self._modes, self._mode = run.pair, run.pair.calculation
        self._family: FamilyName = family
        self._a, self._b = sources[:2]
        self._c = sources[2] if len(sources) > 2 else None
        self._rounding = Rounding(
            dialect=dialect.name,
            native_dtype=dialect.native_dtype,
            native_sums=dialect.native_sums,
            old=dialect.native_dtype or run.old_arithmetic,
            any_ratio=dialect.webui,
        )
        self._settings = RunSettings(run, family, dialect, self._a.shapes)
        self._scratch = Scratch()
        self._last: tuple[str, Tensor] | None = None
        check_shapes(run, dialect, self._settings.touches, *(source.shapes for source in sources))
        more = {key: self._b.shapes[key] for key in appended(self._a.shapes, self._b.shapes, dialect)}
        self.shapes: dict[str, Shape] = {**self._a.shapes, **more}
        self._known = self._prepass()

    def read(self, key: str) -> Tensor:
        """The value of a key, in the dtype that SuperMerger computes; valid until ``SCRATCH_TURNS`` more are read."""
        if self._last is None or self._last[0] != key:
            self._last = (key, self._value(key) if key in self._a.shapes else self._second(key))
        return self._last[1]

    def ratios(self, key: str) -> Ratios | None:
        """Alpha and beta of a key of A; None where it stays A's, without Adjust."""
        return self._settings.ratios(key) if self._is_computed(key) else None

    @property
    def appended(self) -> list[str]:
        """The keys that only B has and the result gets."""
        return [key for key in self.shapes if key not in self._a.shapes]

    @property
    def only_rounds(self) -> bool:
        """Whether the run interpolates nothing and may only round every tensor: the WebUI's, with one model twice."""
        return self._dialect.webui and self._a is self._b and self._run.alpha == 0

    # ------------------------------------------------------------------------------------------------ one key

    def _value(self, key: str) -> Tensor:
        a = self._a.read(key)
        if self.only_rounds:
            return self._halved(a)
        ratios = self.ratios(key)
        if ratios is None:
            return a
        b = self._second(key)
        c = self._c.read(key) if self._c and self._modes.needs_c else b
        operands = self._operands(key, (a, b, c), *ratios)
        if self._mode.merges_inputs and input_channels(tuple(a.shape), tuple(b.shape)):
            found = self._first_channels(operands)
        else:
            operands = replace(operands, models=tuple(as_shape(tensor, tuple(a.shape)) for tensor in (a, b, c)))
            found = self._calculated(operands)
        if found is None:
            return a
        found = self._halved(self._adjusted(key, found))
        return self._mode.after_adjust.exact(operands, found) if self._mode.after_adjust else found

    def _halved(self, value: Tensor) -> Tensor:
        return value.half() if self._halves and value.dtype == torch.float32 else value

    def _operands(self, key: str, models: tuple[Tensor, ...], alpha: float, beta: float) -> Operands[Tensor]:
        return Operands(
            models=models,
            alpha=alpha,
            beta=beta,
            gamma=self._run.gamma,
            key=key,
            shape=tuple(models[0].shape),
            known=self._known,
            rounding=self._rounding,
        )

    def _is_computed(self, key: str) -> bool:
        """Whether the run does anything to a key: all the models that it needs have it, and the mode computes it."""
        if not takes_part(key, self._dialect) or key not in self._b.shapes:
            return False
        if self._c is not None and self._modes.needs_c and key not in self._c.shapes:
            return False
        ratios = self._settings.ratios(key)
        return ratios is not None and self._settings.computes(key, ratios[0])

    def _second(self, key: str) -> Tensor:
        """B, or B - C in Add difference."""
        b = self._b.read(key)
        if self._c is None or not self._modes.subtracts or not is_subtracted(key, self._dialect):
            return b
        c = self._c.read(key) if key in self._c.shapes else None
        return difference(b, c if c is None else as_shape(c, tuple(b.shape)), self._rounding)

    def _first_channels(self, operands: Operands[Tensor]) -> Tensor | None:
        """The input convolution of an inpainting model: the channels that B has are merged, the rest is A's."""
        a, b, c = operands.models
        count = b.shape[1]
        merged = self._modes.exact(replace(operands, models=(a[:, :count], b, c)))
        if merged is None:
            return None
        found = a.clone()
        found[:, :count] = merged
        return found

    def _adjusted(self, key: str, value: Tensor) -> Tensor:
        """Adjust on a merged value; the last bias becomes float32, since what is added to it is."""
        values = self._run.adjust
        if not values or key not in ADJUSTED:
            return value
        if key == SHIFTED:
            return value + torch.tensor(shift(values, self._family))
        return times(factor(values, key), value)

    def _calculated(self, operands: Operands[Tensor]) -> Tensor | None:
        """The value before Adjust, of large tensors in pieces where that makes no difference."""
        count = operands.a.numel()
        if not self._mode.elementwise or count <= PIECE:
            return self._modes.exact(operands)
        flat = tuple(tensor.reshape(-1) for tensor in operands.models)
        first = tuple(tensor[:1] for tensor in flat)
        probe = self._modes.exact(replace(operands, models=first))
        for tensor, element in zip(operands.models, first, strict=True):
            if probe is element:  # a model is given back as it is
                return tensor
        if probe is None:
            return None
        found = self._scratch.like(operands.shape, probe.dtype)
        for start in range(0, count, PIECE):
            piece = slice(start, start + PIECE)
            part = self._modes.exact(replace(operands, models=tuple(tensor[piece] for tensor in flat)))
            if part is not None:
                found.view(-1)[piece] = part
        return found

    def _prepass(self) -> object:
        """Do the pre-pass before anything is read: in between, it would use the memory of tensors at hand again."""
        prepass = self._mode.prepass
        if prepass is None:
            return None
        return prepass.find(self._compared() if prepass.compares else self._drawn(), self._run.seed or 0)

    def _compared(self) -> Iterator[PrepassKey]:
        """Every key with "model" in its name that A and B have, weight or not."""
        for key, shape in self._a.shapes.items():
            if "model" in key and key in self._b.shapes and not self._mode.skips_key(key):
                tensors = (self._a.read(key).float(), self._second(key).float())
                yield PrepassKey(key=key, shape=shape, tensors=tensors)

    def _drawn(self) -> Iterator[PrepassKey]:
        """The keys that are computed, in A's order."""
        for key, shape in self._a.shapes.items():
            if self._is_computed(key):
                yield PrepassKey(key=key, shape=shape, dtype=self._a.read(key).dtype)
