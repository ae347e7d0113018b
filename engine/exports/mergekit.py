"""A recipe as a YAML file for mergekit-pytorch, with a small file beside it where Adjust adds numbers to a tensor."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from engine.architecture.prediction import PREDICTION_KEYS
from engine.checkpoints.checkpoint import FLOATS, named
from engine.errors import RecipeError
from engine.exports.content import ExportContent
from engine.exports.filters import Filters, filters_of
from engine.exports.linear import (
    heading,
    is_needed,
    nonlinear_refusals,
    rounded,
    shape_refusals,
    shift_file,
    shifts_of,
    suffix_refusals,
    weight_text,
)
from engine.exports.target import ExportOptions, ExportTarget, Refusal, WrittenExport, write_files

MERGEKIT = "0.1.5"
"""The release of mergekit that the files were run by."""
_DTYPES = {"fp16": "float16", "bf16": "bfloat16"}
"""What mergekit calls the dtypes; float32 is that of all others."""
_SIGNS = re.compile(r'[ "@+]')
"""What must not be in the path of a model: mergekit stops with an error about circles, or takes a part for a LoRA."""
_PLAIN = re.compile(r"[a-z][a-zA-Z0-9_.]*")
"""What needs no quotation marks in YAML."""


def _refusals(content: ExportContent, _options: ExportOptions) -> list[Refusal]:
    found = [*nonlinear_refusals(content), *suffix_refusals(content), *_name_refusals(content)]
    found += shape_refusals(content, merged_alone=False)
    wrong = (
        ("mergekit copies whole numbers only where all models have the same", _other_numbers(content)),
        ("mergekit would write these tensors too, which the result lacks", _unwanted(content)),
    )
    return [*found, *(Refusal(what=what, keys=keys) for what, keys in wrong if keys)]


def _name_refusals(content: ExportContent) -> Iterator[Refusal]:
    if bad := [name for name in map(content.file_name, content.recipe.models) if _is_bad(name)]:
        yield Refusal(what=f'it fails where the name of a model has a space, ", @ or +; rename {", ".join(bad)}')
    odd = tuple(key for key in content.plan.rows if len(_stored_names(content, key)) > 1)
    if odd:
        yield Refusal(what="these tensors have another name in another model, an old file: save it anew", keys=odd)


def _stored_names(content: ExportContent, key: str) -> set[str]:
    return {model.stored_name(key) for model in content.checkpoints.values() if key in model.shapes}


def _other_numbers(content: ExportContent) -> tuple[str, ...]:
    """The tensors of whole numbers, of all models, that are not the same in all that have them."""
    import torch  # exports of texts do without

    models = content.checkpoints.values()
    keys = dict.fromkeys(
        key for model in models for key, info in model.tensors.items() if info.dtype not in (*FLOATS, "F64")
    )
    stored = {key: [model.read(key) for model in models if key in model.shapes] for key in keys}
    return tuple(
        key
        for key, (first, *others) in stored.items()
        if any(other.dtype != first.dtype or not torch.equal(other, first) for other in others)
    )


def _extras(content: ExportContent) -> dict[str, str]:
    """The tensors that the result lacks, and the first model that has each; mergekit writes whatever any model has."""
    rows = content.plan.rows
    found: dict[str, str] = {}
    for name, model in content.checkpoints.items():
        found |= {key: name for key in model.shapes if key not in rows and key not in found}
    return found


def _unwanted(content: ExportContent) -> tuple[str, ...]:
    return tuple(key for key in _extras(content) if is_needed(key) or key in PREDICTION_KEYS)


def _write(content: ExportContent, out: Path, options: ExportOptions) -> WrittenExport:
    shifts = shifts_of(content, content.plan.rows)
    beside = out.with_name(f"{_SIGNS.sub('-', out.name.removesuffix('.yaml'))}-shifts.safetensors")
    paths = [content.models[name].absolute() for name in content.recipe.models]
    base = _base([*paths, beside.absolute()], out)
    text = [*heading(content, options), *_settings(options), *_models(content, base)]
    files: dict[Path, str | bytes] = {}
    if shifts:
        names = {next(iter(_stored_names(content, key))): values for key, values in shifts.items()}
        files[beside] = shift_file(content, names)
        text += _model_lines(_called(beside.absolute(), base), (("", 1.0),))
    files = {out: "\n".join([*text, ""]), **files}
    return WrittenExport(
        files=write_files(files, overwrite=options.overwrite),
        tricks=tuple(_tricks(shifts)),
        notes=tuple(_notes(content, base, options)),
        usage=tuple(_usage(out, base)),
    )


def _is_bad(path: str) -> bool:
    return _SIGNS.search(path) is not None


def _base(paths: Sequence[Path], out: Path) -> Path | None:
    """The folder that the command must be run in, where whole paths cannot be written; else none.

    Raises:
        RecipeError: no path that mergekit can read leads to a file from there either.
    """
    if not any(_is_bad(str(path)) for path in paths):
        return None
    base = out.absolute().parent
    if bad := [str(path) for path in paths if _is_bad(_called(path, base))]:
        raise RecipeError(
            f"mergekit cannot read a path with a space, a quotation mark, @ or +: {', '.join(bad)}",
            remedy="write the export into the folder of the models, or rename their folders",
        )
    return base


def _called(path: Path, base: Path | None) -> str:
    """What a file is called in the YAML file: its whole path, or that from a folder."""
    return os.path.relpath(path, base) if base and path.anchor == base.anchor else str(path)


def _settings(options: ExportOptions) -> Iterator[str]:
    yield "merge_method: linear"
    yield "dtype: float32"
    yield f"out_dtype: {_DTYPES.get(options.output.dtype, 'float32')}"
    yield "parameters: {normalize: false}"
    yield "models:"


def _models(content: ExportContent, base: Path | None) -> Iterator[str]:
    """The models, one for each file: recipes may call one file by two names."""
    paths = {name: content.models[name].absolute() for name in content.recipe.models}
    for path in dict.fromkeys(paths.values()):
        names = [name for name, other in paths.items() if other == path]
        yield from _model_lines(_called(path, base), filters_of(_weights(content, names)))


def _weights(content: ExportContent, names: list[str]) -> dict[str, float]:
    """The weight of one file in every tensor that it has, by the tensor's name in it."""
    rows, extras = content.plan.rows, _extras(content)
    model = content.checkpoints[names[0]]
    found: dict[str, float] = {}
    for key in model.shapes:
        row = content.weights(key) if key in rows else {extras[key]: 1.0}
        found[model.stored_name(key)] = rounded(sum(row.get(name, 0.0) for name in names))
    return found


