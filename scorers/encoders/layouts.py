"""Finds an encoder's weights by open_clip's names, in any of the published layouts.

* open_clip's own, and OpenAI's, which has three more numbers.
* transformers' ``CLIPModel``: one matrix of open_clip is three there (query, key, value), projections are transposed.
* CSD (Somepalli et al. 2024): ``backbone`` is open_clip's ``visual`` with two projections instead of one,
  ``last_layer_style`` and ``last_layer_content``. The style projection becomes the encoder's own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from scorers.errors import ScorerError

OPENAI_NUMBERS = frozenset({"input_resolution", "context_length", "vocab_size"})
"""The tensors of OpenAI's files that are no weights."""
STYLE, CONTENT = "last_layer_style", "last_layer_content"
"""Names of CSD's two projections."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Which tensors of a file one weight comes from.

    Attributes:
        names: their names in the file; several are joined along the first dimension.
        transposed: whether the matrix is turned around.
    """

    names: tuple[str, ...]
    transposed: bool = False

    def of(self, tensors: Mapping[str, Tensor]) -> Tensor:
        """Return the weight; a view of the file's tensor, unless several are joined."""
        parts = [tensors[name] for name in self.names]
        whole = parts[0] if len(parts) == 1 else torch.cat(parts)
        return whole.T if self.transposed else whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Where an encoder's weights are in a file.

    Attributes:
        weights: by open_clip's names.
        views: further projections ``(width, d)`` of the pooled output, by name.
    """

    weights: Mapping[str, Origin]
    views: Mapping[str, Origin] = field(default_factory=dict[str, Origin])


def layout_of(path: Path, names: Iterable[str]) -> Layout:
    """Recognise a layout by the names in a file; weights of an unknown layout keep theirs.

    Raises:
        ScorerError: transformers' names of a model that is no CLIP, or with parts missing.
    """
    names = tuple(names)
    if STYLE in names and CONTENT in names:
        return _of_csd(names)
    if any(name.startswith(("vision_model.", "text_model.")) for name in names):
        return Layout(weights=_of_transformers(path, names))
    return Layout(weights={name: Origin(names=(name,)) for name in names if name not in OPENAI_NUMBERS})


def _of_csd(names: Iterable[str]) -> Layout:
    own = {STYLE: "visual.proj"}
    renamed = {own.get(name, re.sub(r"^backbone\.", "visual.", name)): Origin(names=(name,)) for name in names}
    content = renamed.pop(CONTENT)
    return Layout(weights=renamed, views={"content": content})


_BLOCK = re.compile(r"(vision_model|text_model)\.encoder\.layers\.(\d+)\.(.+)\.(weight|bias)")
_IN_BLOCK = {
    "self_attn.out_proj": "attn.out_proj",
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
}
_SINGLE = {
    "vision_model.embeddings.class_embedding": "visual.class_embedding",
    "vision_model.embeddings.patch_embedding.weight": "visual.conv1.weight",
    "vision_model.embeddings.position_embedding.weight": "visual.positional_embedding",
    "vision_model.pre_layrnorm.weight": "visual.ln_pre.weight",  # spelled so there
    "vision_model.pre_layrnorm.bias": "visual.ln_pre.bias",
    "vision_model.post_layernorm.weight": "visual.ln_post.weight",
    "vision_model.post_layernorm.bias": "visual.ln_post.bias",
    "text_model.embeddings.token_embedding.weight": "token_embedding.weight",
    "text_model.embeddings.position_embedding.weight": "positional_embedding",
    "text_model.final_layer_norm.weight": "ln_final.weight",
    "text_model.final_layer_norm.bias": "ln_final.bias",
    "logit_scale": "logit_scale",
}
_TRANSPOSED = {"visual_projection.weight": "visual.proj", "text_projection.weight": "text_projection"}


def _of_transformers(path: Path, names: Iterable[str]) -> dict[str, Origin]:
    """After ``modeling_clip.py`` of transformers 5 and ``transformer.py`` of open_clip 3.3."""
    renamed: dict[str, Origin] = {}
    joined: dict[str, dict[str, str]] = {}
    unknown: list[str] = []
    for name in names:
        block = _BLOCK.fullmatch(name)
        if name in _SINGLE:
            renamed[_SINGLE[name]] = Origin(names=(name,))
        elif name in _TRANSPOSED:
            renamed[_TRANSPOSED[name]] = Origin(names=(name,), transposed=True)
        elif block and block[3] in _IN_BLOCK:
            renamed[f"{_resblock(block)}.{_IN_BLOCK[block[3]]}.{block[4]}"] = Origin(names=(name,))
        elif block and (part := re.fullmatch(r"self_attn\.([qkv])_proj", block[3])):
            joined.setdefault(f"{_resblock(block)}.attn.in_proj_{block[4]}", {})[part[1]] = name
        elif not name.endswith(".position_ids"):
            unknown.append(name)
    unknown += [name for name, parts in joined.items() if len(parts) < len("qkv")]
    if unknown:
        raise ScorerError(
            f"names of the transformers library, but not of a whole CLIPModel ({', '.join(unknown[:5])})",
            place=(path,),
            remedy="take the open_clip file of these weights",
        )
    return renamed | {name: Origin(names=tuple(parts[part] for part in "qkv")) for name, parts in joined.items()}


def _resblock(block: re.Match[str]) -> str:
    tower = "visual.transformer" if block[1] == "vision_model" else "transformer"
    return f"{tower}.resblocks.{block[2]}"
