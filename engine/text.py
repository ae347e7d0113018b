"""Prompts to conditioning: what the UNet's cross-attention reads, cached until the text encoder's weights change."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from engine.encoders import Tower
from engine.errors import RenderError
from engine.tokenizer import context_ids

if TYPE_CHECKING:
    from transformers import CLIPTextModel


class Conditioner:
    """Encodes prompts with the text encoders of a model and remembers the results.

    The cache knows nothing of the weights: whoever changes a text encoder calls ``forget``.
    ``text`` is the towers of a family, or one text encoder that is read as SD1 does.
    """

    def __init__(self, text: CLIPTextModel | Sequence[Tower]) -> None:
        self._towers: Sequence[Tower] = text if isinstance(text, Sequence) else (Tower(model=text),)
        self._device = next(self._towers[0].model.parameters()).device
        self._known: dict[tuple[str, int], tuple[Tensor, Tensor | None]] = {}

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
            ``(n, 77, width)`` in the text encoders' dtype, on their device, in the order given; the outputs of several
            encoders side by side.

        Raises:
            RenderError: A prompt is longer than 75 tokens, or the encoder has too few layers for a clip skip; or its
                result is not finite.
        """
        return torch.stack([self._known[pair][0] for pair in self._learn(prompts)])

    def pooled(self, prompts: Iterable[tuple[str, int]]) -> Tensor | None:
        """The pooled texts ``(n, width)`` of the same prompts; None for families without. Raises as ``encode``."""
        rows = [self._known[pair][1] for pair in self._learn(prompts)]
        found = [row for row in rows if row is not None]
        return torch.stack(found) if found else None

    def _learn(self, prompts: Iterable[tuple[str, int]]) -> list[tuple[str, int]]:
        wanted = list(prompts)
        missing = [pair for pair in dict.fromkeys(wanted) if pair not in self._known]
        for clip_skip in sorted({clip_skip for _, clip_skip in missing}):
            texts = [text for text, skip in missing if skip == clip_skip]
            for text, states, pooled in zip(texts, *self._encode(texts, clip_skip), strict=True):
                self._known[text, clip_skip] = (states, pooled)
        return wanted

    @torch.inference_mode()
    def _encode(self, texts: list[str], clip_skip: int) -> tuple[Sequence[Tensor], Sequence[Tensor | None]]:
        ids = torch.tensor([context_ids(text) for text in texts], device=self._device)
        states, pooled = zip(*(tower.read(ids, clip_skip) for tower in self._towers), strict=True)
        whole = torch.cat(states, dim=-1)
        last = next((value for value in pooled if value is not None), None)
        for value in (whole, last):
            if value is not None:
                _refuse_broken(texts, value)
        return list(whole), [None] * len(texts) if last is None else list(last)


def _refuse_broken(texts: list[str], result: Tensor) -> None:
    whole = result.isfinite().flatten(1).all(1).tolist()
    broken = [text for text, good in zip(texts, whole, strict=True) if not good]
    if broken:
        raise RenderError(
            f"the text encoder gives NaN or infinite numbers for {len(broken)} of {len(texts)} texts, first "
            f'"{broken[0]}". The recipe breaks its weights: bring the ratio of BASE closer to 0 or 1'
        )
