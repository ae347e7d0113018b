"""The steps of a recipe as tables: for each, the models, the formula, and the ratios of every tensor."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from engine.exports.content import ExportContent
from engine.exports.script.tables import by_beginning
from engine.merging.compatibility import is_subtracted
from engine.merging.exact import Replayed, replayed_runs
from engine.modes.self_factor import SELF
from engine.modes.sums import ADD_DIFFERENCE, SUM_TWICE, TRIPLE_SUM, WEIGHT_SUM
from engine.modes.train_difference import TRAIN_DIFFERENCE
from engine.recipes.adjust import ADJUSTED, SCALED, SHIFTED, factor, shift
from engine.recipes.recipe import Recipe
from engine.recipes.steps import MergeStep

FURTHER_MODES = (TRAIN_DIFFERENCE.name,)
"""The calculation modes that scripts have beside the linear ones."""
_LEFT_ALONE = "None"
_BASES = {
    WEIGHT_SUM.name: "weight_sum",
    ADD_DIFFERENCE.name: "add_difference",
    TRIPLE_SUM.name: "triple_sum",
    SUM_TWICE.name: "sum_twice",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTable:
    """One step as a script has it.

    Attributes:
        what: the step for people.
        models: by name.
        formula: a function of ``engine.exports.script.parts.formulas``.
        inputs: what the formula is given: A, B, C or B - C.
        difference: the function that makes B - C; "" where none is needed.
        ratios: source text of ratios, by the beginnings of names.
        factors: of Adjust, by key.
        shifts: of Adjust, by key.
        halves: whether float32 is rounded to float16.
    """

    what: str
    models: tuple[str, ...]
    formula: str
    inputs: tuple[str, ...]
    difference: str = ""
    ratios: dict[str, str]
    factors: dict[str, float] = field(default_factory=dict[str, float])
    shifts: dict[str, tuple[float, ...]] = field(default_factory=dict[str, tuple[float, ...]])
    halves: bool = False

    @property
    def functions(self) -> tuple[str, ...]:
        """The names of the functions that it needs."""
        return (self.formula, self.difference) if self.difference else (self.formula,)


def step_tables(content: ExportContent) -> list[StepTable]:
    """Return the steps of a recipe of linear modes and ``FURTHER_MODES``; see ``replayed_runs`` for what it raises."""
    recipe = content.recipe
    results = replayed_runs(recipe, content.checkpoints)
    made = {**content.checkpoints, **{f"step{number}": result for number, result in enumerate(results, start=1)}}
    return [
        _table(recipe, run, result, list(made[run.models[1]].shapes))
        for run, result in zip(recipe.runs, results, strict=True)
    ]


def _table(recipe: Recipe, run: MergeStep, result: Replayed, keys_of_b: list[str]) -> StepTable:
    if result.only_rounds:
        ratios = {"": "1" if recipe.save == "fp16" else _LEFT_ALONE}
        return StepTable(what=_text(run), models=run.models, formula="halved", inputs=("A",), ratios=ratios)
    values = dict.fromkeys(keys_of_b, _LEFT_ALONE) | dict(_values(run, result)) | dict(_appended(recipe, run, result))
    computed = [key for key in (*SCALED, SHIFTED) if values.get(key, _LEFT_ALONE) != _LEFT_ALONE]
    factors = {key: number for key in computed if (number := factor(run.adjust, key)) != 1}
    return StepTable(
        what=_text(run),
        models=run.models,
        formula=_formula(recipe, run),
        inputs=_inputs(run),
        difference=_difference(recipe) if run.pair.subtracts else "",
        ratios=by_beginning(values),
        factors=factors,
        shifts={SHIFTED: shift(run.adjust, recipe.family)} if run.adjust and SHIFTED in computed else {},
        halves=recipe.rules.webui and recipe.save == "fp16",
    )


def _values(run: MergeStep, result: Replayed) -> Iterator[tuple[str, str]]:
    """The ratios of every key of A."""
    appended = frozenset(result.appended)
    both = run.pair.merge.beta and run.calculation != SELF.name
    for key in result.shapes:
        if key not in appended:
            ratios = result.ratios(key)
            if ratios is None or (run.calculation == SELF.name and ratios[0] == 1 and key not in ADJUSTED):
                yield key, _LEFT_ALONE
            else:
                yield key, repr(ratios if both else ratios[0])


def _appended(recipe: Recipe, run: MergeStep, result: Replayed) -> Iterator[tuple[str, str]]:
    """What the keys become that only B has."""
    for key in result.appended:
        subtracts = run.pair.subtracts and is_subtracted(key, recipe.rules)
        yield key, repr("B - C" if subtracts else "B")


def _inputs(run: MergeStep) -> tuple[str, ...]:
    if run.calculation == SELF.name:
        return ("A",)
    return ("A", "B - C") if run.pair.subtracts else ("A", "B", "C")[: run.pair.models]


def _difference(recipe: Recipe) -> str:
    return "difference_in_own_dtype" if recipe.rules.native_dtype else "difference"


def _formula(recipe: Recipe, run: MergeStep) -> str:
    """The function that has the arithmetic of the dialect."""
    rules = recipe.rules
    if run.calculation == SELF.name:
        return "multiplied"
    if run.calculation == TRAIN_DIFFERENCE.name:
        return "train_difference"
    name, own_dtype = _BASES[run.mode], rules.native_dtype or run.old_arithmetic
    if run.mode == WEIGHT_SUM.name and rules.webui:
        return "weight_sum_of_any_ratio"
    if run.mode == ADD_DIFFERENCE.name:
        own_dtype = rules.native_dtype
    if own_dtype:
        return f"{name}_in_own_dtype"
    return f"{name}_of_one_dtype" if rules.native_sums and run.mode in {ADD_DIFFERENCE.name, TRIPLE_SUM.name} else name


def _text(run: MergeStep) -> str:
    """A step in a line, for people."""
    if run.calculation == SELF.name:
        what = f"self: {run.models[0]} times factors"
    elif run.models[0] == run.models[1] and run.adjust:
        what = f"Adjust of {run.models[0]}"
    else:
        mode = run.mode if run.pair.calculation.linear else run.calculation
        what = f"{mode} of {', '.join(run.models)}"
    return f"{what}, with Adjust" if run.adjust and "Adjust" not in what else what
