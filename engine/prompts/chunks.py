"""From a prompt's text to a CLIP text encoder's input: chunks of 77 tokens, each token with a weight.

The rules are AUTOMATIC1111's (WebUI 1.10): 75 tokens of text fill a chunk; if a comma is among its last 20, what
follows the comma moves to the next chunk; ``BREAK`` fills the chunk up; an embedding's vectors stay together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from engine.architecture.widths import END
from engine.errors import RenderError
from engine.prompts.attention import BREAK, Piece, parse_attention
from engine.prompts.tokenizer import CHUNK_ROOM, CONTEXT, START, token_ids

COMMA = 267
"""The id of the comma."""
BACKTRACK = 20
"""Among how many tokens at a chunk's end a comma is searched; the WebUI's "comma_padding_backtrack"."""
PLACEHOLDER = 0
"""The id that is replaced by a vector of an embedding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Insert:
    """An embedding inside a chunk.

    Attributes:
        name: Of the embedding.
        position: The first of the 77 positions that its vectors take.
    """

    name: str
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """The input of one text encoder call.

    Attributes:
        ids: 77 token ids: start, up to 75 of text, end, and more ends as padding.
        weights: 77 weights; 1 for start, end and padding.
        inserts: Embeddings whose vectors replace those of some tokens.
    """

    ids: tuple[int, ...]
    weights: tuple[float, ...]
    inserts: tuple[Insert, ...] = ()

    @property
    def weighted(self) -> bool:
        """Whether any weight is not 1."""
        return any(weight != 1 for weight in self.weights)


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedEmbedding:
    """An embedding that a text names.

    Attributes:
        name: Its name.
        vectors: How many vectors it has, each in the place of one token.
        tokens: How many tokens its name has.
    """

    name: str
    vectors: int
    tokens: int


class EmbeddingNames(Protocol):
    """A lookup of embeddings by the tokens of their names."""

    def named_at(self, ids: Sequence[int], place: int) -> NamedEmbedding | None:
        """Return the embedding whose name begins at a position in the ids, if any."""
        ...


EMPTY = Chunk(ids=(START, *(END,) * (CONTEXT - 1)), weights=(1.0,) * CONTEXT)
"""The chunk of an empty text."""


def chunks_of(text: str, names: EmbeddingNames | None = None, *, literal: bool = False) -> tuple[Chunk, ...]:
    """Return the chunks of a text.

    Args:
        text: A text whose schedules are resolved; attention and ``BREAK`` are still in it.
        names: The embeddings that the text may name.
        literal: Whether brackets and ``BREAK`` are letters like others (the emphasis "None").

    Returns:
        At least one chunk.

    Raises:
        RenderError: The text names an embedding that fits no chunk, or that cannot be read.
    """
    filler = _Filler(names=names)
    for piece in [Piece(text=text)] if literal else parse_attention(text):
        if piece == BREAK:
            filler.next_chunk()
        else:
            filler.add(token_ids(piece.text), piece.weight)
    return filler.finished()


def refuse_long_embedding(name: str, vectors: int) -> None:
    """Refuse an embedding that no chunk has room for.

    Raises:
        RenderError: it has too many vectors.
    """
    if vectors > CHUNK_ROOM:
        raise RenderError(
            f'the embedding "{name}" has {vectors} vectors, and a chunk has room for {CHUNK_ROOM}',
            remedy="take it out of the prompt, or use one with fewer vectors",
        )


@dataclass(slots=True, kw_only=True)
class _Filler:
    names: EmbeddingNames | None
    done: list[Chunk] = field(default_factory=list)
    ids: list[int] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    inserts: list[Insert] = field(default_factory=list)
    comma: int | None = None  # the position of the last comma in this chunk

    def add(self, ids: Sequence[int], weight: float) -> None:
        """Append tokens of one weight; where they name an embedding, its vectors take their place."""
        place = 0
        while place < len(ids):
            self._make_room(ids[place])
            named = self.names.named_at(ids, place) if self.names else None
            if named:
                self._insert(named, weight)
                place += named.tokens
            else:
                self._append([ids[place]], weight)
                place += 1

    def next_chunk(self) -> None:
        """Close this chunk, padded with the end token, and begin another."""
        filling = CHUNK_ROOM - len(self.ids)
        self.done.append(
            Chunk(
                ids=(START, *self.ids, *(END,) * (filling + 1)),
                weights=(1.0, *self.weights, *(1.0,) * (filling + 1)),
                inserts=tuple(self.inserts),
            )
        )
        self.ids, self.weights, self.inserts, self.comma = [], [], [], None

    def finished(self) -> tuple[Chunk, ...]:
        """Return all chunks, at least one, the last one padded."""
        if self.ids or not self.done:
            self.next_chunk()
        return tuple(self.done)

    def _make_room(self, token: int) -> None:
        """Begin another chunk if this one is full; the tokens after a late comma move to it."""
        full = len(self.ids) == CHUNK_ROOM
        if token == COMMA:
            self.comma = len(self.ids)
        elif full and self.comma is not None and CHUNK_ROOM - self.comma <= BACKTRACK:
            self._move_behind(self.comma + 1)
        if len(self.ids) == CHUNK_ROOM:
            self.next_chunk()

    def _move_behind(self, start: int) -> None:
        """Move everything from ``start`` on to the next chunk.

        The WebUI moves only tokens and weights: an embedding's vectors stay in this chunk, in the place of padding.
        """
        ids, weights = self.ids[start:], self.weights[start:]
        del self.ids[start:], self.weights[start:]
        self.next_chunk()
        self.ids, self.weights = ids, weights

    def _insert(self, named: NamedEmbedding, weight: float) -> None:
        refuse_long_embedding(named.name, named.vectors)
        if len(self.ids) + named.vectors > CHUNK_ROOM:
            self.next_chunk()
        self.inserts.append(Insert(name=named.name, position=len(self.ids) + 1))
        self._append([PLACEHOLDER] * named.vectors, weight)

    def _append(self, ids: list[int], weight: float) -> None:
        self.ids += ids
        self.weights += [weight] * len(ids)
