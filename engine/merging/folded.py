"""A recipe folded: for every key of the result one row, so that a chain of steps is one pass with one rounding.

Merge modes, Self and Adjust fold into weighted sums; the other calculation modes stay functions of the few tensors they
take. ``engine.merging.exact`` runs the same settings in SuperMerger's own
arithmetic.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field

from engine.architecture.widths import FamilyName, Shape
from engine.errors import RecipeError
from engine.merging.compatibility import appended, check_shapes, first_channels, input_channels, is_subtracted
from engine.merging.key_classes import KnownClasses, form_of, key_classes, shared_row
from engine.merging.ratios import Ratios, RunSettings
from engine.modes.record import Operands, Prepass
from engine.modes.rows import TensorRow, calculated, combined, model, scaled, shifted
from engine.recipes.adjust import ADJUSTED, SHIFTED, factor, shift
from engine.recipes.recipe import Recipe
from engine.recipes.steps import NUMBERED, MergeStep

_ZERO = TensorRow(())


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPrepass:
    """The pre-pass of one run.

    Attributes:
        prepass: the calculation mode's.
        rows: by key, the rows of A and of B (or B - C) where they are compared, else of A alone.
        seed: of the run.
        half: whether A was saved as fp16 by an earlier run; noise is drawn in A's dtype.
    """

    prepass: Prepass
    rows: tuple[tuple[str, tuple[TensorRow, ...]], ...]
    seed: int = 0
    half: bool = False

    @property
    def runs(self) -> frozenset[int]:
        """The earlier runs whose own pre-passes it builds on."""
        return frozenset(number for _, rows in self.rows for row in rows for number in row.runs)


@dataclass(frozen=True, slots=True, kw_only=True)
class MergePlan:
    """The rows of a recipe for the keys of its result.

    Attributes:
        models: names of the models that it takes.
        rows: by key, in the order of A's file, then what only B has.
        shapes: of the result.
        prepasses: by the number of the run, only where a calculation mode needs one.
    """

    models: tuple[str, ...]
    rows: dict[str, TensorRow]
    shapes: Mapping[str, Shape]
    prepasses: dict[int, RunPrepass] = field(default_factory=dict[int, RunPrepass])


@dataclass(frozen=True, slots=True, kw_only=True)
class _FoldedModel:
    """What a model or the result of a run is made of."""

    rows: Mapping[str, TensorRow]
    shapes: Mapping[str, Shape]


def plan_for(recipe: Recipe, shapes: Mapping[str, Mapping[str, Shape]]) -> MergePlan:
    """The plan of a recipe.

    Args:
        recipe: what to merge.
        shapes: of the tensors of every model, by the model's name, in the order of its file.

    Raises:
        RecipeError: a model is missing, or models do not fit each other.
    """
    runs = recipe.runs
    names = tuple(dict.fromkeys(name for run in runs for name in run.models if not NUMBERED.fullmatch(name)))
    if missing := [name for name in names if name not in shapes]:
        raise RecipeError(f"the recipe takes {', '.join(missing)}; the models at hand are {', '.join(shapes)}")
    taken, form = {name: shapes[name] for name in names}, form_of(recipe, runs)
    classes = _KNOWN_CLASSES.find(form, taken)
    if classes is None:
        return _whole_plan(recipe, runs, taken, form)
    _, result = _folded(recipe, runs, classes.shapes)
    rows = {key: shared_row(row) for key, row in result.rows.items()}
    return MergePlan(models=names, rows=classes.spread(rows), shapes=classes.result)


_KNOWN_CLASSES = KnownClasses()


def _whole_plan(
    recipe: Recipe, runs: Sequence[MergeStep], shapes: Mapping[str, Mapping[str, Shape]], form: Hashable
) -> MergePlan:
    """The plan of a recipe of a new form, key by key; where its keys fall into classes, these are remembered."""
    folds, result = _folded(recipe, runs, shapes)
    if all(fold.has_classes for fold in folds):
        classes = key_classes(shapes, [fold.marks() for fold in folds], recipe.rules, result.shapes)
        _KNOWN_CLASSES.keep(form, shapes, classes)
    prepasses = {number: found for fold in folds for number, found in fold.prepass().items()}
    rows = {key: shared_row(row) for key, row in result.rows.items()}
    return MergePlan(models=tuple(shapes), rows=rows, shapes=result.shapes, prepasses=prepasses)


def _folded(
    recipe: Recipe, runs: Sequence[MergeStep], shapes: Mapping[str, Mapping[str, Shape]]
) -> tuple[list[_Fold], _FoldedModel]:
    """Fold the runs one over the other."""
    made = {name: _FoldedModel(rows=_every_key(model(name), keys), shapes=keys) for name, keys in shapes.items()}
    folds: list[_Fold] = []
    result = next(iter(made.values()))
    for number, run in enumerate(runs, start=1):
        folds.append(_Fold(recipe, number, run, [made[name] for name in run.models]))
        result = made[f"step{number}"] = folds[-1].folded()
    return folds, result


def _every_key(row: TensorRow, keys: Mapping[str, Shape]) -> dict[str, TensorRow]:
    return dict.fromkeys(keys, row)


class _Fold:
    """Folds one run over what its models are made of."""

    def __init__(self, recipe: Recipe, number: int, run: MergeStep, models: Sequence[_FoldedModel]) -> None:
        self._run, self._number, self._dialect = run, number, recipe.rules
        self._modes, self._mode = run.pair, run.pair.calculation
        self._family: FamilyName = recipe.family
        self._half = recipe.save == "fp16"
        self._a, self._b = models[:2]
        self._needed = models[2] if self._modes.needs_c else None
        self._subtracted = models[2] if self._modes.subtracts else None
        self._settings = RunSettings(run, self._family, self._dialect, self._a.shapes)
        self._sums: dict[tuple[tuple[int, float], ...], TensorRow] = {}
        self._kept: list[object] = []  # rows whose identity is remembered must live as long
        check_shapes(run, self._dialect, self._settings.touches, *(model.shapes for model in models))

    def folded(self) -> _FoldedModel:
        """The rows and shapes of the result."""
        rows = dict(self._a.rows)
        for key, ratios in self._settings.table.items():
            if self._may_change(key, ratios) and self._is_computed(key, ratios[0]):
                rows[key] = self._row(key, rows[key], ratios)
        more = appended(self._a.shapes, self._b.shapes, self._dialect)
        if not more:
            return _FoldedModel(rows=rows, shapes=self._a.shapes)
        rows |= {key: self._second(key) for key in more}
        return _FoldedModel(rows=rows, shapes={**self._a.shapes, **{key: self._b.shapes[key] for key in more}})

    @property
    def has_classes(self) -> bool:
        """Whether keys with equal marks have equal rows: a mode of somebody else may ask for the key itself."""
        return not self._mode.prepass and not self._mode.package

    def marks(self) -> dict[str, Hashable]:
        """See ``RunSettings.marks``."""
        return self._settings.marks()

    def prepass(self) -> dict[int, RunPrepass]:
        """What has to be found out first, if anything."""
        prepass = self._mode.prepass
        if prepass is None:
            return {}
        if prepass.compares:
            keys = [key for key in self._a.shapes if "model" in key and key in self._b.shapes]
            rows = tuple((key, (self._a.rows[key], self._second(key))) for key in keys if not self._mode.skips_key(key))
            return {self._number: RunPrepass(prepass=prepass, rows=rows, seed=self._run.seed or 0)}
        keys = [key for key, (alpha, _) in self._settings.table.items() if self._is_computed(key, alpha)]
        rows = tuple((key, (self._a.rows[key],)) for key in keys)
        half = self._half and NUMBERED.fullmatch(self._run.models[0]) is not None
        return {self._number: RunPrepass(prepass=prepass, rows=rows, seed=self._run.seed or 0, half=half)}

    # ------------------------------------------------------------------------------------------------ one key

    def _is_computed(self, key: str, alpha: float) -> bool:
        """Whether all the models that the run needs for a key have it, and the mode computes it."""
        third = self._needed is None or key in self._needed.shapes
        return third and key in self._b.shapes and self._settings.computes(key, alpha)

    def _may_change(self, key: str, ratios: Ratios) -> bool:
        """Whether anything but A's row can come out; most keys of a Self or an Adjust run are left in peace."""
        if self._run.adjust and key in ADJUSTED:
            return True
        return not (self._mode.linear and self._mode.leaves_a(*ratios))

    def _row(self, key: str, a: TensorRow, ratios: Ratios) -> TensorRow:
        b = self._second(key)
        models = (a, b, self._needed.rows[key] if self._needed else b)
        if self._mode.folded is None:
            found = self._summed(tuple(zip(models, self._modes.merge.weights(*ratios), strict=False)))
            return self._adjusted(key, self._widened(key, a, found))
        operands = self._operands(key, models, ratios)
        found = self._widened(key, a, self._mode.folded(operands))
        adjusted = self._adjusted(key, found)
        return self._mode.after_adjust.folded(operands, found, adjusted) if self._mode.after_adjust else adjusted

    def _operands(self, key: str, models: tuple[TensorRow, ...], ratios: Ratios) -> Operands[TensorRow]:
        return Operands(
            models=models,
            alpha=ratios[0],
            beta=ratios[1],
            gamma=self._run.gamma,
            key=key,
            shape=self._a.shapes[key],
            run=self._number if self._mode.prepass else 0,
        )

    def _widened(self, key: str, a: TensorRow, row: TensorRow) -> TensorRow:
        """The row; where A has further input channels, for B's channels alone, and A's row for the rest."""
        other = self._b.shapes[key]
        if self._mode.merges_inputs and input_channels(self._a.shapes[key], other):
            return calculated(first_channels, a, row, channels=other[1])
        return row

    def _second(self, key: str) -> TensorRow:
        """B, or B - C in Add difference."""
        b = self._b.rows[key]
        if self._subtracted is None or not is_subtracted(key, self._dialect):
            return b
        c = self._subtracted.rows.get(key)
        return _ZERO if c is None else self._summed(((b, 1.0), (c, -1.0)))

    def _adjusted(self, key: str, row: TensorRow) -> TensorRow:
        values = self._run.adjust
        if not values or key not in ADJUSTED:
            return row
        return shifted(row, shift(values, self._family)) if key == SHIFTED else scaled(row, factor(values, key))

    def _summed(self, parts: tuple[tuple[TensorRow, float], ...]) -> TensorRow:
        """``combined``, once for each set of equal parts: most keys of a block have the same."""
        mark = tuple((id(row), weight) for row, weight in parts)
        if mark not in self._sums:
            self._sums[mark] = combined(parts)
            self._kept.append(parts)
        return self._sums[mark]
