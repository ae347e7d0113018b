"""Settings of Model Mixer (wkpark/sd-webui-model-mixer) to paste as generation parameters, and presets."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from engine.architecture.widths import UNET
from engine.exports.content import ExportContent
from engine.exports.ratio_tools.fitting.adjust_of_rows import Adjusted, without_adjust
from engine.exports.ratio_tools.fitting.compared_tensors import linear_tensors, nonlinear_refusals
from engine.exports.ratio_tools.fitting.equal_tensors import EqualTensors
from engine.exports.ratio_tools.fitting.fitted_ratios import LinearTensor
from engine.exports.ratio_tools.fitting.merge_forms import total
from engine.exports.ratio_tools.model_mixer_stages import EXTRA, SELF_SKIPS, Stage, Stages, mixer_slot, stages_of
from engine.exports.target import ExportOptions, ExportTarget, Refusal, WrittenExport, write_files
from engine.exports.texts.shell_words import plain_number
from engine.exports.texts.tool_text import beside, head_lines, preset_name, text_of, vae_notes, webui_title
from engine.recipes.adjust import ADJUSTED

_TOOL = "Model Mixer"
_HEADER = "preset_name\tpreset_weights"
_USUAL_SLOTS = 3  # as many models as its settings allow at first, beside A
_CLOSE = 1e-9
_LABEL = f"{UNET}label_emb."


def _staged(content: ExportContent, options: ExportOptions) -> tuple[Stages, Adjusted]:
    adjusted = without_adjust(content.recipe, linear_tensors(content, options))
    return stages_of(content, adjusted.tensors), adjusted


def _refusals(content: ExportContent, options: ExportOptions) -> tuple[Refusal, ...]:
    if found := nonlinear_refusals(content, options, _TOOL):
        return found
    staged, adjusted = _staged(content, options)
    groups: dict[str, list[str]] = defaultdict(list)
    for key in staged.wrong:
        groups[_reason(content, key, adjusted.tensors[key])].append(key)
    if unsure := _unsure(content, staged, adjusted):
        groups[f"versions of {_TOOL} differ in label_emb: some merge it with the last weight, others keep A's"] = unsure
    return tuple(Refusal(what=what, keys=tuple(keys)) for what, keys in groups.items())


def _unsure(content: ExportContent, staged: Stages, adjusted: Adjusted) -> list[str]:
    """The tensors of ``label_emb`` that are not A's."""
    equal = EqualTensors(content.checkpoints)
    found = {key: tensor for key, tensor in adjusted.tensors.items() if key.startswith(_LABEL)}
    return [
        key
        for key, tensor in found.items()
        if key not in staged.wrong and equal.joined(key, tensor.weights) != equal.joined(key, {staged.first: 1.0})
    ]


def _reason(content: ExportContent, key: str, tensor: LinearTensor) -> str:
    slot = mixer_slot(key, content.recipe.family)
    if slot is None:
        return f"{_TOOL} never merges {'the VAE' if key.startswith('first_stage_model.') else 'these'}"
    if tensor.shift or abs(total(tensor.weights) - 1) > _CLOSE:
        if key in ADJUSTED:
            return f"{_TOOL} has Adjust as the last step alone"
        return f"{_TOOL}'s Self never multiplies by 0, nor what has {', '.join(SELF_SKIPS)} in its name"
    if slot == EXTRA:
        return f"{_TOOL} has no ratio for time_embed, label_emb and the output layer but the last weight"
    return f"{_TOOL} has no sums, one after the other, that make these"


def _parameters(content: ExportContent, staged: Stages, adjusted: Adjusted) -> Iterator[tuple[str, str]]:
    """The settings as the names and values of generation parameters."""
    yield "model a", webui_title(content, staged.first)
    yield "max models", str(max(len(staged.stages), _USUAL_SLOTS))
    if adjusted.values:
        yield "adjust", ",".join(map(plain_number, adjusted.values))
    if bases := [stage.base for stage in staged.stages if stage.base]:
        yield "base model", webui_title(content, bases[0])
    for letter, stage in zip("bcdefghijklmno", staged.stages, strict=False):
        for name, value in _stage_parameters(content, stage):
            yield f"{name} {letter}", value


def _stage_parameters(content: ExportContent, stage: Stage) -> Iterator[tuple[str, str]]:
    yield "use model", "True"
    yield "model", webui_title(content, stage.model)
    yield "merge mode", stage.mode
    yield "calcmode", "Normal"
    yield "alpha", "0.5"  # block weights take its place
    yield "mbw mode", "True"
    yield "mbw", "ALL"
    yield "mbw weights", _weights_text(stage)
    yield "use elemental", str(bool(stage.rules))
    if stage.rules:
        yield "elemental", stage.rules


def _weights_text(stage: Stage) -> str:
    return ",".join(map(plain_number, stage.weights))


def _quoted(value: str) -> str:
    """A value as the WebUI writes it among generation parameters."""
    return json.dumps(value, ensure_ascii=False) if any(mark in value for mark in ',\n:"') else value


def pasted_line(content: ExportContent, staged: Stages, adjusted: Adjusted) -> str:
    """Return the line to paste into the prompt and to read with the arrow below "Generate"."""
    found = _parameters(content, staged, adjusted)
    return ", ".join(f"ModelMixer {name}: {_quoted(value)}" for name, value in found)


def _presets(content: ExportContent, stages: Sequence[Stage]) -> list[str]:
    name = preset_name(content.title)
    sums = [stage for stage in stages if stage.mode != "Self"]
    endings = [f"-{number}" if len(sums) > 1 else "" for number in range(1, len(sums) + 1)]
    return [f"{name}{ending}\t{_weights_text(stage)}" for ending, stage in zip(endings, sums, strict=True)]


def _write(content: ExportContent, out: Path, options: ExportOptions) -> WrittenExport:
    staged, adjusted = _staged(content, options)
    presets = _presets(content, staged.stages)
    tricks = (
        ("Self is a model slot of its own, with A once more",)
        if staged.stages[-1:] and staged.stages[-1].mode == "Self"
        else ()
    )
    notes = (
        "its option Merge Extra Elements must be on, as it is at first, and Use old Adjust method off",
        "it rounds to the dtype of the files after every slot and Adjust: with fp16 ones some last bits are off",
        *(
            [f"set Maximum Merge models to {len(staged.stages)} in its settings first"]
            if len(staged.stages) > _USUAL_SLOTS
            else []
        ),
        *vae_notes(options),
    )
    usage = (
        "paste the line into the empty prompt, press the arrow that reads it, and tick Enable Model Mixer",
        *(("or put the presets into data/mbwpresets.tsv of the extension",) if presets else ()),
    )
    line = pasted_line(content, staged, adjusted)
    files = {out: text_of([*head_lines(content, options, _TOOL), "", *tricks, *notes, *usage, "", line])}
    if presets:
        files[beside(out, "model-mixer", ".model-mixer.tsv")] = text_of([_HEADER, *presets])
    written = write_files(files, overwrite=options.overwrite)
    return WrittenExport(files=written, tricks=tricks, notes=notes, usage=usage)


TARGET = ExportTarget(refusals=_refusals, write=_write)
"""Model Mixer's settings."""
