"""Command lines of Chattiori-Model-Merger: block weights in one, Adjust in a second one.

Its elemental rules stop with an error, it has no Self, and it keeps A's VAE.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from engine.exports.content import ExportContent
from engine.exports.ratio_tools.block_slots import chattiori_slot
from engine.exports.ratio_tools.fitting.adjust_of_rows import Adjusted, without_adjust
from engine.exports.ratio_tools.fitting.compared_tensors import linear_tensors, nonlinear_refusals
from engine.exports.ratio_tools.fitting.fit_refusals import refusals_of_fit
from engine.exports.ratio_tools.fitting.fitted_ratios import Fit, ToolRules, fitted
from engine.exports.ratio_tools.fitting.merge_forms import AddDifference, pair_forms
from engine.exports.target import ExportOptions, ExportTarget, Refusal, WrittenExport, write_files
from engine.exports.texts.shell_words import command_lines, plain_number
from engine.exports.texts.tool_text import beside, commented, dtype_notes, head_lines, text_of, vae_notes
from engine.recipes.blocks import blocks_of

_TOOL = "Chattiori-Model-Merger"


def _rules(content: ExportContent) -> ToolRules:
    return ToolRules(tool=_TOOL, slot_of=partial(chattiori_slot, family=content.recipe.family))


def _fit(content: ExportContent, options: ExportOptions) -> tuple[Fit, Adjusted]:
    adjusted = without_adjust(content.recipe, linear_tensors(content, options))
    forms = pair_forms(content.recipe.models)
    return fitted(content, adjusted.tensors, _rules(content), forms), adjusted


def _refusals(content: ExportContent, options: ExportOptions) -> tuple[Refusal, ...]:
    if found := nonlinear_refusals(content, options, _TOOL):
        return found
    fit, adjusted = _fit(content, options)
    return refusals_of_fit(fit, adjusted.tensors, _rules(content), adjust=True)


def _commands(
    content: ExportContent, options: ExportOptions, fit: Fit, adjusted: Adjusted, result: str
) -> list[list[str]]:
    """The words of one or two commands; the result goes into the folder of the first model."""
    merges = len({*fit.form.models}) > 1
    first = content.models[fit.form.models[0]].absolute()
    half = ["--save_half"] if options.output.dtype == "fp16" else []
    found: list[list[str]] = []
    if merges:
        name = f"{result}-before-adjust" if adjusted.values else result
        found.append([*_merge_words(content, fit), *half, "--save_safetensors", f"--output={name}"])
        first = first.with_name(f"{name}.safetensors")
    if adjusted.values or not merges:
        fine = [f"--fine={','.join(map(plain_number, adjusted.values))}"] if adjusted.values else []
        words = [*_program("NoIn", first), str(first), "none", *fine, *half]
        found.append([*words, "--save_safetensors", f"--output={result}"])
    return found


def _merge_words(content: ExportContent, fit: Fit) -> list[str]:
    a, b, *c = (content.models[name].absolute() for name in fit.form.models)
    weights = [fit.ratios[slot][0] if slot in fit.ratios else 0.0 for slot in blocks_of(content.recipe.family)]
    third = [f"--model_2={c[0]}"] if c else []
    mode = "AD" if isinstance(fit.form, AddDifference) else "WS"
    return [*_program(mode, a), str(a), str(b), *third, f"--alpha={','.join(map(plain_number, weights))}"]


def _program(mode: str, first: Path) -> list[str]:
    return ["python", "merge.py", mode, str(first.parent)]


def _write(content: ExportContent, out: Path, options: ExportOptions) -> WrittenExport:
    fit, adjusted = _fit(content, options)
    result = beside(out, "chattiori", "").name
    usage = tuple(line for words in _commands(content, options, fit, adjusted, result) for line in command_lines(words))
    tricks = ("Adjust is a second command, on the result of the first",) if adjusted.values else ()
    notes = (
        *dtype_notes(_TOOL),
        f"run it in the folder of {_TOOL}, where mbwpresets_master.txt is; it asks before it replaces a file",
        *vae_notes(options),
    )
    lines = [*commented((*head_lines(content, options, _TOOL), *tricks, *notes)), "", *usage]
    files = write_files({out: text_of(lines)}, overwrite=options.overwrite)
    return WrittenExport(files=files, tricks=tricks, notes=notes, usage=usage)


TARGET = ExportTarget(refusals=_refusals, write=_write)
"""The command lines of Chattiori-Model-Merger."""
