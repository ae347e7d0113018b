"""The text of pieces of attention: the inverse of reading it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal
from itertools import pairwise

from engine.prompts.attention import BREAK, Piece


def print_attention(pieces: Iterable[Piece]) -> str:
    """A text whose pieces these are: ``parse_attention`` of it gives them back, as long as all weights are finite."""
    pieces = tuple(pieces)
    separators = [_separator(left, right) for left, right in pairwise(pieces)]
    swallowing = BREAK in pieces
    printed = [_printed(piece, swallowing=swallowing) for piece in pieces]
    return "".join(text + gap for text, gap in zip(printed, [*separators, ""], strict=bool(pieces)))


def _separator(left: Piece, right: Piece) -> str:
    """What keeps two neighbours of one weight apart: a piece without text, of another weight."""
    if left.weight != right.weight:
        return ""
    return r"(\:2)" if left.weight == 0 else r"(\:0)"


def _printed(piece: Piece, *, swallowing: bool) -> str:
    """One piece; where a BREAK swallows the space around it, space at a text's ends is kept by brackets."""
    if piece == BREAK:
        return " BREAK "
    escaped = re.sub(r"[\\()\[\]]", r"\\\g<0>", piece.text)
    words = re.sub(r"\bBREAK\b", r"BRE\\AK", escaped)  # a word with that name: the backslash is dropped in reading
    if piece.weight == 1 and not (swallowing and piece.text != piece.text.strip()):
        return words
    return f"({words}:{Decimal(repr(piece.weight)):f})"
