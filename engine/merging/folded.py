"""A recipe folded: for every key of the result one row, so that a chain of steps is one pass with one rounding.

Weight sum, Add difference, Triple sum, sum Twice, Self and Adjust fold into weighted sums; the other calculation modes
stay functions on the few tensors they take. ``engine.merging.exact`` runs the same settings in SuperMerger's own
arithmetic.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from engine.architecture.widths import FamilyName, Shape
from engine.errors import RecipeError
from engine.merging.compatibility import appended, check_shapes, input_channels, subtracts
from engine.merging.ratios import Ratios, RunSettings
from engine.merging.rows import Row, calculated, combined, model, scaled, shifted
from engine.recipes.adjust import ADJUSTED, SHIFTED, factor, shift
from engine.recipes.recipe import Recipe
from engine.recipes.steps import NUMBERED, MergeStep

_VAE = "first_stage_model"
_ZERO = Row(())


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepass:
    """What has to be known of all keys of a run before any of them can be computed.

    Attributes:
        kind: cosineA, cosineB, or plus random.
        pairs: by key, the rows of A and of B (or B - C) for the cosine modes, of A alone for plus random.
        seed: of the noise.
        half: whether A was saved as fp16 by an earlier run; noise is drawn in A's dtype.
    """

    kind: str
    pairs: tuple[tuple[str, tuple[Row, ...]], ...]
    seed: int = 0
    half: bool = False

    @property
    def runs(self) -> frozenset[int]:
        """The earlier runs whose own pre-passes it builds on."""
        return frozenset(number for _, rows in self.pairs for row in rows for number in row.runs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The rows of a recipe for the keys of its result.

    Attributes:
        models: names of the models that it takes.
        rows: by key, in the order of A's file, then what only B has.
        shapes: of the result.
        prepasses: by the number of the run, only where a calculation mode needs one.
    """

    models: tuple[str, ...]
    rows: dict[str, Row]
    shapes: Mapping[str, Shape]
    prepasses: dict[int, Prepass] = field(default_factory=dict[int, Prepass])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Folded:
    """What a model or the result of a run is made of."""

    rows: Mapping[str, Row]
    shapes: Mapping[str, Shape]


def plan_for(recipe: Recipe, shapes: Mapping[str, Mapping[str, Shape]]) -> Plan:
    """The plan of a recipe.

    Args:
        recipe: what to merge.
        shapes: of the tensors of every model, by the model's name, in the order of its file.

    Raises:
        RecipeError: a model is missing, or models do not fit each other.
    """
    if missing := [name for name in recipe.models if name not in shapes]:
        raise RecipeError(f"the recipe takes {', '.join(missing)}; the models at hand are {', '.join(shapes)}")
    made = {name: _Folded(rows=_same(model(name), shapes[name]), shapes=shapes[name]) for name in recipe.models}
    prepasses: dict[int, Prepass] = {}
    result = next(iter(made.values()))
    for number, run in enumerate(recipe.runs, start=1):
        folder = _Fold(recipe, number, run, [made[name] for name in run.models])
        result = made[f"step{number}"] = folder.folded()
        prepasses |= folder.prepass()
    return Plan(models=recipe.models, rows=dict(result.rows), shapes=result.shapes, prepasses=prepasses)


def _same(row: Row, keys: Mapping[str, Shape]) -> dict[str, Row]:
    return dict.fromkeys(keys, row)


