"""ComfyUI's built-in nodes that a merge is made of: names, inputs in order, outputs.

Facts of ComfyUI 0.3.64 and later (``nodes.py``, ``comfy_extras/nodes_model_merging.py``,
``nodes_model_merging_model_specific.py``, ``nodes_attention_multiply.py``, ``nodes_primitive.py``). In all merge nodes
the ratio is the weight of the first model: ``ratio * model1 + (1 - ratio) * model2``.
"""

from __future__ import annotations

from dataclasses import dataclass

from engine.architecture.widths import FamilyName

MODEL, CLIP, VAE, FLOAT = "MODEL", "CLIP", "VAE", "FLOAT"
"""The types of what runs along a link."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeType:
    """One kind of node.

    Attributes:
        name: its class, as files say it.
        sockets: name and type of what must be linked, in order.
        widgets: names of what is typed in, in order.
        outputs: types, in order.
    """

    name: str
    sockets: tuple[tuple[str, str], ...] = ()
    widgets: tuple[str, ...] = ()
    outputs: tuple[str, ...] = (MODEL,)


def _two(name: str, kind: str, *widgets: str) -> NodeType:
    first, second = f"{kind.lower()}1", f"{kind.lower()}2"
    return NodeType(name=name, sockets=((first, kind), (second, kind)), widgets=widgets, outputs=(kind,))


_ONE_MODEL = (("model", MODEL),)
_SD1_LABELS = (
    "time_embed.",
    "label_emb.",
    *(f"input_blocks.{number}." for number in range(12)),
    *(f"middle_block.{number}." for number in range(3)),
    *(f"output_blocks.{number}." for number in range(12)),
    "out.",
)
_SDXL_LABELS = (
    "time_embed.",
    "label_emb.",
    *(f"input_blocks.{number}" for number in range(9)),
    *(f"middle_block.{number}" for number in range(3)),
    *(f"output_blocks.{number}" for number in range(9)),
    "out.",
)
_ATTENTION = ("q", "k", "v", "out")

LOADER = NodeType(name="CheckpointLoaderSimple", widgets=("ckpt_name",), outputs=(MODEL, CLIP, VAE))
VAE_LOADER = NodeType(name="VAELoader", widgets=("vae_name",), outputs=(VAE,))
SAVE = NodeType(
    name="CheckpointSave",
    sockets=(("model", MODEL), ("clip", CLIP), ("vae", VAE)),
    widgets=("filename_prefix",),
    outputs=(),
)
NUMBER = NodeType(name="PrimitiveFloat", widgets=("value",), outputs=(FLOAT,))
MODEL_LORA = NodeType(name="LoraLoaderModelOnly", sockets=_ONE_MODEL, widgets=("lora_name", "strength_model"))
LORA = NodeType(
    name="LoraLoader",
    sockets=(("model", MODEL), ("clip", CLIP)),
    widgets=("lora_name", "strength_model", "strength_clip"),
    outputs=(MODEL, CLIP),
)
SELF_ATTENTION = NodeType(name="UNetSelfAttentionMultiply", sockets=_ONE_MODEL, widgets=_ATTENTION)
CROSS_ATTENTION = NodeType(name="UNetCrossAttentionMultiply", sockets=_ONE_MODEL, widgets=_ATTENTION)

MULTIPLIER = 10.0
"""What the multipliers of ``ModelMergeSubtract`` and of the attention nodes may be at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeNodes:
    """The nodes that merge one part of checkpoints.

    Attributes:
        kind: the part, MODEL or CLIP.
        simple: one ratio for all of it.
        blocks: one ratio for each block, where there is such a node.
        subtract: ``(first - second) * multiplier``.
        add: ``first + second``.
    """

    kind: str
    simple: NodeType
    blocks: NodeType | None
    subtract: NodeType
    add: NodeType

    @property
    def labels(self) -> tuple[str, ...]:
        """How the names of the keys of each block begin; a key belongs to the longest that fits."""
        return self.blocks.widgets if self.blocks else ()


_BLOCK_NODES: dict[FamilyName, NodeType] = {
    "sd1": _two("ModelMergeSD1", MODEL, *_SD1_LABELS),
    "sd2": _two("ModelMergeSD2", MODEL, *_SD1_LABELS),
    "sdxl": _two("ModelMergeSDXL", MODEL, *_SDXL_LABELS),
}


def unet_nodes(family: FamilyName) -> MergeNodes:
    """Return the nodes that merge UNets of a family."""
    return MergeNodes(
        kind=MODEL,
        simple=_two("ModelMergeSimple", MODEL, "ratio"),
        blocks=_BLOCK_NODES[family],
        subtract=_two("ModelMergeSubtract", MODEL, "multiplier"),
        add=_two("ModelMergeAdd", MODEL),
    )


CLIP_NODES = MergeNodes(
    kind=CLIP,
    simple=_two("CLIPMergeSimple", CLIP, "ratio"),
    blocks=None,
    subtract=_two("CLIPMergeSubtract", CLIP, "multiplier"),
    add=_two("CLIPMergeAdd", CLIP),
)
"""The nodes that merge text encoders: all of a checkpoint's together."""
