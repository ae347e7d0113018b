"""Valid files made wrong: what editors, transfers, other programs and people do to them."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

_LETTERS = (
    *("", "\0", "\n", "\r\n", "\t", "\ufeff", "\x1b[2J", "\u202e", "\u00a0", "\u2028", "\u3000", "\udc80"),
    "\U0001f600",
)
_NUMBERS = (
    *("0", "-0", "-1", "1e400", "-1e400", "1e-400", "nan", "NaN", "inf", "Infinity", "0x10", "1_000", "1,5"),
    *("\u0661\u0662", "\u00bd", "\u00b2", "9" * 30, "9" * 5000, "1e9999999999", "18446744073709551616", "0.1" * 40),
)
_SIGNS = ("true", "null", "None", "[]", "{}", '""', "''", '"', "'", *"[]{}():,=|\\")
_NESTED = ("[" * 3000, "{" * 3000, "(" * 300, '{"a":' * 3000, "a." * 2000, "[[" * 900 + "]]" * 900)
_PATHS = ("../../x", "/dev/zero", "~nosuchuser/x", "x" * 5000, "C:\\a\\b")
_PROMPTS = ("$x", "${x}", "__x__", "{a|b", "{2$$a|b}", "<lora:x:1>", "AND", "BREAK")
_MERGES = ("BASE", "IN00", "OUT11", "M00", "ALL", "NOT", "R", "U", "X", "ER", "alpha", "classic", "sdxl", "self")
ODD_WORDS: tuple[bytes, ...] = tuple(
    word.encode("utf-8", "surrogatepass")
    for word in (*_LETTERS, *_NUMBERS, *_SIGNS, *_NESTED, *_PATHS, *_PROMPTS, *_MERGES)
)
"""Pieces that parsers stumble over, put in anywhere."""


def mutated(data: bytes, rng: random.Random) -> bytes:
    """One to four changes of a valid file; sometimes it is cut short or grows at its end instead."""
    for _ in range(rng.randint(1, 4)):
        data = rng.choice(_CHANGES)(data, rng)
    return data


def _cut(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randint(0, len(data))]


def _deleted(data: bytes, rng: random.Random) -> bytes:
    start, end = _stretch(data, rng)
    return data[:start] + data[end:]


def _doubled(data: bytes, rng: random.Random) -> bytes:
    start, end = _stretch(data, rng)
    return data[:end] + data[start:end] * rng.choice((1, 1, 2, 50)) + data[end:]


def _inserted(data: bytes, rng: random.Random) -> bytes:
    place = rng.randint(0, len(data))
    return data[:place] + rng.choice(ODD_WORDS) + data[place:]


def _replaced(data: bytes, rng: random.Random) -> bytes:
    start, end = _stretch(data, rng)
    return data[:start] + rng.choice(ODD_WORDS) + data[end:]


def _flipped(data: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 3, 20))):
        if changed:
            changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed)


def _word_replaced(data: bytes, rng: random.Random) -> bytes:
    """A whole value between the separators of texts, which byte changes hardly ever hit exactly."""
    cuts = [place for place, byte in enumerate(data[:20_000]) if byte in b" ,:;=\n\t[]{}()\"'"]
    if len(cuts) < 2:
        return _replaced(data, rng)
    first = rng.randrange(len(cuts) - 1)
    start, end = cuts[first] + 1, cuts[first + 1]
    words: Sequence[bytes] = (*ODD_WORDS, data[: rng.randint(0, min(len(data), 40))])
    return data[:start] + rng.choice(words) + data[end:]


def _moved(data: bytes, rng: random.Random) -> bytes:
    start, end = _stretch(data, rng)
    rest = data[:start] + data[end:]
    place = rng.randint(0, len(rest))
    return rest[:place] + data[start:end] + rest[place:]


def _recoded(data: bytes, rng: random.Random) -> bytes:
    """As another editor would save it; a binary file is left alone."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return _flipped(data, rng)
    return text.encode(rng.choice(("utf-16", "utf-8-sig", "utf-16-le", "cp1252", "shift-jis")), errors="replace")


def _stretch(data: bytes, rng: random.Random) -> tuple[int, int]:
    start = rng.randint(0, len(data))
    return start, min(len(data), start + rng.choice((1, 1, 2, 8, 40, 400)))


_CHANGES: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    *(_cut, _deleted, _doubled, _inserted, _inserted, _replaced, _flipped),
    *(_word_replaced, _word_replaced, _word_replaced, _moved, _recoded),
)
