"""Texts in lines of a width: broken between words, between Japanese characters, and within words that are too wide."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from PIL.ImageFont import FreeTypeFont

ELLIPSIS = "…"

_WORDS = re.compile(r"\s*\S+")
_NEVER_FIRST = set("、。，．・：；？！）」』】〉》〕］｝ーぁぃぅぇぉっゃゅょァィゥェォッャュョ々…")  # noqa: RUF001


def lines_of(text: str, font: FreeTypeFont, width: float, most: int = 0) -> list[str]:
    """Return a text in lines that are no wider than a width.

    Args:
        text: white space in it is as good as a blank.
        font: what it is set in.
        width: pixels.
        most: the most lines, the last one ending in an ellipsis where there are more; 0: as many as it takes.
    """
    lines = [""]
    for part in _parts(text):
        if font.getlength(lines[-1] + part) <= width:
            lines[-1] += part
            continue
        if lines[-1]:
            lines.append("")
        for piece in _pieces(part.lstrip(), font, width):
            if lines[-1]:
                lines.append("")
            lines[-1] = piece
    if most and len(lines) > most:
        lines = [*lines[: most - 1], cut(lines[most - 1] + ELLIPSIS, font, width)]
    return lines


def cut(text: str, font: FreeTypeFont, width: float) -> str:
    """Return a text on one line, cut with an ellipsis where it is wider than a width."""
    if font.getlength(text) <= width:
        return text
    shorter = text.rstrip(ELLIPSIS)
    while shorter and font.getlength(shorter + ELLIPSIS) > width:
        shorter = shorter[:-1]
    return shorter + ELLIPSIS


def _parts(text: str) -> Iterator[str]:
    """What a line may be broken between: words with the blank before them, wide characters one by one."""
    for word in _WORDS.findall(" ".join(text.split())):
        part = ""
        for character in word:
            if part.strip() and character not in _NEVER_FIRST and (_is_wide(character) or _is_wide(part[-1])):
                yield part
                part = ""
            part += character
        yield part


def _is_wide(character: str) -> bool:
    return unicodedata.east_asian_width(character) in "WF"


def _pieces(word: str, font: FreeTypeFont, width: float) -> Iterator[str]:
    """A word in pieces that fit, one character at least."""
    piece = ""
    for character in word:
        if piece and font.getlength(piece + character) > width:
            yield piece
            piece = ""
        piece += character
    yield piece
