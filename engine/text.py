"""Prompts to conditioning: what the UNet's cross-attention reads, cached until the text encoder's weights change."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from engine.errors import RenderError
from engine.tokenizer import context_ids

if TYPE_CHECKING:
    from transformers import CLIPTextModel


class Conditioner:
    """Encodes prompts with one text encoder and remembers the results.

    The cache knows nothing of the weights: whoever changes the text encoder calls ``forget``.
    """

    def __init__(self, text_encoder: CLIPTextModel) -> None:
        self._text_encoder = text_encoder
        self._known: dict[tuple[str, int], Tensor] = {}

    def __len__(self) -> int:
        """How many results are remembered."""
        return len(self._known)

    def forget(self) -> None:
        """Drop every result: the text encoder's weights have changed."""
        self._known.clear()

    def encode(self, prompts: Iterable[tuple[str, int]]) -> Tensor:
        """Conditioning of prompts, each with its clip skip.

        Clip skip ``n`` reads the n-th last layer and passes it through the final norm, as the WebUI does.

        Args:
            prompts: Pairs of text and clip skip (1 = the last layer).

        Returns:
            ``(n, 77, width)`` in the text encoder's dtype, on its device, in the order given.

        Raises:
            RenderError: A prompt is longer than 75 tokens, or the encoder has too few layers for a clip skip; or its
                result is not finite.
        """
        wanted = list(prompts)
        missing = [pair for pair in dict.fromkeys(wanted) if pair not in self._known]
        for clip_skip in sorted({clip_skip for _, clip_skip in missing}):
            texts = [text for text, skip in missing if skip == clip_skip]
            encoded = self._encode(texts, clip_skip)
            self._known |= {(text, clip_skip): row for text, row in zip(texts, encoded, strict=True)}
        return torch.stack([self._known[pair] for pair in wanted])

    @torch.inference_mode()
    def _encode(self, texts: list[str], clip_skip: int) -> Tensor:
        layers = self._text_encoder.config.num_hidden_layers
        if not 1 <= clip_skip <= layers:
            raise RenderError(
                f"clip_skip = {clip_skip}: the text encoder has {layers} layers, so it must be from 1 to {layers}"
            )
        ids = torch.tensor([context_ids(text) for text in texts], device=self._text_encoder.device)
        hidden = self._text_encoder(input_ids=ids, output_hidden_states=True).hidden_states[-clip_skip]
        base = getattr(self._text_encoder, "text_model", self._text_encoder)  # transformers 4 has one level more
        result = base.final_layer_norm(hidden)
        _refuse_broken(texts, result)
        return result


def _refuse_broken(texts: list[str], result: Tensor) -> None:
    whole = result.isfinite().flatten(1).all(1).tolist()
    broken = [text for text, good in zip(texts, whole, strict=True) if not good]
    if broken:
        raise RenderError(
            f"the text encoder gives NaN or infinite numbers for {len(broken)} of {len(texts)} texts, first "
            f'"{broken[0]}". The recipe breaks its weights: bring the ratio of BASE closer to 0 or 1'
        )
