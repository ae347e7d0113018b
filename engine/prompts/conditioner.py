"""Prompts to conditioning: the input of the UNet's cross-attention, cached until a text encoder's weights change.

As in AUTOMATIC1111's WebUI, every chunk of 77 tokens is encoded alone and the chunks are joined; the texts of one
schedule are encoded together, the shorter ones padded with empty chunks. The outputs of several text encoders are
concatenated along their width.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from engine.prompts.chunk_encoder import ChunkEncoder, ReadableEncoder, Texts, weighted
from engine.prompts.chunks import EMPTY, Chunk, chunks_of
from engine.prompts.embedding_file import PAIR, SINGLE
from engine.prompts.encoders import Tower
from engine.prompts.schedule import TextStretch, resolved_texts

if TYPE_CHECKING:
    from transformers import CLIPTextModel

    from engine.prompts.embeddings import EmbeddingFolder


AtWork = Callable[[], AbstractContextManager[None]]
"""``with at_work():`` the text encoders are where they work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditioningRequest:
    """A text to encode for a number of UNet calls.

    Attributes:
        text: With schedules and attention, but without ``AND``.
        clip_skip: Which of the text encoder's layers is read, counted from the last: 1 is the last.
        calls: Over how many UNet calls its schedule runs.
        base_calls: In a second pass, over how many calls the schedule of the first ran; None in the first.
        emphasis: How its weights count, one of ``engine.shots.options.EMPHASES``.
        old_timelines: Whether its schedule means what it meant before WebUI 1.6.
    """

    text: str
    clip_skip: int
    calls: int = 1
    base_calls: int | None = None
    emphasis: str = "Original"
    old_timelines: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """The conditioning of a text over the UNet calls.

    Attributes:
        ends: The last call of each stretch, rising.
        contexts: ``(tokens, width)`` for each stretch, all of one shape.
        pooled: The pooled text ``(width,)`` for each stretch; None for models without.
    """

    ends: tuple[int, ...]
    contexts: tuple[Tensor, ...]
    pooled: tuple[Tensor, ...] | None = None

    @property
    def tokens(self) -> int:
        """How many rows a context has, a multiple of 77."""
        return len(self.contexts[0])

    def number_at(self, call: int) -> int:
        """Return the number of the context that is used at a UNet call.

        The WebUI counts calls from 0 but the ends of a schedule from 1, so every switch comes one call late, and the
        first of alternating words is used twice.
        """
        return next((number for number, end in enumerate(self.ends) if call <= end), 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Result:
    context: Tensor
    pooled: Tensor | None


class Conditioner:
    """Encodes prompts with the text encoders of a model and caches the results.

    The cache does not notice changed weights: whoever changes a text encoder calls ``forget``.

    Args:
        text: One text encoder, read as in SD1, or all towers of a model, in the order in which their outputs are
            concatenated; of two, the first takes an embedding's ``clip_l`` and the second its ``clip_g``.
        embeddings: What prompts may name beside words.
        at_work: Entered while the text encoders work, and not when everything is known.
    """

    def __init__(
        self,
        text: CLIPTextModel | Sequence[ReadableEncoder],
        embeddings: EmbeddingFolder | None = None,
        at_work: AtWork = nullcontext,
    ) -> None:
        towers: Sequence[ReadableEncoder] = text if isinstance(text, Sequence) else (Tower(model=text),)
        names = PAIR if len(towers) == len(PAIR) else (SINGLE,)
        self._encoders = [ChunkEncoder(t, embeddings, vectors=n) for t, n in zip(towers, names, strict=True)]
        self._embeddings, self._at_work = embeddings, at_work
        self._known: dict[tuple[Texts, int, str], dict[tuple[Chunk, ...], _Result]] = {}

    def __len__(self) -> int:
        """How many results are cached."""
        return sum(map(len, self._known.values()))

    def forget(self) -> None:
        """Drop every result: the text encoder's weights have changed."""
        self._known.clear()

    def encode(self, prompts: Iterable[tuple[str, int]]) -> Tensor:
        """Encode texts without schedules and of the same number of chunks, each with its clip skip.

        Returns:
            ``(n, tokens, width)``, in the order given.

        Raises:
            RenderError: As in ``timelines``.
        """
        requests = [ConditioningRequest(text=text, clip_skip=clip_skip) for text, clip_skip in prompts]
        return torch.stack([timeline.contexts[-1] for timeline in self.timelines(requests)])

    def timelines(self, requests: Sequence[ConditioningRequest]) -> list[Timeline]:
        """Encode texts for their UNet calls.

        Returns:
            One timeline for each request, in the text encoder's dtype, on its device.

        Raises:
            RenderError: The encoder has too few layers for a clip skip, an embedding cannot be used, or a result is
                not finite.
        """
        stretches = [
            resolved_texts(one.text, one.calls, base_steps=one.base_calls, old=one.old_timelines) for one in requests
        ]
        texts = [
            self._texts(listed, literal=one.emphasis == "None") for listed, one in zip(stretches, requests, strict=True)
        ]
        keys = [(chunked, one.clip_skip, one.emphasis) for chunked, one in zip(texts, requests, strict=True)]
        for skip, emphasis in sorted({(one.clip_skip, one.emphasis) for one in requests}):
            wanted = [chunked for chunked, *read in dict.fromkeys(keys) if read == [skip, emphasis]]
            self._add_missing(wanted, skip, emphasis)
        return [
            _timeline(listed, [self._known[key][text] for text in key[0]])
            for listed, key in zip(stretches, keys, strict=True)
        ]

    def _texts(self, stretches: Sequence[TextStretch], *, literal: bool) -> Texts:
        """The chunks of a schedule's texts, the shorter ones padded with empty chunks."""
        known = {
            text: chunks_of(text, self._embeddings, literal=literal)
            for text in dict.fromkeys(stretch.text for stretch in stretches)
        }
        most = max(map(len, known.values()))
        return tuple((*known[stretch.text], *(EMPTY,) * (most - len(known[stretch.text]))) for stretch in stretches)

    @torch.inference_mode()
    def _add_missing(self, schedules: Sequence[Texts], clip_skip: int, emphasis: str) -> None:
        missing = [texts for texts in schedules if (texts, clip_skip, emphasis) not in self._known]
        if not missing:
            return
        chunks = list(dict.fromkeys(chunk for texts in missing for text in texts for chunk in text))
        with self._at_work():
            outputs = [encoder.encode(chunks, clip_skip) for encoder in self._encoders]
        for texts in missing:
            sides = [weighted(texts, {c: one.states for c, one in output.items()}, emphasis) for output in outputs]
            self._known[texts, clip_skip, emphasis] = {
                text: _Result(
                    context=torch.cat([side[text] for side in sides], dim=-1).to(self._encoders[0].dtype),
                    pooled=next((one for output in outputs if (one := output[text[0]].pooled) is not None), None),
                )
                for text in sides[0]
            }


def _timeline(stretches: Sequence[TextStretch], results: Sequence[_Result]) -> Timeline:
    pooled = [result.pooled for result in results if result.pooled is not None]
    return Timeline(
        ends=tuple(stretch.end for stretch in stretches),
        contexts=tuple(result.context for result in results),
        pooled=tuple(pooled) or None,
    )
