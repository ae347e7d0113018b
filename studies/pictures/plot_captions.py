"""The caption of a plot: the block weights of every recipe in it, and whatever else the recipe does."""

from __future__ import annotations

from engine.recipes.recipe import Recipe
from studies.pictures.plot_models import PlotModels
from studies.recipes.step_words import spaced_ratios, step_words


def caption(models: PlotModels) -> list[str]:
    """A paragraph for every recipe: its label on the axes, unless that is the weights themselves, then its steps."""
    named = zip(models.labels, models.sources, strict=True)
    return [_paragraph(label, source.made_by) for label, source in named]


def _paragraph(label: str, recipe: Recipe | None) -> str:
    runs = recipe.runs if recipe else ()
    in_label = any(isinstance(run.alpha, tuple) and spaced_ratios(run.alpha) in label for run in runs)
    return _recipe_text(recipe) if in_label else f"{label}: {_recipe_text(recipe)}"


def _recipe_text(recipe: Recipe | None) -> str:
    if recipe is None:
        return "a checkpoint; its header holds no recipe"
    steps = [step_words(step, spaced_ratios) for step in recipe.steps]
    if len(steps) == 1:
        return steps[0]
    return "  ".join(f"{place}) {text}" for place, text in enumerate(steps, start=1))
