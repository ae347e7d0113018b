"""Prompts to conditioning: what the UNet's cross-attention reads, cached until the text encoder's weights change.

The arithmetic is that of AUTOMATIC1111's WebUI 1.10 ("Emphasis: Original"): every chunk of 77 tokens is encoded by
itself, its rows are multiplied by their weights, the whole is scaled so that its mean is what it was before, and the
chunks are joined. The texts of one schedule go through this together: shorter ones get empty chunks, and the mean is
taken over all of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from engine.embedding_file import SINGLE
from engine.errors import RenderError
from engine.prompt_chunks import EMPTY, Chunk, chunks_of
from engine.prompt_schedule import Entry, schedule
from engine.tokenizer import words_of

if TYPE_CHECKING:
    from transformers import CLIPTextModel

    from engine.embeddings import EmbeddingFolder

Texts = tuple[tuple[Chunk, ...], ...]  # every text of a schedule in chunks, all of one number of chunks


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A text to encode for a number of UNet calls.

    Attributes:
        text: Schedules and attention are read here; ``AND`` is not.
        clip_skip: Which of the text encoder's layers is read, counted from the last: 1 is the last.
        calls: Over how many UNet calls its schedule runs.
    """

    text: str
    clip_skip: int
    calls: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """The conditioning of a text over the UNet calls.

    Attributes:
        ends: The last call of each stretch, rising.
        contexts: ``(tokens, width)`` for each stretch, all of one shape.
    """

    ends: tuple[int, ...]
    contexts: tuple[Tensor, ...]

    @property
    def tokens(self) -> int:
        """How many rows a context has, a multiple of 77."""
        return len(self.contexts[0])

    def number_at(self, call: int) -> int:
        """Which context holds at a UNet call.

        The WebUI counts calls from 0 but the ends of a schedule from 1, so every switch comes one call late, and the
        first of alternating words is drawn twice.
        """
        return next((number for number, end in enumerate(self.ends) if call <= end), 0)


class Conditioner:
    """Encodes prompts with one text encoder and remembers the results.

    The cache knows nothing of the weights: whoever changes the text encoder calls ``forget``.
    """

    def __init__(self, text_encoder: CLIPTextModel, embeddings: EmbeddingFolder | None = None) -> None:
        self._encoder = ChunkEncoder(text_encoder, embeddings)
        self._embeddings = embeddings
        self._known: dict[tuple[Texts, int], dict[tuple[Chunk, ...], Tensor]] = {}

    def __len__(self) -> int:
        """How many results are remembered."""
        return sum(map(len, self._known.values()))

    def forget(self) -> None:
        """Drop every result: the text encoder's weights have changed."""
        self._known.clear()

    def encode(self, prompts: Iterable[tuple[str, int]]) -> Tensor:
        """Conditioning of texts without schedules and of one number of chunks, each with its clip skip.

        Returns:
            ``(n, tokens, width)``, in the order given.

        Raises:
            RenderError: As in ``timelines``.
        """
        requests = [Request(text=text, clip_skip=clip_skip) for text, clip_skip in prompts]
        return torch.stack([timeline.contexts[-1] for timeline in self.timelines(requests)])

    def timelines(self, requests: Sequence[Request]) -> list[Timeline]:
        """Conditioning of texts over their UNet calls.

        Returns:
            One timeline for each request, in the text encoder's dtype, on its device.

        Raises:
            RenderError: The encoder has too few layers for a clip skip, an embedding cannot be used, or a result is
                not finite.
        """
        entries = [schedule(request.text, request.calls) for request in requests]
        texts = [self._texts(listed) for listed in entries]
        keys = [(chunked, request.clip_skip) for chunked, request in zip(texts, requests, strict=True)]
        for clip_skip in sorted({request.clip_skip for request in requests}):
            self._learn([chunked for chunked, skip in dict.fromkeys(keys) if skip == clip_skip], clip_skip)
        return [
            Timeline(ends=tuple(entry.end for entry in listed), contexts=tuple(self._known[key][t] for t in key[0]))
            for listed, key in zip(entries, keys, strict=True)
        ]

    def _texts(self, entries: Iterable[Entry]) -> Texts:
        """The chunks of a schedule's texts, the shorter ones filled up with empty chunks."""
        known = {text: chunks_of(text, self._embeddings) for text in dict.fromkeys(entry.text for entry in entries)}
        most = max(map(len, known.values()))
        return tuple((*known[entry.text], *(EMPTY,) * (most - len(known[entry.text]))) for entry in entries)

    @torch.inference_mode()
    def _learn(self, wanted: Sequence[Texts], clip_skip: int) -> None:
        missing = [texts for texts in wanted if (texts, clip_skip) not in self._known]
        if not missing:
            return
        states = self._encoder.encode((chunk for texts in missing for text in texts for chunk in text), clip_skip)
        for texts in missing:
            self._known[texts, clip_skip] = {
                text: context.to(self._encoder.dtype) for text, context in weighted(texts, states).items()
            }


