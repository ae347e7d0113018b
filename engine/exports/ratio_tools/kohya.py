"""A command line of ``tools/merge_models.py`` in kohya's sd-scripts: a weight for each model, over all or the UNet."""

from __future__ import annotations

from pathlib import Path

from engine.exports.content import ExportContent
from engine.exports.ratio_tools.block_slots import VAE
from engine.exports.ratio_tools.fitting.compared_tensors import linear_tensors, nonlinear_refusals
from engine.exports.ratio_tools.fitting.fit_refusals import refusals_of_fit
from engine.exports.ratio_tools.fitting.fitted_ratios import Fit, ToolRules, fitted
from engine.exports.ratio_tools.fitting.merge_forms import FreeSum, MergeForm
from engine.exports.target import ExportOptions, ExportTarget, Refusal, WrittenExport, write_files
from engine.exports.texts.shell_words import command_lines, plain_number
from engine.exports.texts.tool_text import beside, commented, head_lines, text_of, vae_notes

_TOOL = "kohya's merge_models.py"
_SLOT = "all tensors"
_UNET_SLOT = "the whole UNet"
_REST = (VAE, "cond_stage_model", "conditioner.")
"""Parts of the names that ``--unet_only`` leaves as they are in the first model."""
_SAVED = {"fp16": "fp16", "bf16": "bf16", "fp32": "float"}


def _unet_slot(key: str) -> str | None:
    return None if any(part in key for part in _REST) else _UNET_SLOT


_WHOLE = ToolRules(tool=_TOOL, slot_of=lambda _key: _SLOT, appends=False)
_UNET_ONLY = ToolRules(tool=_TOOL, slot_of=_unet_slot, appends=False)


def _forms(content: ExportContent) -> list[MergeForm]:
    """A weight for each model; which is the first says where what is not merged comes from."""
    models = content.recipe.models
    return [FreeSum((first, *(name for name in models if name != first))) for first in models]


def _fit(content: ExportContent, options: ExportOptions) -> tuple[Fit, ToolRules]:
    """The weights over all tensors, or over those of the UNet where these are nearer."""
    tensors = linear_tensors(content, options)
    fits = [(fitted(content, tensors, rules, _forms(content)), rules) for rules in (_WHOLE, _UNET_ONLY)]
    return min(fits, key=lambda one: len(one[0].wrong))


def _refusals(content: ExportContent, options: ExportOptions) -> tuple[Refusal, ...]:
    if found := nonlinear_refusals(content, options, _TOOL):
        return found
    fit, rules = _fit(content, options)
    return (*refusals_of_fit(fit, linear_tensors(content, options), rules), *_missing(content, fit, options))


def _missing(content: ExportContent, fit: Fit, options: ExportOptions) -> tuple[Refusal, ...]:
    """What a model lacks: the first one's tensor gets the weight of that model too, so two may be made whole by it."""
    first, *others = fit.form.models
    if len(others) == 1:
        return ()
    keys = linear_tensors(content, options).keys() & content.checkpoints[first].shapes.keys()
    lacking = tuple(key for key in keys if any(key not in content.checkpoints[name].shapes for name in others))
    what = f"{_TOOL} gives the first model the weights of those that lack a tensor"
    return (Refusal(what=what, keys=lacking),) if lacking else ()


def _command(content: ExportContent, options: ExportOptions, fit: Fit, rules: ToolRules, result: Path) -> list[str]:
    (ratio,) = fit.ratios.values()
    unet_only = ["--unet_only"] if rules is _UNET_ONLY else []
    saved = _SAVED.get(options.output.dtype, "fp16")
    return [
        *(
            "python",
            "tools/merge_models.py",
            "--models",
            *(str(content.models[name].absolute()) for name in fit.form.models),
        ),
        *("--ratios", *map(plain_number, ratio), *unet_only),
        *("--precision", "float", "--saving_precision", saved, "--output", str(result.absolute())),
    ]


def _write(content: ExportContent, out: Path, options: ExportOptions) -> WrittenExport:
    fit, rules = _fit(content, options)
    usage = command_lines(_command(content, options, fit, rules, beside(out, "kohya", ".safetensors")))
    notes = (
        "run it in the folder of sd-scripts, with PYTHONPATH set to that; the result names neither recipe nor models",
        "it writes position_ids as floating point numbers",
        *vae_notes(options),
    )
    lines = [*commented(head_lines(content, options, _TOOL)), *commented(notes), "", *usage]
    files = write_files({out: text_of(lines)}, overwrite=options.overwrite)
    return WrittenExport(files=files, notes=notes, usage=usage)


TARGET = ExportTarget(refusals=_refusals, write=_write)
"""The command line of kohya's merge_models.py."""
