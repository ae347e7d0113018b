"""ComfyUI's node graph of a merged checkpoint: what it writes into the header (``prompt``), or saves in API format.

Read is a plain merge of two checkpoints: one of the nodes ModelMergeSimple, ModelMergeBlocks, ModelMergeSD1 (SD2) and
ModelMergeSDXL, and CLIPMergeSimple or the text encoder of one of both. Its ratios are the share of model 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final, cast

from engine.architecture.widths import FamilyName
from engine.errors import Named, RecipeError
from engine.foreign_recipes.places import DIALECTS, OPEN_CLIP_NOTE, PlaceWeights, merge_step
from engine.foreign_recipes.values import Object, as_number
from engine.recipes.blocks import BLOCKS, XL_BLOCKS
from engine.recipes.recipe import Recipe
from engine.supermerger.fields import Reading
from engine.supermerger.notes import family_note

_LOADERS: Final = ("CheckpointLoaderSimple", "CheckpointLoader")
_FAMILIES: Final[dict[str, FamilyName | None]] = {
    "ModelMergeSimple": None,
    "ModelMergeBlocks": None,
    "ModelMergeSD1": "sd1",
    "ModelMergeSD2": "sd2",
    "ModelMergeSDXL": "sdxl",
}
_PRIMITIVES: Final = ("PrimitiveFloat", "FloatConstant", "PrimitiveNode")
_VALUES: Final = ("value", "float")
_SLOTS: Final = {"model": 0, "clip": 1, "vae": 2}
_MOST_NODES: Final = 10_000
_DECIMALS: Final = 10  # 1 - 0.98 is 0.02, not 0.020000000000000018
_ONLY: Final = "read is a merge of two checkpoints by one node"


def is_graph(content: object) -> bool:
    """Return whether a JSON value is a node graph in API format."""
    if not isinstance(content, dict) or not content:
        return False
    nodes = cast("dict[str, Any]", content).values()
    return all(isinstance(node, dict) and "class_type" in cast("dict[str, Any]", node) for node in nodes)


def comfyui_recipe(content: Object, family: FamilyName | None) -> Reading:
    """Return the recipe of a graph in API format.

    Args:
        content: node id to ``{"class_type": ..., "inputs": {...}}``.
        family: of the models; None: what the merge node is for, else SD1.

    Raises:
        RecipeError: it is no plain merge of two checkpoints; with the node that is not read.
    """
    graph = _Graph(content)
    result = graph.result()
    merge = graph.node(result["model"])
    kind = str(merge["class_type"])
    if kind not in _FAMILIES:
        raise graph.unread(result["model"])
    known = _FAMILIES[kind]
    chosen: FamilyName = family or known or "sd1"
    models = {"A": graph.loaded(merge, "model1"), "B": graph.loaded(merge, "model2")}
    weights = _weights(graph, merge, kind, chosen, base=_share(graph, result.get("clip"), models))
    vae, notes = _vae(graph, result.get("vae"), models)
    step = merge_step(replace(weights, vae=vae), chosen, models=("A", "B"))
    recipe = Recipe(steps=(step,), dialect=DIALECTS[chosen], family=chosen, save="computed")
    more = [] if family or known else [family_note(chosen, "the nodes do")]
    if chosen != "sd1":
        more.append(f"{OPEN_CLIP_NOTE}; ComfyUI merges the first two of them")
    head = f"read in the dialect {recipe.dialect}: ComfyUI's {kind} wrote it, whose ratios are the share of model 1"
    return Reading(recipe=recipe, sources={**models}, notes=(head, *notes, *more))


@dataclass(frozen=True, slots=True)
class _Graph:
    """The nodes of a graph."""

    content: Object

    def __post_init__(self) -> None:
        if len(self.content) > _MOST_NODES:
            raise RecipeError(f"the graph has {len(self.content)} nodes", remedy=_ONLY)

    def node(self, number: str) -> dict[str, Any]:
        """A node by its id."""
        found = self.content.get(number)
        if not isinstance(found, dict) or not isinstance(cast("dict[str, Any]", found).get("inputs", {}), dict):
            raise RecipeError(f"there is no node {number}", place=(Named("the graph"),), remedy="save the graph again")
        return cast("dict[str, Any]", found)

    def inputs(self, node: dict[str, Any]) -> dict[str, Any]:
        return cast("dict[str, Any]", node.get("inputs", {}))

    def link(self, node: dict[str, Any], name: str) -> str:
        """The node that an input comes from."""
        value = self.inputs(node).get(name)
        linked = _linked(value)
        if linked is None:
            what = f"{node.get('class_type')!s:.40}: {name} comes from no node"
            raise RecipeError(what, place=(Named("the graph"),), seen=value, remedy="save the graph again")
        return linked

    def result(self) -> dict[str, str]:
        """The nodes that model, clip and vae of the result come from."""
        savers = [one for one in self.content if self.node(one).get("class_type") == "CheckpointSave"]
        if len(savers) > 1:
            raise RecipeError(f"the graph saves {len(savers)} checkpoints", remedy="keep one node CheckpointSave")
        if savers:
            return {name: self.link(self.node(savers[0]), name) for name in _SLOTS}
        merges = [one for one in self.content if self.node(one).get("class_type") in _FAMILIES]
        if len(merges) != 1:
            raise RecipeError(
                f"the graph has {len(merges)} nodes that merge models and none that saves a checkpoint", remedy=_ONLY
            )
        clips = [one for one in self.content if self.node(one).get("class_type") == "CLIPMergeSimple"]
        return {"model": merges[0], **({"clip": clips[0]} if len(clips) == 1 else {})}

    def loaded(self, node: dict[str, Any], name: str) -> str:
        """The file that an input is loaded from."""
        number = self.link(node, name)
        loader = self.node(number)
        if loader.get("class_type") not in _LOADERS:
            raise self.unread(number)
        return str(self.inputs(loader).get("ckpt_name") or "unknown")

    def number(self, value: object, where: str) -> float:
        """A number, or that of a primitive node."""
        linked = _linked(value)
        if linked is None:
            return as_number(value, where)
        node = self.node(linked)
        if node.get("class_type") not in _PRIMITIVES:
            raise self.unread(linked)
        inputs = self.inputs(node)
        return as_number(next((inputs[name] for name in _VALUES if name in inputs), None), where)

    def unread(self, number: str) -> RecipeError:
        """The error for a node that has no words in a recipe."""
        kind = str(self.node(number).get("class_type"))
        return RecipeError(
            f"node {number} is {kind!r:.60}, which is not read", place=(Named("the graph"),), remedy=_ONLY
        )


def _linked(value: object) -> str | None:
    """The node of a link ``["12", 0]``; None for a constant."""
    if isinstance(value, list) and len(cast("list[Any]", value)) == 2:
        return str(cast("list[Any]", value)[0])
    return None


def _complement(ratio: float) -> float:
    return round(1 - ratio, _DECIMALS) + 0.0


def _share(graph: _Graph, number: str | None, models: dict[str, str]) -> float:
    """The share of B in the text encoders."""
    if number is None:
        return 0.0
    node = graph.node(number)
    if node.get("class_type") == "CLIPMergeSimple":
        first, second = graph.loaded(node, "clip1"), graph.loaded(node, "clip2")
        ratio = graph.number(graph.inputs(node).get("ratio"), "CLIPMergeSimple: ratio")
        if (first, second) == (models["A"], models["B"]):
            return _complement(ratio)
        if (first, second) == (models["B"], models["A"]):
            return ratio
        raise RecipeError("the text encoders are merged of other files than the UNet", remedy=_ONLY)
    return _side(graph, number, models, "text encoder")


def _side(graph: _Graph, number: str, models: dict[str, str], what: str) -> float:
    """0 where something is A's, 1 where it is B's."""
    node = graph.node(number)
    name = str(graph.inputs(node).get("ckpt_name")) if node.get("class_type") in _LOADERS else None
    if name is None:
        raise graph.unread(number)
    if name not in models.values():
        raise RecipeError(f"the {what} is of a third file, {name!r:.80}", remedy=_ONLY)
    return 0.0 if name == models["A"] else 1.0


def _vae(graph: _Graph, number: str | None, models: dict[str, str]) -> tuple[float | None, list[str]]:
    """The weight of the VAE, None where it stays A's, and what is to be said of it."""
    if number is None:
        return None, ["the graph saves no checkpoint; its VAE is taken to be model 1's, a guess"]
    if graph.node(number).get("class_type") == "VAELoader":
        name = graph.inputs(graph.node(number)).get("vae_name")
        return None, [f"the VAE was replaced by {name!r:.80}; recipes have no step for that, bake it in with --vae"]
    return (1.0, []) if _side(graph, number, models, "VAE") else (None, [])


