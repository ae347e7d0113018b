"""How each family reads its text encoders: which layer, with or without the final norm, with which padding.

SD1 reads the layer that clip skip chooses, through the final norm. SD2's file has one layer more than is read, and SDXL
reads the second last layer of both its encoders without the norm; clip skip has no effect on either, as in the WebUI.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from engine.architecture.configs import ModelFamily
from engine.architecture.widths import END, TextEncoder
from engine.errors import RenderError

OPENCLIP_PAD = 0
"""The padding after the end of a text with which OpenCLIP was trained; CLIP-L's is the end token."""
PENULTIMATE = 2
"""SDXL's layer, counted from the last."""


class TextModels(Protocol):
    """The text encoders of a live model; one of SDXL also has ``text_encoder_g``, with a projection."""

    @property
    def text_encoder(self) -> Any:
        """The first text encoder, or the only one."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Tower:
    """One text encoder and how it is read.

    Attributes:
        model: ``CLIPTextModel``, or ``CLIPTextModelWithProjection`` where ``pools``.
        pad: the token after the end of a text.
        layer: which layer is read, counted from the last (1), whatever the clip skip; None: clip skip chooses.
        normed: whether the layer goes through the final norm.
        pools: whether the pooled text comes from it.
    """

    model: nn.Module
    pad: int = END
    layer: int | None = None
    normed: bool = True
    pools: bool = False

    @property
    def base(self) -> Any:
        """The module with ``embeddings``, ``encoder`` and ``final_layer_norm``."""
        return getattr(self.model, "text_model", self.model)

    def read(self, ids: Tensor, clip_skip: int = 1) -> tuple[Tensor, Tensor | None]:
        """Encode texts of one chunk each.

        Args:
            ids: ``(n, 77)``: start, text, end, and more ends as padding, whatever the encoder's own padding is.
            clip_skip: which layer from the last, where it has an effect on the family.

        Returns:
            ``(n, 77, width)``, and the pooled text ``(n, width)`` or None: the last layer's output at the end token,
            through the final norm and the projection.

        Raises:
            RenderError: the encoder has too few layers for this clip skip.
        """
        layer = self._layer(clip_skip)
        result: Any = self.model(input_ids=padded_after_end(ids, self.pad), output_hidden_states=True)
        states = result.hidden_states[-layer]
        return (
            self.base.final_layer_norm(states) if self.normed else states
        ), result.text_embeds if self.pools else None

    def _layer(self, clip_skip: int) -> int:
        if self.layer is not None:
            return self.layer
        config: Any = self.model.config
        refuse_clip_skip(clip_skip, config.num_hidden_layers)
        return clip_skip


def refuse_clip_skip(clip_skip: int, layers: int) -> None:
    """Refuse a clip skip that an encoder of so many layers cannot have.

    Raises:
        RenderError: the encoder has too few layers for it.
    """
    if not 1 <= clip_skip <= layers:
        raise RenderError(
            f"clip_skip = {clip_skip}: the text encoder has {layers} layers, so it must be from 1 to {layers}"
        )


def towers_of(model: TextModels, family: ModelFamily) -> tuple[Tower, ...]:
    """Return the text encoders of a live model, in the order in which their outputs are concatenated."""
    models = [model.text_encoder, *([getattr(model, "text_encoder_g")] if family.name == "sdxl" else [])]  # noqa: B009
    return tuple(_tower(part, encoder, family) for part, encoder in zip(models, family.widths.encoders, strict=True))


def _tower(model: nn.Module, encoder: TextEncoder, family: ModelFamily) -> Tower:
    pad = END if encoder.kind == "clip" else OPENCLIP_PAD
    if family.name == "sdxl":
        return Tower(model=model, pad=pad, layer=PENULTIMATE, normed=False, pools=encoder.projects)
    return Tower(model=model, pad=pad, layer=1 if family.name == "sd2" else None)


def padded_after_end(ids: Tensor, pad: int) -> Tensor:
    """Return token ids ``(n, 77)`` in which everything after the first end is replaced by ``pad``."""
    if pad == END:
        return ids
    end = (ids == END).int().argmax(1, keepdim=True)
    return ids.masked_fill(torch.arange(ids.shape[1], device=ids.device) > end, pad)


def sizes_of(sizes: Sequence[tuple[int, int]], device: torch.device) -> Tensor:
    """Return SDXL's size conditioning as in the WebUI: original size, no crop, target size; ``(n, 6)`` float32.

    Args:
        sizes: Width and height in pixels, for each picture.
        device: Where the result is made.
    """
    rows = [(height, width, 0, 0, height, width) for width, height in sizes]
    return torch.tensor(rows, dtype=torch.float32, device=device)
