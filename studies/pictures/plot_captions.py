"""The caption of a plot: the block weights of every recipe in it, and whatever else the recipe does."""

from __future__ import annotations

from collections.abc import Iterator

from engine.recipes.recipe import Recipe
from engine.recipes.steps import AdjustStep, MergeStep, Ratio, SelfStep, Step, number
from engine.supermerger.weights import weights_line
from studies.pictures.plot_models import PlotModels


def caption(models: PlotModels) -> list[str]:
    """A paragraph for every recipe: its label on the axes, unless that is the weights themselves, then its steps."""
    named = zip(models.labels, models.sources, strict=True)
    return [_paragraph(label, source.made_by) for label, source in named]


def _paragraph(label: str, recipe: Recipe | None) -> str:
    runs = recipe.runs if recipe else ()
    in_label = any(isinstance(run.alpha, tuple) and _spaced_ratios(run.alpha) in label for run in runs)
    return _recipe_text(recipe) if in_label else f"{label}: {_recipe_text(recipe)}"


def _recipe_text(recipe: Recipe | None) -> str:
    if recipe is None:
        return "a checkpoint; its header holds no recipe"
    steps = ["; ".join(_step_texts(step)) for step in recipe.steps]
    if len(steps) == 1:
        return steps[0]
    return "  ".join(f"{place}) {text}" for place, text in enumerate(steps, start=1))


def _step_texts(step: Step) -> Iterator[str]:
    if isinstance(step, SelfStep):
        yield "Self " + ", ".join(f"{site} {number(factor)}" for site, factor in step.factors)
    elif isinstance(step, AdjustStep):
        yield f"Adjust {_spaced_ratios(step.values)}"
    else:
        yield from _run_texts(step)


def _run_texts(step: MergeStep) -> Iterator[str]:
    calculation = f", {step.calculation}" if step.calculation != "normal" else ""
    yield f"{step.mode}{calculation} of {', '.join(step.models)}, alpha {_spaced_ratios(step.alpha)}"
    if step.beta:
        yield f"beta {_spaced_ratios(step.beta)}"
    if step.elemental:
        yield "elemental " + ", ".join(part.strip() for part in step.elemental.replace("\n", ",").split(","))
    if step.adjust:
        yield f"Adjust {_spaced_ratios(step.adjust)}"
    if step.filter:
        yield f"{step.filter.kind} {' '.join([*step.filter.blocks, *step.filter.elements]) or 'nothing'}"


def _spaced_ratios(ratio: Ratio) -> str:
    """Numbers as SuperMerger's box takes them, with blanks where lines may break."""
    return weights_line(ratio).replace(",", ", ") if isinstance(ratio, tuple) else number(ratio)
