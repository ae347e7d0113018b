"""What to set in AUTOMATIC1111's Checkpoint Merger (Forge and reForge have the same): one multiplier for everything."""

from __future__ import annotations

from pathlib import Path

from engine.exports.content import ExportContent
from engine.exports.ratio_tools.fitting.compared_tensors import linear_tensors, nonlinear_refusals
from engine.exports.ratio_tools.fitting.fit_refusals import refusals_of_fit
from engine.exports.ratio_tools.fitting.fitted_ratios import Fit, ToolRules, fitted
from engine.exports.ratio_tools.fitting.merge_forms import AddDifference, pair_forms
from engine.exports.target import ExportOptions, ExportTarget, Refusal, WrittenExport, write_files
from engine.exports.texts.shell_words import plain_number
from engine.exports.texts.tool_text import dtype_notes, head_lines, text_of, vae_notes, webui_title
from engine.recipes.blocks import takes_part
from engine.recipes.dialects import WEBUI_DIALECT, dialect_of
from engine.supermerger.instructions import instructions

_TOOL = "AUTOMATIC1111's Checkpoint Merger"
_SLOT = "all tensors"
_PLACES = ("Primary model (A)", "Secondary model (B)", "Tertiary model (C)")


def _slot(key: str) -> str | None:
    return _SLOT if takes_part(key, dialect_of(WEBUI_DIALECT)) else None


_RULES = ToolRules(tool=_TOOL, slot_of=_slot, appends=False)


def _fit(content: ExportContent, options: ExportOptions) -> Fit:
    return fitted(content, linear_tensors(content, options), _RULES, pair_forms(content.recipe.models))


def _refusals(content: ExportContent, options: ExportOptions) -> tuple[Refusal, ...]:
    if content.recipe.rules.webui:  # it is this merger's own
        return ()
    if found := nonlinear_refusals(content, options, _TOOL):
        return found
    return refusals_of_fit(_fit(content, options), linear_tensors(content, options), _RULES)


def _settings(content: ExportContent, options: ExportOptions) -> tuple[str, ...]:
    fit = _fit(content, options)
    copied = len({*fit.form.models}) == 1
    method = "Add difference" if isinstance(fit.form, AddDifference) else "Weighted sum"
    models = fit.form.models[:1] if copied else fit.form.models
    return (
        *(f"{place}: {webui_title(content, name)}" for place, name in zip(_PLACES, models, strict=False)),
        f"Interpolation Method: {'No interpolation' if copied else method}",
        *(() if copied else (f"Multiplier (M): {plain_number(fit.ratios[_SLOT][0])}",)),
        "Checkpoint format: safetensors",
        f"Save as float16: {'on' if options.output.dtype == 'fp16' else 'off'}",
        *((f"Bake in VAE: {options.output.vae.name}",) if options.output.vae else ()),
    )


def _tricks(fit: Fit) -> tuple[str, ...]:
    """What a multiplier needs that its slider does not reach."""
    if 0 <= fit.ratios[_SLOT][0] <= 1:
        return ()
    file = "ui-config.json (modelmerger/Multiplier)"
    return (f"the slider ends at 0 and 1: give its minimum and maximum in {file} other numbers",)


def _write(content: ExportContent, out: Path, options: ExportOptions) -> WrittenExport:
    own = content.recipe.rules.webui
    arithmetic = "exact" if own else "folded"
    titles = {name: webui_title(content, name) for name in content.recipe.models}
    usage = tuple(instructions(content.recipe, titles).split("\n")) if own else _settings(content, options)
    tricks = () if own else _tricks(_fit(content, options))
    notes = (*(() if own else dtype_notes(_TOOL)), *vae_notes(options))
    text = text_of(
        [
            *head_lines(content, options, _TOOL, arithmetic),
            "",
            *usage,
            *(["", *tricks, *notes] if tricks or notes else []),
        ]
    )
    files = write_files({out: text}, overwrite=options.overwrite)
    return WrittenExport(files=files, arithmetic=arithmetic, tricks=tricks, notes=notes, usage=usage)


TARGET = ExportTarget(refusals=_refusals, write=_write)
"""The settings of AUTOMATIC1111's Checkpoint Merger."""
