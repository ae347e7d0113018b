"""Reading one textual-inversion file: its vectors, checked, without running any code in it.

Known contents: ``.safetensors`` with one tensor (``emb_params``), or with SDXL's pair ``clip_l`` and ``clip_g``;
``.pt`` and ``.bin`` with ``string_to_param`` (of the WebUI and the original training), or one tensor (diffusers).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from engine.checkpoints.weight_file import read_weights
from engine.errors import RenderError

EMBEDDING_SUFFIXES = frozenset({".safetensors", ".pt", ".bin"})
"""How names of files of embeddings end."""
SINGLE = ""
"""The key of the vectors for a model's only text encoder."""
PAIR = ("clip_l", "clip_g")
"""The keys of the vectors for SDXL's two text encoders."""
LARGEST = 1 << 24
"""The most numbers of an embedding; a small file can stand for far more by repeating one."""
OLD_CLASSES = (torch.nn.ParameterDict,)
"""The classes that files of the original training hold beside tensors."""


def read_embedding(path: Path) -> dict[str, Tensor]:
    """Read an embedding.

    Args:
        path: A file with one of ``EMBEDDING_SUFFIXES``.

    Returns:
        ``(vectors, width)`` float32 on the CPU by text encoder: under ``SINGLE``, or under both names of ``PAIR``.

    Raises:
        RenderError: The file is missing, damaged, needs code to be read, holds something else, or numbers that are not
            finite.
    """
    found = _tensors(path, read_weights(path, "embedding", classes=OLD_CLASSES))
    found = {name: _vectors(path, name, value) for name, value in found.items()}
    if len({len(value) for value in found.values()}) != 1:
        counts = ", ".join(f"{name} has {len(value)}" for name, value in found.items())
        raise RenderError(
            f"different numbers of vectors for the two text encoders ({counts})", remedy="get it again", place=(path,)
        )
    return found


def _tensors(path: Path, content: Mapping[str, Any]) -> dict[str, Tensor]:
    """The tensors that are the embedding, by text encoder."""
    inner: Any = content.get("string_to_param", content)
    inner = dict(cast("Any", inner)) if isinstance(inner, Mapping | torch.nn.ParameterDict) else {}
    tensors = {str(name): value for name, value in inner.items() if isinstance(value, Tensor)}
    if set(tensors) == set(PAIR):
        return {name: tensors[name] for name in PAIR}
    if len(tensors) == 1:
        return {SINGLE: next(iter(tensors.values()))}
    listed = ", ".join(sorted(map(str, inner))[:5]) or "nothing"
    raise RenderError(
        f"holds {listed}",
        place=(path,),
        remedy=f"an embedding holds one tensor, or {PAIR[0]} and {PAIR[1]}. Move the file elsewhere if it is none",
    )


def _vectors(path: Path, name: str, value: Tensor) -> Tensor:
    """A tensor as rows of float32."""
    plain = value.layout is torch.strided and not value.is_meta and not value.is_quantized
    if not plain or value.ndim not in (1, 2) or not value.is_floating_point() or not 0 < value.numel() <= LARGEST:
        words = [str(part).removeprefix("torch.") for part in (value.layout, value.dtype)]
        kind = f"{' '.join(words).removeprefix('strided ')} of shape {tuple(value.shape)}"
        raise RenderError(
            f"{name or 'its tensor'} is {kind}, not rows of numbers", remedy="get the embedding again", place=(path,)
        )
    rows = torch.atleast_2d(value.detach().float())
    if not bool(rows.isfinite().all()):
        raise RenderError(
            f"{name or 'its tensor'} holds NaN or infinite numbers", remedy="get the embedding again", place=(path,)
        )
    return rows
