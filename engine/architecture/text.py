"""Every tensor of a text encoder: OpenAI's CLIP in transformers' spelling, or OpenCLIP in its own.

CLIP-L is SD1's encoder and SDXL's first one; OpenCLIP-H is SD2's and OpenCLIP-G SDXL's second one.
"""

from __future__ import annotations

from collections.abc import Iterator

from engine.architecture.parts import linear, norm
from engine.architecture.widths import NamedShape, TextEncoder


def text(encoder: TextEncoder) -> Iterator[NamedShape]:
    """Yield names, without prefix, and shapes."""
    return _clip_tensors(encoder) if encoder.kind == "clip" else _openclip_tensors(encoder)


def _clip_tensors(encoder: TextEncoder) -> Iterator[NamedShape]:
    width = encoder.width
    yield "embeddings.token_embedding.weight", (encoder.vocabulary, width)
    yield "embeddings.position_embedding.weight", (encoder.positions, width)
    for number in range(encoder.layers):
        name = f"encoder.layers.{number}"
        for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
            yield from linear(f"{name}.self_attn.{part}", width, width)
        yield from norm(f"{name}.layer_norm1", width)
        yield from linear(f"{name}.mlp.fc1", width, encoder.hidden)
        yield from linear(f"{name}.mlp.fc2", encoder.hidden, width)
        yield from norm(f"{name}.layer_norm2", width)
    yield from norm("final_layer_norm", width)


def _openclip_tensors(encoder: TextEncoder) -> Iterator[NamedShape]:
    width = encoder.width
    yield "positional_embedding", (encoder.positions, width)
    yield "text_projection", (width, width)
    yield "logit_scale", ()
    yield "token_embedding.weight", (encoder.vocabulary, width)
    for number in range(encoder.layers):
        yield from _resblock_tensors(f"transformer.resblocks.{number}", width, encoder.hidden)
    yield from norm("ln_final", width)


def _resblock_tensors(name: str, width: int, hidden: int) -> Iterator[NamedShape]:
    yield from norm(f"{name}.ln_1", width)
    yield f"{name}.attn.in_proj_weight", (3 * width, width)  # queries, keys, values, one below the other
    yield f"{name}.attn.in_proj_bias", (3 * width,)
    yield from linear(f"{name}.attn.out_proj", width, width)
    yield from norm(f"{name}.ln_2", width)
    yield from linear(f"{name}.mlp.c_fc", width, hidden)
    yield from linear(f"{name}.mlp.c_proj", hidden, width)