class ChunkEncoder:
    """One CLIP text encoder, in eval mode, which reads chunks of 77 tokens.

    ``embeddings`` is where the vectors of inserts come from, ``vectors`` which of an embedding's are this encoder's.
    """

    def __init__(
        self, model: CLIPTextModel, embeddings: EmbeddingFolder | None = None, *, vectors: str = SINGLE
    ) -> None:
        self._model = model
        self._embeddings = embeddings
        self._vectors = vectors
        self.dtype = next(model.parameters()).dtype

    def encode(self, chunks: Iterable[Chunk], clip_skip: int) -> dict[Chunk, Tensor]:
        """The n-th last layer's output through the final norm, ``(77, width)`` float32 for each chunk.

        Raises:
            RenderError: There are too few layers, an embedding does not fit, or a result is not finite.
        """
        layers = self._model.config.num_hidden_layers
        if not 1 <= clip_skip <= layers:
            raise RenderError(
                f"clip_skip = {clip_skip}: the text encoder has {layers} layers, so it must be from 1 to {layers}"
            )
        listed = list(dict.fromkeys(chunks))
        ids = torch.tensor([chunk.ids for chunk in listed], device=self._model.device)
        base: Any = getattr(self._model, "text_model", self._model)  # transformers 4 has one level more
        hook = base.embeddings.token_embedding.register_forward_hook(self._inserter(listed))
        try:
            hidden = self._model(input_ids=ids, output_hidden_states=True).hidden_states[-clip_skip]
        finally:
            hook.remove()
        result = base.final_layer_norm(hidden).float()
        _refuse_broken(listed, result)
        return dict(zip(listed, result, strict=True))

    def _fitting(self, name: str, width: int) -> Tensor:
        if self._embeddings is None:
            raise RenderError(f'the embedding "{name}" is named, but no folder of embeddings is set. Set one')
        return self._embeddings.fitting(name, width, self._vectors)

    def _inserter(self, chunks: Sequence[Chunk]) -> Any:
        """A hook that puts embeddings into the token embeddings ``(n, 77, width)``; the table itself stays as it is."""

        def insert(module: object, args: object, output: Tensor) -> Tensor:
            output = output.clone()
            for row, chunk in zip(output, chunks, strict=True):
                for item in chunk.inserts:
                    vectors = self._fitting(item.name, row.shape[-1]).to(row)
                    place = row[item.position : item.position + len(vectors)]
                    place.copy_(vectors[: len(place)])
            return output

        return insert


def weighted(texts: Texts, states: Mapping[Chunk, Tensor]) -> dict[tuple[Chunk, ...], Tensor]:
    """The contexts of a schedule's texts: weights applied, means restored, chunks joined.

    Args:
        texts: All texts of the schedule; one that comes twice counts twice in the means.
        states: What the encoder gives for each chunk, ``(77, width)`` float32.

    Returns:
        ``(chunks * 77, width)`` float32 for each text.

    Raises:
        RenderError: A mean cannot be restored.
    """
    columns = [_weighted_column(Counter(column), states) for column in zip(*texts, strict=True)]
    return {
        text: torch.cat([column[chunk] for column, chunk in zip(columns, text, strict=True)])
        for text in dict.fromkeys(texts)
    }


def _weighted_column(counts: Mapping[Chunk, int], states: Mapping[Chunk, Tensor]) -> dict[Chunk, Tensor]:
    """The chunks that stand at one place of a schedule's texts, and how often."""
    if not any(chunk.weighted for chunk in counts):
        return {chunk: states[chunk] for chunk in counts}
    after = {chunk: states[chunk] * states[chunk].new_tensor(chunk.weights)[:, None] for chunk in counts}
    factor = _mean(counts, states) / _mean(counts, after)
    if not bool(factor.isfinite()):
        raise RenderError(
            "the weights of a prompt leave a mean of 0 or no number, which cannot be scaled back to the mean before "
            f"them; the weights are {sorted({weight for chunk in counts for weight in chunk.weights})}. Change one"
        )
    return {chunk: value * factor.float() for chunk, value in after.items()}


def _mean(counts: Mapping[Chunk, int], values: Mapping[Chunk, Tensor]) -> Tensor:
    """The mean over all chunks, in float64: it is small beside the numbers, and the factor hangs on it."""
    means = torch.stack([values[chunk].mean(dtype=torch.float64) * count for chunk, count in counts.items()])
    return means.sum() / sum(counts.values())


def _refuse_broken(chunks: Sequence[Chunk], result: Tensor) -> None:
    whole = result.isfinite().flatten(1).all(1).tolist()
    broken = [words_of(chunk.ids) for chunk, good in zip(chunks, whole, strict=True) if not good]
    if broken:
        raise RenderError(
            f"the text encoder gives NaN or infinite numbers for {len(broken)} of {len(chunks)} chunks of text, first "
            f'"{broken[0]}". The recipe breaks its weights: bring the ratio of BASE closer to 0 or 1'
        )