class _Fold:
    """Folds one run over what its models are made of."""

    def __init__(self, recipe: Recipe, number: int, run: MergeStep, models: Sequence[_Folded]) -> None:
        self._run, self._number, self._dialect = run, number, recipe.rules
        self._family: FamilyName = recipe.family
        self._half = recipe.save == "fp16"
        self._a, self._b = models[:2]
        self._c = models[2] if len(models) > 2 else None
        self._settings = RunSettings(run, self._family, self._dialect, self._a.shapes)
        self._sums: dict[tuple[tuple[int, float], ...], Row] = {}
        self._kept: list[object] = []  # rows whose identity is remembered must live as long
        check_shapes(run, self._dialect, self._settings.touches, *(model.shapes for model in models))

    def folded(self) -> _Folded:
        """The rows and shapes of the result."""
        rows = dict(self._a.rows)
        for key, ratios in self._settings.table.items():
            if self._may_change(key, ratios[0]) and self._takes_part(key):
                rows[key] = self._row(key, rows[key], ratios)
        more = appended(self._a.shapes, self._b.shapes)
        if not more:
            return _Folded(rows=rows, shapes=self._a.shapes)
        rows |= {key: self._second(key) for key in more}
        return _Folded(rows=rows, shapes={**self._a.shapes, **{key: self._b.shapes[key] for key in more}})

    def prepass(self) -> dict[int, Prepass]:
        """What has to be found out first, if anything."""
        kind = self._run.calculation
        if kind in {"cosineA", "cosineB"}:
            keys = [key for key in self._a.shapes if "model" in key and key in self._b.shapes and _VAE not in key]
            pairs = tuple((key, (self._a.rows[key], self._second(key))) for key in keys)
            return {self._number: Prepass(kind=kind, pairs=pairs)}
        if kind == "plus random":
            touched = [(key, alpha) for key, (alpha, _) in self._settings.table.items() if self._takes_part(key)]
            keys = [key for key, alpha in touched if self._settings.multiplies(key, alpha)]
            pairs = tuple((key, (self._a.rows[key],)) for key in keys)
            half = self._half and NUMBERED.fullmatch(self._run.models[0]) is not None
            return {self._number: Prepass(kind=kind, pairs=pairs, seed=self._run.seed or 0, half=half)}
        return {}

    # ------------------------------------------------------------------------------------------------ one key

    def _takes_part(self, key: str) -> bool:
        """Whether all the models that the run needs for a key have it."""
        third = self._c is None or not self._run.holds_c or key in self._c.shapes
        return third and key in self._b.shapes

    def _may_change(self, key: str, alpha: float) -> bool:
        """Whether anything but A itself can come out; most keys of a Self or an Adjust run are left in peace."""
        if self._run.adjust and key in ADJUSTED:
            return True
        if self._run.calculation == "self":
            return alpha != 1
        return alpha != 0 or self._run.calculation != "normal" or self._run.mode != "Weight sum"

    def _row(self, key: str, a: Row, ratios: Ratios) -> Row:
        b = self._second(key)
        c = self._c.rows[key] if self._c is not None and self._run.holds_c else b
        found = self._calculated(key, a, b, c, ratios)
        if found is None:
            return a
        adjusted = self._adjusted(key, found)
        if self._run.calculation == "smoothAdd MT":
            return combined(((adjusted, 1.0), (calculated("smoothAdd", b), ratios[0])))
        if self._run.calculation == "trainDifference" and adjusted is not found:
            return calculated("unless equal", a, adjusted, b, c)
        return adjusted

    def _second(self, key: str) -> Row:
        """B, or B - C in Add difference."""
        b = self._b.rows[key]
        if self._c is None or not subtracts(self._run, self._dialect, key):
            return b
        c = self._c.rows.get(key)
        return _ZERO if c is None else self._summed(((b, 1.0), (c, -1.0)))

    def _adjusted(self, key: str, row: Row) -> Row:
        values = self._run.adjust
        if not values or key not in ADJUSTED:
            return row
        return shifted(row, shift(values, self._family)) if key == SHIFTED else scaled(row, factor(values, key))

    # ----------------------------------------------------------------------------------------- calculation modes

    def _calculated(self, key: str, a: Row, b: Row, c: Row, ratios: Ratios) -> Row | None:
        """The row before Adjust; None where the run does not touch the key at all."""
        kind, (alpha, beta) = self._run.calculation, ratios
        if kind == "normal":
            found = self._normal(a, b, c, alpha, beta)
            wider = input_channels(self._a.shapes[key], self._b.shapes[key])
            return calculated("input channels", a, found) if wider else found
        if kind in {"cosineA", "cosineB"}:
            return None if _VAE in key else calculated(kind, a, b, alpha=alpha, run=self._number)
        if kind in {"self", "plus random"}:
            return self._multiplied(key, a, alpha)
        if kind in {"smoothAdd", "smoothAdd MT"}:  # MT adds after Adjust
            return combined(((a, 1.0), (calculated("smoothAdd", b), alpha))) if kind == "smoothAdd" else a
        rows = (a, b) if kind in {"tensor", "tensor2"} else (a, b, c)
        return calculated(kind, *rows, alpha=alpha, beta=beta, gamma=self._run.gamma)

    def _multiplied(self, key: str, a: Row, alpha: float) -> Row | None:
        if not self._settings.multiplies(key, alpha):
            return None
        if self._run.calculation == "self":
            return scaled(a, alpha)
        return combined(((a, 1.0), (calculated("plus random", run=self._number), alpha)))

    def _normal(self, a: Row, b: Row, c: Row, alpha: float, beta: float) -> Row:
        if self._run.mode == "Weight sum":
            return self._summed(((a, 1 - alpha), (b, alpha)))
        if self._run.mode == "Add difference":
            return self._summed(((a, 1.0), (b, alpha)))
        if self._run.mode == "Triple sum":
            return self._summed(((a, 1 - alpha - beta), (b, alpha), (c, beta)))
        return self._summed(((a, (1 - beta) * (1 - alpha)), (b, (1 - beta) * alpha), (c, beta)))

    def _summed(self, parts: tuple[tuple[Row, float], ...]) -> Row:
        """``combined``, once for each set of equal parts: most keys of a block have the same."""
        mark = tuple((id(row), weight) for row, weight in parts)
        if mark not in self._sums:
            self._sums[mark] = combined(parts)
            self._kept.append(parts)
        return self._sums[mark]
