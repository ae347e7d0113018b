"""Chunks to numbers: one text encoder encodes them, and weights are applied to its output.

The arithmetic is that of AUTOMATIC1111's WebUI 1.10 ("Emphasis: Original"): the rows of a chunk are multiplied by their
weights, then the whole is scaled so that its mean is what it was before. The chunks of one position in all
texts of a schedule go through this together, and the mean is taken over all of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor, nn

from engine.errors import RenderError
from engine.prompts.chunks import Chunk
from engine.prompts.embedding_file import SINGLE
from engine.prompts.tokenizer import words_of

if TYPE_CHECKING:
    from engine.prompts.embeddings import EmbeddingFolder

Texts = tuple[tuple[Chunk, ...], ...]
"""Every text of a schedule as chunks; all texts have the same number of chunks."""

NO_NORM = "No norm"
"""The emphasis that applies weights and does not restore means."""
WEIGHING = frozenset({"Original", NO_NORM})
"""The kinds of emphasis that apply weights."""


class ReadableEncoder(Protocol):
    """One text encoder and how it is read; ``engine.prompts.encoders.Tower`` is one."""

    @property
    def model(self) -> nn.Module:
        """The text encoder itself."""
        ...

    @property
    def base(self) -> Any:
        """The module that has ``embeddings``."""
        ...

    def read(self, ids: Tensor, clip_skip: int) -> tuple[Tensor, Tensor | None]:
        """From ids ``(n, 77)`` to states ``(n, 77, width)`` and, where there is one, the pooled text ``(n, width)``."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """A text encoder's output for a chunk: states ``(77, width)`` float32, and the pooled text ``(width,)`` or None."""

    states: Tensor
    pooled: Tensor | None


class ChunkEncoder:
    """One text encoder, and the textual-inversion embeddings that are inserted into its input.

    Args:
        tower: The text encoder.
        embeddings: Where the vectors of inserts come from; None: there are none.
        vectors: Which of an embedding's vectors are for this encoder: ``SINGLE``, or a name of ``PAIR``.

    Attributes:
        dtype: The encoder's.
    """

    def __init__(
        self, tower: ReadableEncoder, embeddings: EmbeddingFolder | None = None, *, vectors: str = SINGLE
    ) -> None:
        self._tower = tower
        self._embeddings = embeddings
        self._vectors = vectors
        first = next(tower.model.parameters())
        self.dtype, self._device = first.dtype, first.device

    def encode(self, chunks: Iterable[Chunk], clip_skip: int) -> dict[Chunk, Encoded]:
        """Return the encoder's output for each chunk.

        Raises:
            RenderError: There are too few layers, an embedding does not fit, or a result is not finite.
        """
        listed = list(dict.fromkeys(chunks))
        ids = torch.tensor([chunk.ids for chunk in listed], device=self._device)
        hook = self._tower.base.embeddings.token_embedding.register_forward_hook(self._inserter(listed))
        try:
            states, pooled = self._tower.read(ids, clip_skip)
        finally:
            hook.remove()
        for value in (states, pooled):
            _refuse_broken(listed, value)
        rows = [None] * len(listed) if pooled is None else list(pooled.float())
        outputs = zip(states.float(), rows, strict=True)
        return {chunk: Encoded(states=s, pooled=p) for chunk, (s, p) in zip(listed, outputs, strict=True)}

    def _fitting(self, name: str, width: int) -> Tensor:
        if self._embeddings is None:
            raise RenderError(f'the embedding "{name}" is named, but no folder of embeddings is set', remedy="set one")
        return self._embeddings.fitting(name, width, self._vectors)

    def _inserter(self, chunks: Sequence[Chunk]) -> Any:
        """A hook that puts vectors into the token embeddings ``(n, 77, width)``, without changing the table itself."""

        def insert(module: object, args: object, output: Tensor) -> Tensor:
            output = output.clone()
            for row, chunk in zip(output, chunks, strict=True):
                for item in chunk.inserts:
                    vectors = self._fitting(item.name, row.shape[-1]).to(row)
                    place = row[item.position : item.position + len(vectors)]
                    place.copy_(vectors[: len(place)])
            return output

        return insert


def weighted(
    texts: Texts, states: Mapping[Chunk, Tensor], emphasis: str = "Original"
) -> dict[tuple[Chunk, ...], Tensor]:
    """Return the contexts of a schedule's texts: weights applied, means restored, chunks joined.

    Args:
        texts: All texts of the schedule; one that occurs twice counts twice in the means.
        states: The encoder's output for each chunk, ``(77, width)`` float32.
        emphasis: "Original"; "No norm" does not restore means, anything else applies no weights.

    Returns:
        ``(chunks * 77, width)`` float32 for each text.

    Raises:
        RenderError: A mean cannot be restored.
    """
    columns = [_weighted_column(Counter(column), states, emphasis) for column in zip(*texts, strict=True)]
    return {
        text: torch.cat([column[chunk] for column, chunk in zip(columns, text, strict=True)])
        for text in dict.fromkeys(texts)
    }


def _weighted_column(counts: Mapping[Chunk, int], states: Mapping[Chunk, Tensor], emphasis: str) -> dict[Chunk, Tensor]:
    """The weighted states of the chunks at one position of a schedule's texts; ``counts``: how often each occurs."""
    if emphasis not in WEIGHING or not any(chunk.weighted for chunk in counts):
        return {chunk: states[chunk] for chunk in counts}
    after = {chunk: states[chunk] * states[chunk].new_tensor(chunk.weights)[:, None] for chunk in counts}
    if emphasis == NO_NORM:
        return after
    factor = _mean_over_chunks(counts, states) / _mean_over_chunks(counts, after)
    if not bool(factor.isfinite()):
        raise RenderError(
            "the weights of a prompt leave a mean of 0 or no number, which cannot be scaled back to the mean before "
            "them",
            seen=sorted({weight for chunk in counts for weight in chunk.weights}),
            remedy="change one of its weights",
        )
    return {chunk: value * factor.float() for chunk, value in after.items()}


def _mean_over_chunks(counts: Mapping[Chunk, int], values: Mapping[Chunk, Tensor]) -> Tensor:
    """The mean over all chunks, in float64: it is much smaller than the numbers, and the factor depends on it."""
    means = torch.stack([values[chunk].mean(dtype=torch.float64) * count for chunk, count in counts.items()])
    return means.sum() / sum(counts.values())


def _refuse_broken(chunks: Sequence[Chunk], result: Tensor | None) -> None:
    if result is None:
        return
    whole = result.isfinite().flatten(1).all(1).tolist()
    broken = [words_of(chunk.ids) for chunk, good in zip(chunks, whole, strict=True) if not good]
    if broken:
        raise RenderError(
            f"the text encoder gives NaN or infinite numbers for {len(broken)} of {len(chunks)} chunks of text, first "
            f'"{broken[0]}"',
            remedy="the recipe breaks its weights: bring the ratio of BASE closer to 0 or 1",
        )
