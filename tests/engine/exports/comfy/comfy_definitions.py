"""What ComfyUI's built-in nodes declare, as data: inputs in order with type and range, outputs.

Facts of ComfyUI 0.3.64 (github.com/Comfy-Org/ComfyUI: nodes.py, comfy_extras/nodes_model_merging.py,
nodes_model_merging_model_specific.py, nodes_attention_multiply.py, nodes_primitive.py).
"""

from __future__ import annotations

from typing import NamedTuple

RATIO = (0.0, 1.0)
MULTIPLIER = (-10.0, 10.0)
ATTENTION = (0.0, 10.0)
STRENGTH = (-20.0, 20.0)  # the older of two declarations; -100 to 100 since 2024
ANY = (-(2.0**63), 2.0**63)


class Definition(NamedTuple):
    """The inputs of a node: a type for what is linked, "TEXT", or a range of numbers; and the types of its outputs."""

    inputs: dict[str, str | tuple[float, float]]
    outputs: tuple[str, ...]


def _pair(kind: str, **numbers: tuple[float, float]) -> Definition:
    return Definition({f"{kind.lower()}1": kind, f"{kind.lower()}2": kind, **numbers}, (kind,))


SD1_BLOCKS = ["time_embed.", "label_emb."]
SD1_BLOCKS += [f"input_blocks.{i}." for i in range(12)] + [f"middle_block.{i}." for i in range(3)]
SD1_BLOCKS += [f"output_blocks.{i}." for i in range(12)] + ["out."]
SDXL_BLOCKS = ["time_embed.", "label_emb."]
SDXL_BLOCKS += [f"input_blocks.{i}" for i in range(9)] + [f"middle_block.{i}" for i in range(3)]
SDXL_BLOCKS += [f"output_blocks.{i}" for i in range(9)] + ["out."]
_ATTENTION = Definition({"model": "MODEL", **dict.fromkeys(("q", "k", "v", "out"), ATTENTION)}, ("MODEL",))

DEFINITIONS: dict[str, Definition] = {
    "CheckpointLoaderSimple": Definition({"ckpt_name": "TEXT"}, ("MODEL", "CLIP", "VAE")),
    "VAELoader": Definition({"vae_name": "TEXT"}, ("VAE",)),
    "ModelMergeSimple": _pair("MODEL", ratio=RATIO),
    "ModelMergeSD1": _pair("MODEL", **dict.fromkeys(SD1_BLOCKS, RATIO)),
    "ModelMergeSD2": _pair("MODEL", **dict.fromkeys(SD1_BLOCKS, RATIO)),
    "ModelMergeSDXL": _pair("MODEL", **dict.fromkeys(SDXL_BLOCKS, RATIO)),
    "ModelMergeSubtract": _pair("MODEL", multiplier=MULTIPLIER),
    "ModelMergeAdd": _pair("MODEL"),
    "CLIPMergeSimple": _pair("CLIP", ratio=RATIO),
    "CLIPMergeSubtract": _pair("CLIP", multiplier=MULTIPLIER),
    "CLIPMergeAdd": _pair("CLIP"),
    "UNetSelfAttentionMultiply": _ATTENTION,
    "UNetCrossAttentionMultiply": _ATTENTION,
    "LoraLoaderModelOnly": Definition({"model": "MODEL", "lora_name": "TEXT", "strength_model": STRENGTH}, ("MODEL",)),
    "LoraLoader": Definition(
        {"model": "MODEL", "clip": "CLIP", "lora_name": "TEXT", "strength_model": STRENGTH, "strength_clip": STRENGTH},
        ("MODEL", "CLIP"),
    ),
    "PrimitiveFloat": Definition({"value": ANY}, ("FLOAT",)),
    "CheckpointSave": Definition({"model": "MODEL", "clip": "CLIP", "vae": "VAE", "filename_prefix": "TEXT"}, ()),
}


def problems(api: dict) -> list[str]:
    """What ComfyUI's own check of a prompt would find, and links from nodes that stand behind."""
    found: list[str] = []
    for number, node in api.items():
        definition = DEFINITIONS[node["class_type"]]
        found += [f"{number}: {name} is missing" for name in definition.inputs if name not in node["inputs"]]
        for name, value in node["inputs"].items():
            found += [f"{number}: {name}: {one}" for one in _input_problems(api, definition.inputs.get(name), value)]
    return found


def _input_problems(api: dict, declared: str | tuple[float, float] | None, value: object) -> list[str]:
    if isinstance(value, list):
        source, slot = value
        given = DEFINITIONS[api[source]["class_type"]].outputs[slot]
        wanted = declared if isinstance(declared, str) else "FLOAT"
        return [] if given == wanted else [f"{given} where {wanted} is wanted"]
    if declared is None:
        return ["not declared, and dropped unless it is linked"]
    if declared == "TEXT":
        return [] if isinstance(value, str) else ["no text"]
    if isinstance(declared, str):
        return ["not linked"]
    low, high = declared
    return [] if isinstance(value, (int, float)) and low <= value <= high else [f"{value} is not {low} to {high}"]


def api_of(page: dict) -> dict:
    """The API form of a UI form, by the rule that ComfyUI's page follows: widgets in order, links over them."""
    links = {number: [str(source), slot] for number, source, slot, _, _, _ in page["links"]}
    found: dict = {}
    for node in page["nodes"]:
        if node["type"] in {"MarkdownNote", "Note"}:
            continue
        declared = DEFINITIONS[node["type"]].inputs
        widgets = [name for name, kind in declared.items() if kind == "TEXT" or not isinstance(kind, str)]
        inputs = dict(zip(widgets, node["widgets_values"], strict=True))
        inputs |= {given["name"]: links[given["link"]] for given in node["inputs"]}
        found[str(node["id"])] = {"class_type": node["type"], "inputs": inputs}
    return found
