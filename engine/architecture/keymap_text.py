"""Keys of text encoders: the parameters in transformers that each tensor fills, and with which part of it.

OpenCLIP has queries, keys and values in one tensor, one below the other, and multiplies by its projection from the
right; transformers has three parameters and multiplies from the left.
"""

from __future__ import annotations

from engine.architecture.widths import TextEncoder

ParameterPart = tuple[str, int | None, bool]
"""A parameter's name, which third of the tensor's rows it is (None: all), and whether it is transposed."""

_THIRDS = ("q_proj", "k_proj", "v_proj")
_TABLES = {
    "token_embedding.weight": "embeddings.token_embedding.weight",
    "positional_embedding": "embeddings.position_embedding.weight",
    "ln_final.weight": "final_layer_norm.weight",
    "ln_final.bias": "final_layer_norm.bias",
}
_BLOCK = {
    "ln_1": "layer_norm1",
    "ln_2": "layer_norm2",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
    "attn.out_proj": "self_attn.out_proj",
}
_BLOCKS = "transformer.resblocks."


def text_parts(name: str, encoder: TextEncoder) -> tuple[ParameterPart, ...]:
    """Return the parameters that a tensor fills: none for buffers and for what no picture needs.

    Args:
        name: the key without the encoder's prefix.
        encoder: whose key it is.
    """
    if encoder.kind == "clip":
        return () if name.endswith("position_ids") else ((name, None, False),)
    if name == "text_projection":
        return (("text_projection.weight", None, True),) if encoder.projects else ()
    level = "text_model." if encoder.projects else ""  # transformers' model with a projection has one level more
    return tuple((level + inner, third, False) for inner, third in _openclip_parameters(name, encoder))


def _openclip_parameters(name: str, encoder: TextEncoder) -> list[tuple[str, int | None]]:
    if name in _TABLES:
        return [(_TABLES[name], None)]
    number, _, tail = name.removeprefix(_BLOCKS).partition(".")
    if not name.startswith(_BLOCKS) or not number.isdecimal() or int(number) >= encoder.used_layers:
        return []
    return [(f"encoder.layers.{number}.{inner}", third) for inner, third in _resblock_parameters(tail)]


def _resblock_parameters(tail: str) -> list[tuple[str, int | None]]:
    if tail.startswith("attn.in_proj_"):
        kind = tail.removeprefix("attn.in_proj_")
        return [(f"self_attn.{part}.{kind}", third) for third, part in enumerate(_THIRDS)]
    module, _, kind = tail.rpartition(".")
    return [(f"{_BLOCK[module]}.{kind}", None)] if module in _BLOCK else []
