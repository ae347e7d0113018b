"""All targets by name, and the export itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import RecipeError, did_you_mean

if TYPE_CHECKING:
    from engine.exports.content import ExportContent
    from engine.exports.target import ExportOptions, ExportTarget, Refusal, WrittenExport

_LAST = ("script", "checkpoint")  # these can hold every recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetEntry:
    """What is known of a target without loading it.

    Attributes:
        summary: what it writes, for people.
        module: of ``engine.exports``, with a ``TARGET``.
        suffix: what the name of its file or folder ends with.
        near: the targets whose users are nearest, tried first where it refuses.
        needs_models: whether the models' files must be at hand.
        takes: the options that make a difference to it, as the command line calls them without their dashes.
    """

    summary: str
    module: str
    suffix: str
    near: tuple[str, ...] = ()
    needs_models: bool = True
    takes: frozenset[str] = frozenset()

    @property
    def is_folder(self) -> bool:
        """Whether it writes a folder instead of a file."""
        return "." not in self.suffix


_FILE = frozenset({"dtype", "folded", "prune", "vae", "reset-clip-ids", "no-recipe"})
_FOLDED = frozenset({"folded", "vae", "no-recipe"})
_BLOCK_TOOLS = ("supermerger", "mecha", "comfyui", "mergekit")

TARGETS: dict[str, TargetEntry] = {
    "checkpoint": TargetEntry(
        summary="a merged checkpoint, one .safetensors file",
        module="checkpoint",
        suffix=".safetensors",
        takes=_FILE,
    ),
    "diffusers": TargetEntry(
        summary="a model folder for diffusers",
        module="diffusers_folder.target",
        suffix="-diffusers",
        near=("checkpoint",),
        takes=_FILE - {"reset-clip-ids"},
    ),
    "supermerger": TargetEntry(
        summary="SuperMerger: weights, rules and settings, run by run; a history row; a preset",
        module="supermerger_text",
        suffix="-supermerger.txt",
        near=("mecha", "mergekit"),
        needs_models=False,
        takes=frozenset({"vae", "no-recipe"}),
    ),
    "mecha": TargetEntry(
        summary="sd-mecha and comfy-mecha: a .mecha recipe",
        module="mecha.target",
        suffix=".mecha",
        near=("mergekit",),
        takes=_FOLDED | {"dtype"},
    ),
    "comfyui": TargetEntry(
        summary="ComfyUI: a workflow of built-in nodes, as API and as UI file",
        module="comfy.target",
        suffix=".comfyui.json",
        near=("mecha", "mergekit"),
        takes=_FOLDED | {"linked"},
    ),
    "mergekit": TargetEntry(
        summary="mergekit-pytorch: a YAML file",
        module="mergekit",
        suffix=".mergekit.yaml",
        near=("mecha",),
        takes=_FOLDED | {"dtype"},
    ),
    "chattiori": TargetEntry(
        summary="Chattiori-Model-Merger: a command line",
        module="ratio_tools.chattiori",
        suffix=".chattiori.txt",
        near=_BLOCK_TOOLS,
        takes=_FOLDED | {"dtype"},
    ),
    "meh": TargetEntry(
        summary="meh (sd-meh): a command line",
        module="ratio_tools.meh",
        suffix=".meh.txt",
        near=_BLOCK_TOOLS,
        takes=_FOLDED | {"dtype"},
    ),
    "bbc-mc": TargetEntry(
        summary="Merge Block Weighted (bbc-mc): a preset",
        module="ratio_tools.bbc_mc",
        suffix=".bbc-mc.tsv",
        near=_BLOCK_TOOLS,
        takes=_FOLDED | {"dtype"},
    ),
    "model-mixer": TargetEntry(
        summary="Model Mixer: settings to paste, and a preset",
        module="ratio_tools.model_mixer",
        suffix=".model-mixer.txt",
        near=_BLOCK_TOOLS,
        takes=_FOLDED,
    ),
    "a1111": TargetEntry(
        summary="AUTOMATIC1111's Checkpoint Merger: what to set",
        module="ratio_tools.a1111",
        suffix=".a1111.txt",
        near=_BLOCK_TOOLS,
        takes=_FOLDED | {"dtype"},
    ),
    "kohya": TargetEntry(
        summary="kohya's merge_models.py: a command line",
        module="ratio_tools.kohya",
        suffix=".kohya.txt",
        near=_BLOCK_TOOLS,
        takes=_FOLDED | {"dtype"},
    ),
    "script": TargetEntry(
        summary="a Python file that builds the checkpoint with torch, numpy and safetensors alone",
        module="script.target",
        suffix=".py",
        near=("checkpoint",),
        takes=_FILE,
    ),
    "lora": TargetEntry(
        summary="the difference to A as a LoRA, near to the recipe but not equal",
        module="lora.target",
        suffix="-lora.safetensors",
        near=("checkpoint",),
        takes=frozenset({"dtype", "folded", "no-recipe", "rank"}),
    ),
}
"""By name, in the order in which people are shown them."""


def target_of(name: str) -> ExportTarget:
    """Load a target.

    Raises:
        RecipeError: there is none of this name.
    """
    if name not in TARGETS:
        raise RecipeError(f"there is no target {name!r}", remedy=did_you_mean(name, TARGETS))
    return import_module(f"engine.exports.{TARGETS[name].module}").TARGET


def refusals_of(name: str, content: ExportContent, options: ExportOptions) -> Sequence[Refusal]:
    """Return what a target cannot hold of a recipe; empty where it can hold all of it."""
    return target_of(name).refusals(content, options)


def nearest(name: str, content: ExportContent, options: ExportOptions) -> str | None:
    """Return the target nearest to one that refuses, among those that can hold the recipe."""
    order = dict.fromkeys((*TARGETS[name].near, *_LAST))
    able = (other for other in order if other in TARGETS and other != name and not refusals_of(other, content, options))
    return next(able, None)


def export(name: str, content: ExportContent, out: Path, options: ExportOptions) -> WrittenExport:
    """Write a recipe in the form of a target.

    Args:
        name: of the target.
        content: the recipe and its models.
        out: the file, or the folder of targets that write one; further files lie beside it.
        options: see ``ExportOptions``.

    Raises:
        RecipeError: the target cannot hold the recipe: each thing with its keys, and the nearest target that can.
        CheckpointError: a model cannot be used, or a file cannot be written.
    """
    from engine.exports.target import check_free, check_no_model, refused

    target = target_of(name)
    if found := target.refusals(content, options):
        raise refused(name, found, nearest(name, content, options))
    check_no_model(out, content)
    if not TARGETS[name].is_folder:
        check_free([out], overwrite=options.overwrite)
    return target.write(content, out, options)
