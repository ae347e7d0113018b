"""Exact replay: a recipe run step by step in SuperMerger's own arithmetic, with its rounding after every step.

Nothing is kept but what is asked for: a tensor is computed when it is read, from tensors of files that are read then.
The order within a run is SuperMerger's: ratio, calculation, Adjust, and smoothAdd MT at the very end; then come the
keys that only B has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from engine.architecture.widths import FamilyName, Shape
from engine.arithmetic.rounding import lerp_by, product, times
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
from engine.merging.compatibility import appended, check_shapes, input_channels, subtracts
from engine.merging.modes import add_difference, difference, sum_twice, triple_sum, weight_sum
from engine.merging.ratios import RunSettings
from engine.merging.sources import SavedAsHalf, Scratch, Source, as_shape
from engine.recipes.adjust import ADJUSTED, SHIFTED, factor, shift
from engine.recipes.blocks import is_merged
from engine.recipes.dialects import Dialect
from engine.recipes.recipe import Recipe
from engine.recipes.steps import MergeStep

PIECE = 1 << 17  # elements of one piece of elementwise arithmetic: its temporaries stay in the cache of a core
_VAE = "first_stage_model"


def replay(recipe: Recipe, models: Mapping[str, Source]) -> Replayed:
    """The model that SuperMerger would make.

    Args:
        recipe: what to merge.
        models: by the names that the recipe uses.

    Returns:
        The result of the last step, as computed: round it to the dtype that it is saved in.

    Raises:
        RecipeError: a model is missing, models do not fit, or SuperMerger would stop with an error.
    """
    if missing := [name for name in recipe.models if name not in models]:
        raise RecipeError(f"the recipe takes {', '.join(missing)}; the models at hand are {', '.join(models)}")
    made: dict[str, Source] = {name: models[name] for name in recipe.models}
    results: list[Replayed] = []
    for number, run in enumerate(recipe.runs, start=1):
        results.append(Replayed(run, [made[name] for name in run.models], recipe.family, recipe.rules))
        made[f"step{number}"] = SavedAsHalf(results[-1]) if recipe.save == "fp16" else results[-1]
    return results[-1]


class Replayed:
    """The result of one run, computed as it is read.

    Attributes:
        shapes: of A's keys in their order, then of those that only B has.

    Raises:
        RecipeError: the models do not fit each other, or have too little in common for a cosine mode.
    """

    def __init__(self, run: MergeStep, sources: Sequence[Source], family: FamilyName, dialect: Dialect) -> None:
        self._run, self._dialect = run, dialect
        self._family: FamilyName = family
        self._a, self._b = sources[:2]
        self._c = sources[2] if len(sources) > 2 else None
        self._native = dialect.native_dtype or run.old_arithmetic
        self._settings = RunSettings(run, family, dialect, self._a.shapes)
        self._scratch = Scratch()
        self._last: tuple[str, Tensor] | None = None
        check_shapes(run, dialect, self._settings.touches, *(source.shapes for source in sources))
        more = {key: self._b.shapes[key] for key in appended(self._a.shapes, self._b.shapes)}
        self.shapes: dict[str, Shape] = {**self._a.shapes, **more}
        self._range, self._noise = CosineRange(low=0.0, high=1.0), dict[str, Noise]()
        self._find_out()

    def read(self, key: str) -> Tensor:
        """The value of a key, in the dtype that SuperMerger computes; valid until ``SCRATCH_TURNS`` more are read."""
        if self._last is None or self._last[0] != key:
            self._last = (key, self._value(key) if key in self._a.shapes else self._second(key))
        return self._last[1]

    # ------------------------------------------------------------------------------------------------ one key

    def _value(self, key: str) -> Tensor:
        a = self._a.read(key)
        ratios = self._settings.ratios(key) if self._takes_part(key) else None
        if ratios is None:
            return a
        b = self._second(key)
        c = self._c.read(key) if self._c and self._run.holds_c else b
        if self._run.calculation == "normal" and input_channels(tuple(a.shape), tuple(b.shape)):
            found = self._first_channels(a, b, c, ratios)
        else:
            b, c = as_shape(b, tuple(a.shape)), as_shape(c, tuple(a.shape))
            found = self._calculated(key, a, b, c, *ratios)
        if found is None:
            return a
        found = self._adjusted(key, found)
        if self._run.calculation == "smoothAdd MT":
            found = found + ratios[0] * smoothed(b.float())
        return found

    def _takes_part(self, key: str) -> bool:
        shared = is_merged(key) and key in self._b.shapes
        return shared and (self._c is None or not self._run.holds_c or key in self._c.shapes)

    def _second(self, key: str) -> Tensor:
        """B, or B - C in Add difference."""
        b = self._b.read(key)
        if self._c is None or not subtracts(self._run, self._dialect, key):
            return b
        c = self._c.read(key) if key in self._c.shapes else None
        return difference(b, c if c is None else as_shape(c, tuple(b.shape)), self._dialect)

    def _first_channels(self, a: Tensor, b: Tensor, c: Tensor, ratios: tuple[float, float]) -> Tensor:
        """The input convolution of an inpainting model: the channels that B has are merged, the rest is A's."""
        found = a.clone()
        found[:, : b.shape[1]] = self._normal(a[:, : b.shape[1]], b, c, *ratios)
        return found

    def _adjusted(self, key: str, value: Tensor) -> Tensor:
        """Adjust on a merged value; the last bias becomes float32, since what is added to it is."""
        values = self._run.adjust
        if not values or key not in ADJUSTED:
            return value
        if key == SHIFTED:
            return value + torch.tensor(shift(values, self._family))
        return times(factor(values, key), value)

    # ----------------------------------------------------------------------------------------- calculation modes

    def _calculated(self, key: str, a: Tensor, b: Tensor, c: Tensor, alpha: float, beta: float) -> Tensor | None:
        """The value before Adjust; None where the run does not touch the key at all."""
        match self._run.calculation:
            case "normal":
                return self._in_pieces(a, b, c, alpha, beta)
            case "self" | "plus random" as kind:
                touched = self._settings.multiplies(key, alpha)
                return (times(alpha, a) if kind == "self" else self._with_noise(key, a, alpha)) if touched else None
            case "cosineA" | "cosineB":
                return None if _VAE in key else self._cosine(a, b, alpha)
            case "tensor" | "tensor2" as kind:
                return spliced(kind, a, b, alpha, beta)
            case "extract" | "trainDifference":
                return self._of_three(a, b, c, alpha, beta)
            case kind:  # smoothAdd; MT adds after Adjust
                return a + alpha * smoothed(b.float()) if kind == "smoothAdd" else a

    def _of_three(self, a: Tensor, b: Tensor, c: Tensor, alpha: float, beta: float) -> Tensor | None:
        if self._run.calculation == "extract":
            return extracted(a.float(), b.float(), c.float(), alpha, beta, self._run.gamma).to(a.dtype)
        if torch.equal(b.float(), c.float()):
            return None
        return a + train_difference(a.float(), b.float(), c.float(), alpha)

    def _normal(self, a: Tensor, b: Tensor, c: Tensor, alpha: float, beta: float) -> Tensor:
        if self._run.mode == "Weight sum":
            return weight_sum(a, b, alpha, native=self._native)
        if self._run.mode == "Add difference":
            return add_difference(a, b, alpha, self._dialect)
        if self._run.mode == "Triple sum":
            return triple_sum(a, b, c, alpha, beta, self._dialect, old=self._native)
        return sum_twice(a, b, c, alpha, beta, old=self._native)

    def _in_pieces(self, a: Tensor, b: Tensor, c: Tensor, alpha: float, beta: float) -> Tensor:
        """``_normal``, which goes element by element, in pieces of a large tensor."""
        if a.numel() <= PIECE or (self._run.mode == "Weight sum" and alpha in {0, 1}):
            return self._normal(a, b, c, alpha, beta)
        shape, a, b, c = tuple(a.shape), a.reshape(-1), b.reshape(-1), c.reshape(-1)
        found = self._scratch.like(shape, self._normal(a[:1], b[:1], c[:1], alpha, beta).dtype)
        for start in range(0, a.numel(), PIECE):
            piece = slice(start, start + PIECE)
            found.view(-1)[piece] = self._normal(a[piece], b[piece], c[piece], alpha, beta)
        return found

    def _cosine(self, a: Tensor, b: Tensor, alpha: float) -> Tensor:
        share = cosine_share(self._run.calculation, a.float(), b.float(), alpha, self._range)
        if self._native:
            return product(b, 1 - share) + product(a, share)
        return lerp_by(b.float(), a.float(), share).to(a.dtype)

    def _find_out(self) -> None:
        """Do the pre-pass before anything is read: in between, it would use the memory of tensors at hand again."""
        if self._run.calculation in {"cosineA", "cosineB"}:
            self._range = self._cosine_range()
        elif self._run.calculation == "plus random":
            self._noise = self._noise_places()

    def _cosine_range(self) -> CosineRange:
        """Of every key with "model" in its name that both have, weight or not, but for the VAE."""
        kind = self._run.calculation
        keys = [key for key in self._a.shapes if "model" in key and key in self._b.shapes and _VAE not in key]
        pairs = ((self._a.read(key).float(), self._second(key).float()) for key in keys)
        try:
            return cosine_range([similarities(kind, a, b) for a, b in pairs])
        except ValueError:
            raise RecipeError(f"{kind}: the models have too few tensors in common to compare; write normal") from None

    def _with_noise(self, key: str, a: Tensor, alpha: float) -> Tensor:
        return a + times(alpha, self._noise[key].draw(tuple(a.shape)))

    def _noise_places(self) -> dict[str, Noise]:
        """Noise is drawn in the order of A's keys, for those that are touched."""
        touched = (key for key in self._a.shapes if self._takes_part(key))
        wanted = [key for key in touched if (r := self._settings.ratios(key)) and self._settings.multiplies(key, r[0])]
        shapes = ((key, self._a.shapes[key], self._a.read(key).dtype) for key in wanted)
        return noise_places(shapes, self._run.seed or 0)
