"""A command line of meh (s1dlx/meh), the merger behind sd-webui-bayesian-merger."""

from __future__ import annotations

from pathlib import Path

from engine.exports.content import ExportContent
from engine.exports.ratio_tools.fitting.fitted_ratios import Fit
from engine.exports.ratio_tools.fitting.merge_forms import AddDifference
from engine.exports.ratio_tools.mbw_tools import mbw_fit, mbw_refusals, mbw_rules, unet_weights, weight_of, xl_notes
from engine.exports.target import ExportOptions, ExportTarget, Refusal, WrittenExport, write_files
from engine.exports.texts.shell_words import command_lines, plain_number
from engine.exports.texts.tool_text import beside, commented, dtype_notes, head_lines, text_of, vae_notes

_RULES = mbw_rules("meh")
_LETTERS = ("-a", "-b", "-c")


def _refusals(content: ExportContent, options: ExportOptions) -> tuple[Refusal, ...]:
    return mbw_refusals(content, options, _RULES, add_difference=True)


def command_of(content: ExportContent, options: ExportOptions, fit: Fit, result: Path) -> list[str]:
    """Return the words of the command.

    Args:
        content: the recipe with its models.
        options: the dtype of the result.
        fit: its weights.
        result: the new file; meh puts the ending behind the name.
    """
    method = "add_difference" if isinstance(fit.form, AddDifference) else "weighted_sum"
    words = ["python", "merge_models.py"]
    for letter, name in zip(_LETTERS, fit.form.models, strict=False):
        words += [letter, str(content.models[name].absolute())]
    words += ["-m", method, "-wa", unet_weights(fit), "-ba", plain_number(weight_of(fit, "BASE"))]
    precision = "16" if options.output.dtype == "fp16" else "32"
    return [
        *words,
        "-p",
        precision,
        "-d",
        "cpu",
        "-j",
        "1",
        "-f",
        "safetensors",
        "-o",
        str(result.absolute().with_suffix("")),
    ]


def _write(content: ExportContent, out: Path, options: ExportOptions) -> WrittenExport:
    fit = mbw_fit(content, options, _RULES, add_difference=True)
    usage = command_lines(command_of(content, options, fit, beside(out, "meh", ".safetensors")))
    notes = (
        *dtype_notes("meh"),
        "run it in the folder of meh; it writes position_ids as 0 to 76, whatever the models have",
        *xl_notes(content),
        *vae_notes(options),
    )
    lines = [*commented(head_lines(content, options, "meh")), *commented(notes), "", *usage]
    files = write_files({out: text_of(lines)}, overwrite=options.overwrite)
    return WrittenExport(files=files, notes=notes, usage=usage)


TARGET = ExportTarget(refusals=_refusals, write=_write)
"""The command line of meh."""
