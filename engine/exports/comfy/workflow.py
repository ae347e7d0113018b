"""A recipe as a graph of nodes, and what no graph can hold of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from engine.exports.comfy.attention import AttentionNodes
from engine.exports.comfy.autoencoder import chosen_vae, vae_keys
from engine.exports.comfy.cells import LEFT_ALONE, TEXT, UNET, CellTable, part_keys, text_table, unet_table
from engine.exports.comfy.graph import Graph, Link
from engine.exports.comfy.nodes import CLIP_NODES, LOADER, LORA, MODEL_LORA, SAVE, VAE_LOADER, unet_nodes
from engine.exports.comfy.patches import TEXT_PATCH
from engine.exports.comfy.sums import Sums
from engine.exports.content import ExportContent
from engine.exports.target import ExportOptions, Refusal

_UNSAFE = re.compile(r'[\x00-\x1f<>:"/\\|?*%]+')


@dataclass(frozen=True, kw_only=True)
class Workflow:
    """A graph up to the merged UNet and text encoders.

    Attributes:
        graph: the nodes.
        models: the models that go in, in the order of the weights.
        tables: the cells of UNet and text encoders.
        model: the merged UNet.
        clip: the merged text encoders.
        refusals: what it does not hold.
        tricks: what the nodes do that is not plain to see.
    """

    graph: Graph
    models: tuple[str, ...]
    tables: tuple[CellTable, ...]
    model: Link
    clip: Link
    refusals: tuple[Refusal, ...]
    tricks: tuple[str, ...]


def refusals_of(content: ExportContent, options: ExportOptions) -> tuple[Refusal, ...]:
    """Return what no graph holds of a recipe; empty where one holds all of it.

    Raises:
        RecipeError: a model's file is not known, or models do not fit each other.
        CheckpointError: a model cannot be used.
    """
    keys = part_keys(content, UNET, *TEXT)
    nonlinear = set(content.nonlinear).intersection(keys)
    if nonlinear:
        what = "its nodes make weighted sums of models, which calculation modes are not"
        return (Refusal(what=what, keys=tuple(key for key in keys if key in nonlinear)),)
    lacking = tuple(_lacking(content, options))
    return lacking or (*_twins(content), *workflow_of(content, options).refusals)


def _lacking(content: ExportContent, options: ExportOptions) -> list[Refusal]:
    parts = {
        "UNet": bool(part_keys(content, UNET)),
        "text encoder": any(not key.endswith(LEFT_ALONE) for key in part_keys(content, *TEXT)),
        "VAE": options.output.vae is not None or bool(vae_keys(content)),
    }
    return [
        Refusal(what=f"its node that saves wants a {part}, and the models have none")
        for part, is_there in parts.items()
        if not is_there
    ]


def _twins(content: ExportContent) -> list[Refusal]:
    """Models that ComfyUI, which knows files by their names alone, would take for each other."""
    files: dict[str, set[str]] = {}
    for name in content.plan.models:
        files.setdefault(content.file_name(name).casefold(), set()).add(content.hashes.get(name, name))
    return [
        Refusal(what=f"it finds models by file name, and two of these are called {file}: rename one")
        for file, hashes in files.items()
        if len(hashes) > 1
    ]


def workflow_of(content: ExportContent, options: ExportOptions) -> Workflow:
    """Build the graph of a recipe whose UNet and text encoders are weighted sums."""
    rows = content.plan.rows
    taken = {name for key in part_keys(content, UNET, *TEXT) for name in rows[key].models}
    models = tuple(name for name in content.plan.models if name in taken) or content.plan.models[:1]
    graph, nodes = Graph(), unet_nodes(content.recipe.family)
    loaders = [loader(graph, content, name) for name in models]
    table = unet_table(content, models, nodes.labels, single=False)
    if table.odd and options.linked:
        table = unet_table(content, models, nodes.labels, single=True)
    text = text_table(content, models)
    sums = Sums(graph, nodes, loaders, models, table.keys)
    attention = AttentionNodes(graph, sums, table)
    model = sums.weighted({label: cell.weights for label, cell in table.cells.items()}, "UNet: ")
    model = attention.scaled(attention.weighted(model))
    model = sums.scaled(model, {label: cell.factor for label, cell in table.cells.items()}, "UNet: factors")
    clip_sums = Sums(graph, CLIP_NODES, [Link(link.node, 1) for link in loaders], models, text.keys)
    clip = clip_sums.weighted({label: cell.weights for label, cell in text.cells.items()}, "text: ")
    clip = clip_sums.scaled(clip, {label: cell.factor for label, cell in text.cells.items()}, "text: factor")
    parts = (sums, attention, clip_sums)
    return Workflow(
        graph=graph,
        models=models,
        tables=(table, text),
        model=model,
        clip=clip,
        refusals=tuple(_refusals(table, text, parts, options)),
        tricks=tuple(dict.fromkeys(trick for part in parts for trick in part.tricks)),
    )


def _refusals(
    table: CellTable, text: CellTable, parts: Sequence[Sums | AttentionNodes], options: ExportOptions
) -> list[Refusal]:
    outside = {} if options.linked else {key: one for part in parts for key, one in part.outside.items()}
    found = {
        "its nodes have one ratio for each block, and one for each of q, k, v and out of attentions; --linked gives "
        "keys ratios of their own, in a file for scripts": [] if options.linked else table.odd,
        "no block of its nodes has these keys": table.odd if options.linked else [],
        "its nodes have one ratio for all text encoders": text.odd,
        f"its fields hold no ratio outside of 0 to 1{_seen(outside)}; --linked links them": list(outside),
        "its nodes multiply by 0 to 10, and blocks as a whole by -10 to 10": [key for p in parts for key in p.beyond],
    }
    return [Refusal(what=what, keys=tuple(keys)) for what, keys in found.items() if keys]


def _seen(outside: dict[str, float]) -> str:
    """The ratios themselves, of the second model as recipes say them."""
    ratios = sorted({round(1 - ratio, 6) for ratio in outside.values()})
    return f" (here {', '.join(f'{ratio:g}' for ratio in ratios[:4])}{', ...' if len(ratios) > 4 else ''})"


def loader(graph: Graph, content: ExportContent, name: str) -> Link:
    """Add the node that loads a model."""
    file = content.file_name(name)
    return graph.add(LOADER, f"{name}: {file}", {"ckpt_name": file})


def add_save(
    workflow: Workflow, content: ExportContent, options: ExportOptions, lora: str, tensors: Sequence[str]
) -> str:
    """Add the nodes behind the merges: the file of differences, the VAE, and what saves.

    Args:
        workflow: is added to.
        content: the recipe.
        options: with another VAE, or none.
        lora: name of the file of differences.
        tensors: names in that file; none where it is not needed.

    Returns:
        What to mind of the VAE; empty where it is the recipe's.
    """
    graph, model, clip, warning = workflow.graph, workflow.model, workflow.clip, ""
    if any(name.startswith(TEXT_PATCH) for name in tensors):
        values = {"model": model, "clip": clip, "lora_name": lora, "strength_model": 1.0, "strength_clip": 1.0}
        model = graph.add(LORA, "differences of single tensors", values)
        clip = Link(model.node, 1)
    elif tensors:
        values = {"model": model, "lora_name": lora, "strength_model": 1.0}
        model = graph.add(MODEL_LORA, "differences of single tensors", values)
    if options.output.vae:
        file = options.output.vae.name
        vae = graph.add(VAE_LOADER, f"VAE: {file}", {"vae_name": file})
    else:
        choice = chosen_vae(content)
        vae, warning = Link(loader(graph, content, choice.model).node, 2), choice.warning
    graph.add(
        SAVE,
        "the merged checkpoint",
        {"model": model, "clip": clip, "vae": vae, "filename_prefix": f"checkpoints/{saved_name(content.title)}"},
    )
    return warning


def saved_name(title: str) -> str:
    """Return a title as the name of a file that ComfyUI can save on every system."""
    return _UNSAFE.sub("_", title).strip(". ") or "merged"
