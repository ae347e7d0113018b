"""Attention in a prompt: ``(x)``, ``(x:1.2)`` and ``[x]`` as pieces of text with weights, parsed.

The grammar is AUTOMATIC1111's (WebUI 1.10). Its special cases are kept, because pictures depend on them: a number
counts only before a closing round bracket, an opening bracket without its partner acts to the end of the text, round
and square brackets are matched independently, and ``BREAK`` inside brackets is a word with a negative weight.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

STRONGER = 1.1
"""The factor of a pair of round brackets; square brackets divide by it."""

_SIGNS = re.compile(
    r"\\(?P<literal>[()\[\]\\]?)"  # a backslash turns the next bracket or backslash into a letter, and is dropped
    r"|(?P<opener>[(\[])"
    r"|:\s*(?P<weight>[+-]?(?:\d+\.?\d*|\.\d+))\s*\)"
    r"|(?P<closer>[)\]])"
    r"|(?P<text>:|[^\\()\[\]:]+)"
)
_BREAK = re.compile(r"\s*\bBREAK\b\s*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A run of text with one weight.

    Attributes:
        text: What is tokenised, never empty.
        weight: The factor of the text's rows of the conditioning; 1 is neutral.
    """

    text: str
    weight: float = 1.0


BREAK = Piece(text="BREAK", weight=-1.0)
"""The piece that ends a chunk of 75 tokens; the WebUI marks it in the same way."""


def parse_attention(text: str) -> tuple[Piece, ...]:
    """Return the pieces of a text, in order.

    Neighbours of one weight are joined, so that they are tokenised together; pieces without text are dropped.

    Args:
        text: A prompt whose schedules are already resolved.
    """
    reader = _PieceReader()
    for match in _SIGNS.finditer(text):
        reader.read(match)
    return tuple(piece for piece in _neighbours_joined(reader.finished()) if piece.text)


def unmatched_brackets(text: str) -> tuple[str, ...]:
    """Return the brackets without a partner: closing ones are read as letters, opening ones act to the end."""
    open_signs: dict[str, int] = {"(": 0, "[": 0}
    alone: list[str] = []
    for match in _SIGNS.finditer(text):
        closer = ")" if match["weight"] else match["closer"]
        if match["opener"]:
            open_signs[match["opener"]] += 1
        elif closer:
            opener = "(" if closer == ")" else "["
            if open_signs[opener]:
                open_signs[opener] -= 1
            else:
                alone.append(closer)
    return (*alone, *(sign for sign, count in open_signs.items() for _ in range(count)))


class _PieceReader:
    """Collects pieces, and remembers where brackets were opened."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._weights: list[float] = []
        self._openers: dict[str, list[int]] = {"(": [], "[": []}

    def read(self, match: re.Match[str]) -> None:
        """Take the next sign or words of the text."""
        if match["opener"]:
            self._openers[match["opener"]].append(len(self._texts))
        elif match["weight"] and self._openers["("]:
            self._weigh(self._openers["("].pop(), float(match["weight"]))
        elif match["closer"] == ")" and self._openers["("]:
            self._weigh(self._openers["("].pop(), STRONGER)
        elif match["closer"] == "]" and self._openers["["]:
            self._weigh(self._openers["["].pop(), 1 / STRONGER)
        elif match["literal"] is not None:
            self._add(match["literal"])
        else:
            self._add_words(match[0])

    def finished(self) -> Iterator[Piece]:
        """Yield the pieces with their weights; a bracket that was never closed counts to the end of the text."""
        for opener, factor in (("(", STRONGER), ("[", 1 / STRONGER)):
            for start in self._openers[opener]:
                self._weigh(start, factor)
        for text, weight in zip(self._texts, self._weights, strict=True):
            yield Piece(text=text, weight=weight)

    def _add(self, text: str, weight: float = 1.0) -> None:
        self._texts.append(text)
        self._weights.append(weight)

    def _add_words(self, text: str) -> None:
        first, *others = _BREAK.split(text)
        self._add(first)
        for other in others:
            self._add(BREAK.text, BREAK.weight)
            self._add(other)

    def _weigh(self, start: int, factor: float) -> None:
        self._weights[start:] = [weight * factor for weight in self._weights[start:]]


def _neighbours_joined(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """The pieces, with neighbours of one weight joined."""
    current: Piece | None = None
    for piece in pieces:
        if current is not None and piece.weight == current.weight:
            current = replace(current, text=current.text + piece.text)
        else:
            if current is not None:
                yield current
            current = piece
    if current is not None:
        yield current