def _model_lines(path: str, filters: Filters) -> Iterator[str]:
    yield f"- model: {_quoted(path)}"
    if len(filters) == 1:
        yield f"  parameters: {{weight: {weight_text(filters[0][1])}}}"
        return
    yield "  parameters:"
    yield "    weight:"
    for part, value in filters:
        name = part if _PLAIN.fullmatch(part) else _quoted(part)
        condition = f"filter: {name}, " if part else ""
        yield f"    - {{{condition}value: {weight_text(value)}}}"


def _quoted(text: str) -> str:
    """A string between quotation marks, which YAML reads as JSON does; line breaks that only YAML knows are escaped."""
    text = json.dumps(text, ensure_ascii=False)
    return text.replace("\x85", "\\u0085").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _tricks(shifts: Mapping[str, tuple[float, ...]]) -> Iterator[str]:
    if shifts:
        yield f"what Adjust adds to {named(shifts)} lies in the small file beside it, which is merged as a model"


def _notes(content: ExportContent, base: Path | None, options: ExportOptions) -> Iterator[str]:
    if base is None:
        yield "the paths of the models are those of this machine, whole: change them on another"
    else:
        yield f'the paths of the models are those from {base}: mergekit cannot read a path with a space, ", @ or +'
    if options.output.dtype == "computed":
        yield "every tensor is written as float32"
    yield "mergekit gives every tensor of numbers with a point the dtype of out_dtype, and adds no recipe to the file"
    if extras := _extras(content):
        yield f"mergekit copies what the result lacks and a model has, which no picture needs: {named(extras)}"
    if options.output.vae:
        yield f"the VAE {options.output.vae.name} is not in it: choose it where pictures are made"


def _usage(out: Path, base: Path | None) -> Iterator[str]:
    """The command; its size of a shard is more than any model has, for WebUIs read one file."""
    name = out.name.removesuffix(".yaml").removesuffix(".mergekit")
    folder = out.absolute().with_name(f"{name}-mergekit")
    words = ["mergekit-pytorch", str(out.absolute()), str(folder), "--tensor-union", "--out-shard-size", "100B"]
    yield f"pip install mergekit=={MERGEKIT}"
    if base:
        yield _command(["cd", str(base)])
    yield _command(words)
    yield f"the merged model is {folder / 'model.safetensors'}"
    yield "python -m mergekit.scripts.merge_raw_pytorch does nothing and says so nowhere: take mergekit-pytorch"


def _command(words: Sequence[str]) -> str:
    """Words as they are typed: for cmd.exe on Windows, else for a POSIX shell."""
    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)


TARGET = ExportTarget(refusals=_refusals, write=_write)
