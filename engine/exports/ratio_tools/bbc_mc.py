"""A preset of Merge Block Weighted (bbc-mc), the extension of the WebUI, with what to set beside it."""

from __future__ import annotations

from pathlib import Path

from engine.exports.content import ExportContent
from engine.exports.ratio_tools.mbw_tools import mbw_fit, mbw_refusals, mbw_rules, unet_weights, weight_of, xl_notes
from engine.exports.target import ExportOptions, ExportTarget, Refusal, WrittenExport, write_files
from engine.exports.texts.shell_words import plain_number
from engine.exports.texts.tool_text import beside, dtype_notes, head_lines, preset_name, text_of, vae_notes, webui_title

_TOOL = "Merge Block Weighted"
_RULES = mbw_rules(_TOOL)
_HEADER = "preset_name\tpreset_weights"


def _refusals(content: ExportContent, options: ExportOptions) -> tuple[Refusal, ...]:
    return mbw_refusals(content, options, _RULES, add_difference=False)


def _write(content: ExportContent, out: Path, options: ExportOptions) -> WrittenExport:
    fit = mbw_fit(content, options, _RULES, add_difference=False)
    name, weights = preset_name(content.title), unet_weights(fit)
    first, second = (webui_title(content, model) for model in fit.form.models)
    settings = (
        f"Model A: {first}",
        f"Model B: {second}",
        f"preset: {name} (weights {weights})",
        f"base_alpha: {plain_number(weight_of(fit, 'BASE'))}",
        "Skip/Reset CLIP position_ids: Skip",
        f"save as safetensors: on, save as half: {'on' if options.output.dtype == 'fp16' else 'off'}",
    )
    notes = (
        "a preset holds 25 weights; the base alpha is a setting of its own and stands beside it",
        *dtype_notes(_TOOL),
        *xl_notes(content),
        *vae_notes(options),
    )
    usage = (f"put the line of {out.name} into csv/preset.tsv of the extension, and set:", *settings)
    text = text_of([*head_lines(content, options, _TOOL), "", *usage, "", *notes])
    files = {out: text_of([_HEADER, f"{name}\t{weights}"]), beside(out, "bbc-mc", ".bbc-mc.txt"): text}
    return WrittenExport(files=write_files(files, overwrite=options.overwrite), notes=notes, usage=usage)


TARGET = ExportTarget(refusals=_refusals, write=_write)
"""The preset of Merge Block Weighted."""
