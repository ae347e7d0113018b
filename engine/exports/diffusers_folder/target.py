"""The target ``diffusers``: a model folder that ``DiffusionPipeline.from_pretrained`` opens without any network."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from engine.architecture.configs import ModelFamily
from engine.architecture.families import no_pictures, read_widths
from engine.architecture.keymap import fills
from engine.architecture.layout import shapes
from engine.architecture.prediction import V_MARK, ZERO_TERMINAL_MARK, mixed_marks, other_prediction
from engine.architecture.widths import same_shape
from engine.checkpoints.checkpoint import file_sha256, is_kept
from engine.checkpoints.vae import read_vae
from engine.errors import CheckpointError, counted
from engine.exports.checkpoint import header_of
from engine.exports.content import ExportContent
from engine.exports.target import ExportOptions, ExportTarget, Refusal, WrittenExport
from engine.files import file_kind
from engine.merging.metadata import METADATA_KEY
from engine.merging.output import COMPUTED, STORED, MergedTensors

if TYPE_CHECKING:
    from engine.live.model import LiveModel

_INDEX = "model_index.json"


def _refusals(content: ExportContent, options: ExportOptions) -> Sequence[Refusal]:
    found = [*_kinds(content, options), *_lacking(content, options)]
    return found or _mixed(content)


def _kinds(content: ExportContent, options: ExportOptions) -> Iterator[Refusal]:
    """What no pipeline for text to picture is."""
    if options.output.dtype == COMPUTED:
        yield Refusal(what="its modules have one dtype each: write --dtype fp16, bf16 or fp32")
    if reason := no_pictures(read_widths(content.plan.shapes)):
        yield Refusal(what=reason)
    for name, checkpoint in content.checkpoints.items():
        if other := other_prediction(checkpoint.tensors, checkpoint.metadata):
            yield Refusal(what=f"{name}: {other[0]}")


def _lacking(content: ExportContent, options: ExportOptions) -> Iterator[Refusal]:
    """Tensors of the pipeline that the result has not, or not in their shapes."""
    widths = read_widths(content.plan.shapes)
    found = dict(content.plan.shapes)
    if no_pictures(widths):
        return
    if options.output.vae:
        found |= {key: tuple(value.shape) for key, value in read_vae(options.output.vae).items() if key not in found}
    needed = {key: shape for key, shape in shapes(widths).items() if fills(key, widths)}
    missing = tuple(key for key in needed if key not in found)
    odd = tuple(key for key in needed if key in found and not same_shape(found[key], needed[key]))
    if missing:
        yield Refusal(what=f"the result lacks {counted(len(missing), 'tensor')} that a pipeline needs", keys=missing)
    if odd:
        yield Refusal(what=f"{counted(len(odd), 'tensor')} with other shapes than a pipeline's", keys=odd)


def _mixed(content: ExportContent) -> list[Refusal]:
    """Models that predict different things; SD2's are tried, which needs whole ones."""
    from engine.live.prediction import model_marks

    problem = mixed_marks(model_marks(content.checkpoints))
    return [Refusal(what=problem.what)] if problem else []


def _write(content: ExportContent, out: Path, options: ExportOptions) -> WrittenExport:
    from engine.exports.diffusers_folder.card import model_card
    from engine.exports.diffusers_folder.configs import write_configs
    from engine.exports.diffusers_folder.weights import module_files, write_weights
    from engine.live.model import LiveModel
    from engine.merging.evaluate import DTYPES

    output = replace(options.output, prune=True)
    _check_place(out, [*content.models.values(), *([output.vae] if output.vae else [])], overwrite=options.overwrite)
    hashes = {name: content.hashes.get(name) or file_sha256(content.models[name]) for name in content.recipe.models}
    content = replace(content, hashes=hashes)
    family = _family(content)
    live = LiveModel.empty(family)
    files = module_files(live, STORED[DTYPES[output.dtype]])
    _check_room(out, sum(file.size for file in files.values()))
    tensors = MergedTensors(content.recipe, content.checkpoints, output)
    prediction = _prediction_text(family)
    with _new_folder(out) as folder:
        write_configs(folder, live)
        (folder / "README.md").write_text(model_card(content, options, prediction), encoding="utf-8", newline="\n")
        if options.with_recipe:
            _write_recipe(folder / "recipe.json", content, options)
        write_weights(folder, tensors, live, files, options.progress)
    return WrittenExport(
        files=(out,),
        arithmetic=output.arithmetic,
        notes=tuple(_notes(content, live, prediction)),
        usage=(f"DiffusionPipeline.from_pretrained({str(out)!r})",),
    )


