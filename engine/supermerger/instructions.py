"""A recipe as what to set and paste in SuperMerger (AUTOMATIC1111 extension), run by run.

One for AUTOMATIC1111's own merger is told as what to set there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from engine.architecture.widths import FamilyName
from engine.modes.sums import ADD_DIFFERENCE, WEIGHT_SUM
from engine.recipes.dialects import Dialect
from engine.recipes.recipe import Recipe
from engine.recipes.steps import NUMBERED, MergeStep, number
from engine.supermerger.fields import OLD_ARITHMETIC, RunFields, fields_of
from engine.supermerger.runs import Run, joined_runs

_WEBUI_MODELS = ("Primary model (A)", "Secondary model (B)", "Tertiary model (C)")
_WEBUI_METHODS = {WEIGHT_SUM.name: "Weighted sum", ADD_DIFFERENCE.name: "Add difference"}
_XL_NAMES = "elemental rules call the blocks of SDXL by the 26 names in order, so M00 is IN09 there and OUT00 is IN10"


def instructions(recipe: Recipe, models: Mapping[str, str] | None = None) -> str:
    """What to set in SuperMerger for every run, and the texts to paste.

    An adjust step goes into the run before it where that makes the same model.

    Args:
        recipe: any recipe.
        models: what to call its models, by name; file names, say.

    Returns:
        Lines for people, no newline at the end.
    """
    runs = joined_runs(recipe)
    if recipe.rules.webui:
        return "\n".join(_webui_lines(recipe, runs, models or {}))
    lines = _title(recipe.rules, recipe.family)
    for place, run in enumerate(runs, start=1):
        half = recipe.save == "fp16"
        lines += ["", _heading(place, run, len(runs))]
        lines += [f"  {line}" for line in _lines(run, recipe, models or {}, half=half)]
    return "\n".join(lines)


def _webui_lines(recipe: Recipe, runs: Sequence[Run], models: Mapping[str, str]) -> Iterator[str]:
    """What to set in AUTOMATIC1111's Checkpoint Merger, in its words."""
    yield f"Checkpoint Merger of {recipe.rules.commit}, not SuperMerger"
    for place, run in enumerate(runs, start=1):
        step = run.step
        copied = len({*step.models}) == 1 and step.alpha == 0
        yield from ("", _heading(place, run, len(runs)))
        for label, name in zip(_WEBUI_MODELS, step.models[:1] if copied else step.models, strict=False):
            yield f"  {label}: {_model_text(name, models)}"
        yield f"  Interpolation Method: {'No interpolation' if copied else _WEBUI_METHODS[step.mode]}"
        if not copied and not isinstance(step.alpha, tuple):
            yield f"  Multiplier (M): {number(step.alpha)}"
        yield f"  Save as float16: {'on' if recipe.save == 'fp16' else 'off'}"


def _title(dialect: Dialect, family: FamilyName) -> list[str]:
    """The dialect and what it means for this recipe."""
    patch = ", with the block names of SD1 put back" if dialect.name == "head_patched" else ""
    return [
        f"SuperMerger, dialect {dialect.name} ({family}; commit {dialect.commit}{patch})",
        *_meaning(dialect, family),
    ]


def _meaning(dialect: Dialect, family: FamilyName) -> Iterator[str]:
    yield "  text encoder and VAE go with BASE; other versions make other models of the same words"
    if family == "sdxl":
        merged = f"go with {dialect.xl_embeddings}" if dialect.xl_embeddings else "are never merged"
        yield f"  time_embed and label_emb {merged}; {_XL_NAMES}"
    else:
        yield f"  time_embed goes with {dialect.time_embed}"
    if dialect.self_skips:
        skipped = ", ".join(dialect.self_skips)
        yield f"  Self leaves keys with {skipped} in their names alone, and a factor of 0 does nothing"
    else:
        yield "  Self multiplies every key, and a factor of 0 makes it 0"
    yield f"  Adjust has {len(dialect.adjust_fields)} fields: {', '.join(dialect.adjust_fields)}"


def _heading(place: int, run: Run, count: int) -> str:
    name = f", which makes {run.name}" if run.name else ""
    kept = f" (keep its result: run {run.used_by} takes it)" if run.used_by and place < count else ""
    return f"Run {place}{name}{kept}"


def _lines(run: Run, recipe: Recipe, models: Mapping[str, str], *, half: bool) -> Iterator[str]:
    fields = fields_of(run.step, recipe.rules, recipe.family)
    for letter, name in zip("ABC", fields.models, strict=True):
        if name:
            yield f"Model {letter}: {_model_text(name, models)}"
    yield f"merge mode: {fields.mode}"
    yield f"calculation mode: {fields.calculation}"
    yield from _ratio_lines(fields, run.step)
    if fields.elemental:
        yield "elemental merge:"
        yield from (f"  {line}" for line in fields.elemental.split("\n"))
    if fields.adjust:
        yield f"Adjust: {fields.adjust}"
    yield from _more_lines(fields, run.step)
    yield "save: safetensors, fp16" if half else "save: safetensors, without fp16"


def _model_text(name: str, models: Mapping[str, str]) -> str:
    if NUMBERED.fullmatch(name):
        return f"the result of run {name.removeprefix('step')}"
    return f"{name}, {models[name]}" if name in models else name


def _ratio_lines(fields: RunFields, step: MergeStep) -> Iterator[str]:
    yield f"use MBW: {'on' if fields.mbw else 'off'}"
    if fields.mbw:
        yield f"weights (BASE first): {fields.weights_alpha}"
    else:
        yield f"alpha: {number(fields.alpha)}"
    if fields.mbw and step.pair.beta_by_block:
        yield f"weights beta (BASE first): {fields.weights_beta}"
    elif step.pair.uses_beta:
        yield f"beta: {number(fields.beta)}"


def _more_lines(fields: RunFields, step: MergeStep) -> Iterator[str]:
    mode = step.pair.calculation
    if mode.gamma:
        yield f"gamma: {number(fields.gamma)}"
    if step.filter:
        yield f"{fields.filter_mode}: blocks {', '.join(step.filter.blocks) or 'none'}"
        yield f"{fields.filter_mode}: elements {','.join(step.filter.elements) or 'none'}"
    if fields.seed is not None:
        yield f"seed: {fields.seed}" + (f" ({mode.seed_note})" if mode.seed_note else "")
    if fields.extended:
        yield "use extended XL: on"
    if fields.old_arithmetic:
        yield f"{OLD_ARITHMETIC}: on"