def _weights(graph: _Graph, merge: dict[str, Any], kind: str, family: FamilyName, *, base: float) -> PlaceWeights:
    """The weights of B, by place: of the inputs whose name a key begins with, the longest counts, else the first."""
    given = dict(_ratios(graph, merge, kind))
    usual = next(iter(given.values()), 1.0)

    def share(key: str) -> float:
        names = [name for name in given if key.startswith(name)]
        return _complement(given[max(names, key=len)] if names else usual)

    places = {block: _key_of(block) for block in (XL_BLOCKS if family == "sdxl" else BLOCKS)[1:]}
    blocks = {block: share(key) for block, key in places.items()}
    ends = {f"middle_block.{number}.": share(f"middle_block.{number}.") for number in (0, 2)}
    parts = {("M00", part): value for part, value in ends.items() if value != blocks["M00"]}
    parts |= {
        (block, name): _complement(given[name])
        for name in sorted(given, key=len)
        for block, key in places.items()
        if name.startswith(key.removesuffix("1.") if block == "M00" else key) and name.count(".") > 2
    }
    return PlaceWeights(
        blocks=(base, *blocks.values()),
        time_embed=share("time_embed."),
        out=share("out."),
        label_emb=share("label_emb."),
        parts=parts,
    )


def _key_of(block: str) -> str:
    """How the names of a block's tensors begin; of M00, those of its middle."""
    if block == "M00":
        return "middle_block.1."
    side = "input_blocks" if block.startswith("IN") else "output_blocks"
    return f"{side}.{int(block[-2:])}."


def _ratios(graph: _Graph, merge: dict[str, Any], kind: str) -> Iterator[tuple[str, float]]:
    """The ratios of a merge node by the beginning of key names; ComfyUI drops constants that it does not declare."""
    for name, value in graph.inputs(merge).items():
        if name in {"model1", "model2"}:
            continue
        if kind == "ModelMergeSimple":
            if name == "ratio":
                yield "", graph.number(value, f"{kind}: ratio")
            continue
        if name.count(".") > 2 and _linked(value) is None:
            continue
        yield name, graph.number(value, f"{kind}: {name:.60}")
