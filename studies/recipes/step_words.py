"""A step of a recipe in a few words: what is merged, and how much of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from engine.recipes.steps import AdjustStep, MergeStep, Ratio, SelfStep, Step, number
from engine.supermerger.weights import weights_line

RatioText = Callable[[Ratio], str]
"""Writes the ratios of a run."""


def short_ratios(ratio: Ratio) -> str:
    """Return ratios for people: one number where all blocks but BASE have it, such as "0.3 (BASE 0)"."""
    if not isinstance(ratio, tuple) or len({*ratio[1:]}) > 1:
        return spaced_ratios(ratio)
    base, block = number(ratio[0]), number(ratio[-1])
    return block if base == block else f"{block} (BASE {base})"


def step_words(step: Step, ratios: RatioText = short_ratios) -> str:
    """Return what a step does: "Weight sum of A, B, alpha 0.3"."""
    return "; ".join(_step_texts(step, ratios))


def spaced_ratios(ratio: Ratio) -> str:
    """Return numbers as SuperMerger's box takes them, with blanks where lines may break."""
    return weights_line(ratio).replace(",", ", ") if isinstance(ratio, tuple) else number(ratio)


def _step_texts(step: Step, ratios: RatioText) -> Iterator[str]:
    if isinstance(step, SelfStep):
        yield "Self " + ", ".join(f"{site} {number(factor)}" for site, factor in step.factors)
    elif isinstance(step, AdjustStep):
        yield f"Adjust {spaced_ratios(step.values)}"
    else:
        yield from _run_texts(step, ratios)


def _run_texts(step: MergeStep, ratios: RatioText) -> Iterator[str]:
    calculation = f", {step.calculation}" if step.calculation != "normal" else ""
    yield f"{step.mode}{calculation} of {', '.join(step.models)}, alpha {ratios(step.alpha)}"
    if step.beta:
        yield f"beta {ratios(step.beta)}"
    if step.elemental:
        yield "elemental " + ", ".join(part.strip() for part in step.elemental.replace("\n", ",").split(","))
    if step.adjust:
        yield f"Adjust {spaced_ratios(step.adjust)}"
    if step.filter:
        yield f"{step.filter.kind} {' '.join([*step.filter.blocks, *step.filter.elements]) or 'nothing'}"
