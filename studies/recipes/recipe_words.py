"""A recipe as pages and cards say it: rows of block weights, which blocks lean where, Self, Adjust, lines to paste."""

from __future__ import annotations

from dataclasses import dataclass

from engine.recipes.recipe import Recipe
from engine.recipes.steps import FORMS, AdjustStep, MergeStep, Ratio, SelfStep
from engine.supermerger.fields import fields_of
from engine.supermerger.runs import joined_runs

LEANS = 0.65
"""The share of one model from which a block leans to it."""
MOST_BLOCKS = 26
"""The most blocks that are named in words; a row of more is only drawn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightRow:
    """The ratios of one step of a recipe."""

    models: tuple[str, ...]
    mode: str
    alpha: tuple[tuple[str, float], ...]
    """Ratio by block, BASE first."""
    beta: tuple[tuple[str, float], ...] = ()
    """The same of the second ratio; empty where the mode takes none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lean:
    """Neighbouring blocks that come mostly from one model."""

    first: str
    last: str
    model: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeWords:
    """A recipe, taken apart for people."""

    rows: tuple[WeightRow, ...]
    leans: tuple[Lean, ...]
    """Of the first row, UNet blocks only."""
    factors: tuple[tuple[str, float], ...]
    """Self mode: factor by site."""
    adjust: tuple[tuple[str, float], ...]
    """Adjust: value by field, those that are 0 left out."""
    runs: tuple[RunText, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunText:
    """One run of SuperMerger, as lines to paste."""

    title: str
    """Merge mode and calculation mode."""
    lines: tuple[tuple[str, str], ...]
    """Field and text."""


def recipe_words(recipe: Recipe) -> RecipeWords:
    """Take a recipe apart."""
    rows = tuple(_row(step, recipe) for step in recipe.steps if isinstance(step, MergeStep))
    return RecipeWords(
        rows=rows,
        leans=_leans(rows[0]) if rows and rows[0].mode == "Weight sum" else (),
        factors=tuple(
            (str(site), factor) for step in recipe.steps if isinstance(step, SelfStep) for site, factor in step.factors
        ),
        adjust=tuple(
            (field, value)
            for step in recipe.steps
            if isinstance(step, AdjustStep)
            for field, value in zip(recipe.rules.adjust_fields, step.values, strict=False)
            if value
        ),
        runs=_run_texts(recipe),
    )


def _row(step: MergeStep, recipe: Recipe) -> WeightRow:
    beta = _by_block(step.beta, recipe) if "beta" not in step.unused else ()
    return WeightRow(models=step.models, mode=step.mode, alpha=_by_block(step.alpha, recipe), beta=beta)


def _by_block(ratio: Ratio, recipe: Recipe) -> tuple[tuple[str, float], ...]:
    if isinstance(ratio, tuple):
        return tuple(zip(FORMS[len(ratio)], ratio, strict=True))
    blocks = next(form for size, form in FORMS.items() if size == (20 if recipe.family == "sdxl" else 26))
    return tuple((block, ratio) for block in blocks)


def _leans(row: WeightRow) -> tuple[Lean, ...]:
    if len(row.alpha) > MOST_BLOCKS:
        return ()
    first, second = row.models[:2]
    found: list[Lean] = []
    before = ""
    for block, ratio in row.alpha[1:]:
        model = second if ratio >= LEANS else first if ratio <= 1 - LEANS else ""
        if model and model == before:
            found[-1] = Lean(first=found[-1].first, last=block, model=model)
        elif model:
            found.append(Lean(first=block, last=block, model=model))
        before = model
    return tuple(found)


def _run_texts(recipe: Recipe) -> tuple[RunText, ...]:
    texts: list[RunText] = []
    for run in joined_runs(recipe):
        fields = fields_of(run.step, recipe.rules, recipe.family)
        lines = {
            "weights alpha" if fields.mbw else "alpha": fields.weights_alpha if fields.mbw else f"{fields.alpha:g}",
            "weights beta": fields.weights_beta,
            "elemental": fields.elemental,
            "Adjust": fields.adjust,
        }
        title = f"{fields.mode}, {fields.calculation}"
        texts.append(RunText(title=title, lines=tuple((name, text) for name, text in lines.items() if text)))
    return tuple(texts)
