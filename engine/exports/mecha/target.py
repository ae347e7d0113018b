"""A recipe as a .mecha file, with a small file beside it where Adjust adds numbers to a tensor."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from engine.architecture.prediction import PREDICTION_KEYS
from engine.checkpoints.checkpoint import named
from engine.exports.content import ExportContent
from engine.exports.linear import (
    heading,
    is_needed,
    nonlinear_refusals,
    shape_refusals,
    shift_file,
    suffix_refusals,
)
from engine.exports.mecha.config import CONFIGS
from engine.exports.mecha.graph import MechaGraph
from engine.exports.mecha.lines import SHIFT_FILE, VERSION
from engine.exports.target import ExportOptions, ExportTarget, Refusal, WrittenExport, write_files

MECHA = "1.1.8"
"""The release of sd-mecha that the files were run by."""
_DTYPES = {"fp16": "float16", "bf16": "bfloat16"}
"""What torch calls the dtypes; float32 is that of all others."""
_UNREADABLE = ("=", "\n", "\r")  # in the name of a model, even between quotation marks


def _refusals(content: ExportContent, _options: ExportOptions) -> list[Refusal]:
    if content.recipe.family not in CONFIGS:
        return [Refusal(what=f"sd-mecha {MECHA} knows no {content.recipe.family} models")]
    found = [*nonlinear_refusals(content), *suffix_refusals(content), *_name_refusals(content)]
    if content.nonlinear:
        return found
    found += shape_refusals(content, merged_alone=True)
    graph = MechaGraph(content)
    if lost := tuple(key for key in graph.lost if is_needed(key) or key in PREDICTION_KEYS):
        found.append(Refusal(what=f"sd-mecha {MECHA} would leave these tensors out", keys=lost))
    if graph.unreachable:
        what = f"the model {graph.base} lacks these tensors, and sd-mecha would make them of others"
        found.append(Refusal(what=what, keys=graph.unreachable))
    return found


def _name_refusals(content: ExportContent) -> Iterator[Refusal]:
    names = _names(content)
    if odd := [name for name in names.values() if any(sign in name for sign in _UNREADABLE)]:
        yield Refusal(what=f"it cannot read {', '.join(map(repr, odd))}: = must not be in the name of a model's file")
    links = [path.name for path in content.models.values() if path.resolve().suffix != ".safetensors"]
    if links:
        what = f"it opens what a link leads to, whose name must end in .safetensors: {', '.join(links)}"
        yield Refusal(what=what)


def _names(content: ExportContent) -> dict[str, str]:
    """What each model is called in the file: the name of its file, or its whole path where two files have one name."""
    paths = {name: content.models[name].absolute() for name in content.recipe.models}
    count = Counter(path.name for path in dict.fromkeys(paths.values()))
    return {name: path.name if count[path.name] == 1 else path.as_posix() for name, path in paths.items()}


def _write(content: ExportContent, out: Path, options: ExportOptions) -> WrittenExport:
    graph = MechaGraph(content)
    beside = out.with_name(f"{out.name.replace('=', '-')}{SHIFT_FILE}")
    lines = graph.instructions(_names(content), beside.name)
    text = "\n".join((VERSION, *heading(content, options), *lines.lines))  # sd-mecha stops at an empty last line
    files: dict[Path, str | bytes] = {out: text}
    if graph.shifts:
        files[beside] = shift_file(content, graph.shifts)
    return WrittenExport(
        files=write_files(files, overwrite=options.overwrite),
        tricks=tuple(_tricks(graph)),
        notes=tuple(_notes(content, graph, options)),
        usage=tuple(_usage(content, out, options)),
    )


def _tricks(graph: MechaGraph) -> Iterator[str]:
    if graph.shifts:
        yield f"what Adjust adds to {named(graph.shifts)} lies in the small file beside it, which must go with it"
    if not graph.is_pair:
        yield "the models are added to the first in sd-mecha's delta space, each with weights of its own"


def _notes(content: ExportContent, graph: MechaGraph, options: ExportOptions) -> Iterator[str]:
    names = _names(content)
    if any(os.sep in name or "/" in name for name in names.values()):
        yield "two models have files of one name, so the paths of this machine are in it: change them on another"
    else:
        yield "it names the models by their files' names: sd-mecha looks for them in the folders of sd_mecha.model_dirs"
    yield f"sd-mecha {MECHA} writes every tensor in one dtype, the whole numbers of position_ids too"
    if graph.lost:
        yield f"sd-mecha leaves out what it does not know, which no picture needs: {named(graph.lost)}"
    if options.output.vae:
        yield f"the VAE {options.output.vae.name} is not in it: choose it where pictures are made"


def _usage(content: ExportContent, out: Path, options: ExportOptions) -> Iterator[str]:
    folders = dict.fromkeys(
        str(path.absolute().parent) for path in (out, *(content.models[name] for name in content.recipe.models))
    )
    result = out.absolute().with_suffix(".safetensors")
    yield f"# in Python, after: pip install sd-mecha=={MECHA}"
    yield "import pathlib, sd_mecha, torch"
    yield from (f"sd_mecha.model_dirs.add_path({folder!r})" for folder in folders)
    yield f"recipe = sd_mecha.deserialize(pathlib.Path({str(out.absolute())!r}).read_text(encoding='utf-8'))"
    dtype = _DTYPES.get(options.output.dtype, "float32")
    yield f"sd_mecha.merge(recipe, output={str(result)!r}, output_dtype=torch.{dtype})"
    yield "# or in ComfyUI with comfy-mecha: paste the text into the node Mecha Deserializer"


TARGET = ExportTarget(refusals=_refusals, write=_write)