def _family(content: ExportContent) -> ModelFamily:
    """The widths of the result, and what all its models are marked for."""
    from engine.live.prediction import model_marks

    first = next(iter(model_marks(content.checkpoints).values()))
    return ModelFamily(
        widths=read_widths(content.plan.shapes),
        prediction="v" if V_MARK in first else "epsilon",
        zero_terminal_snr=ZERO_TERMINAL_MARK in first,
    )


def _prediction_text(family: ModelFamily) -> str:
    levels = "noise levels that end in pure noise" if family.zero_terminal_snr else "the usual noise levels"
    return f"By the marks of its parents the model predicts {family.prediction}, on {levels}."


def _notes(content: ExportContent, live: LiveModel, prediction: str) -> Iterator[str]:
    yield prediction
    yield "the safety checker is left out"
    widths = live.family.widths
    lost = [key for key in content.plan.rows if not is_kept(key) or not fills(key, widths)]
    if lost:
        yield f"it leaves out {counted(len(lost), 'tensor')} that no picture needs, such as {lost[0]}"


def _write_recipe(path: Path, content: ExportContent, options: ExportOptions) -> None:
    own = json.loads(header_of(content, options)[METADATA_KEY])
    path.write_text(json.dumps(own, indent=2, ensure_ascii=False) + "\n", encoding="utf-8", newline="\n")


# ------------------------------------------------------------------------------------------------------- the folder


def _check_place(out: Path, parents: Sequence[Path], *, overwrite: bool) -> None:
    """Refuse a place where no folder can be put, before gigabytes are read.

    Raises:
        CheckpointError: it is taken, holds something else, or has no folder above it.
    """
    above = out.absolute().parent
    if file_kind(above) != "folder":
        raise CheckpointError(f"there is no folder {above}", place=(out,), remedy="make it first")
    if what := _obstacle(out, parents, overwrite=overwrite):
        raise CheckpointError(what, place=(out,), remedy="choose another name")


def _check_room(out: Path, size: int) -> None:
    """Refuse a disk that is too full.

    Raises:
        CheckpointError: it is.
    """
    if (free := shutil.disk_usage(out.absolute().parent).free) < size:
        what = f"no room: the folder needs {size} bytes, {free} bytes are free on this disk"
        raise CheckpointError(what, place=(out,), remedy="make room or choose another disk")


def _obstacle(out: Path, parents: Sequence[Path], *, overwrite: bool) -> str | None:
    """What stands in the place of the folder, in words; None where it is free or may be replaced."""
    kind = file_kind(out)
    if kind != "folder":
        return f"is a {kind}, and a folder is to be written" if kind else None
    if not any(out.iterdir()):
        return None
    if not file_kind(out / _INDEX):
        return f"is a folder without {_INDEX}, so no model of diffusers, and is never replaced"
    if any(out.resolve() in parent.resolve().parents for parent in parents):
        return "a model of the recipe lies in it, and is never replaced"
    return None if overwrite else "already exists, and is replaced only with --overwrite"


@contextmanager
def _new_folder(out: Path) -> Generator[Path]:
    """A temporary folder beside ``out`` that takes its place when the block ends well, and vanishes when it does not.

    Raises:
        CheckpointError: it cannot be written.
    """
    part, old = (out.with_name(f".{out.name}.{os.getpid()}.{word}") for word in ("part", "old"))
    try:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
        yield part
        if file_kind(out) == "folder":
            out.rename(old)
        part.rename(out)
    except OSError as error:
        if file_kind(old) == "folder" and not file_kind(out):
            old.rename(out)
        raise CheckpointError(
            f"cannot be written ({error.strerror})", place=(out,), remedy="check the folder and the room on the disk"
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


TARGET = ExportTarget(refusals=_refusals, write=_write)
