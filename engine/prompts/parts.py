"""What a prompt is made of before its schedules: comments, extra networks, and the parts that ``AND`` composes.

The order is AUTOMATIC1111's (WebUI 1.10): comments go, extra networks go (from the prompt, not from the negative), the
prompt is cut at ``AND``, and a number behind a colon at the very end of a part is that part's weight. A negative is not
composed: there, ``AND`` is a word.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

NETWORK = re.compile(r"<\w+:[^>]+>")

_COMMENT_LINE = re.compile(r"(?:^|\n)#[^\n]*(?:\n|$)")
_COMMENT = re.compile(r"#[^\n]*(?:\n|$)")
_WEIGHT = re.compile(r"\s*:\s*(?P<weight>[-+]?(?:\d+\.?|\d*\.\d+))\s*\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One of the texts that a prompt composes.

    Attributes:
        text: A text with schedules and attention still in it.
        weight: How much of the guidance scale it gets.
    """

    text: str
    weight: float = 1.0


def without_comments(text: str) -> str:
    """The text without what stands between a ``#`` and the end of its line."""
    return _COMMENT.sub("\n", _COMMENT_LINE.sub("\n", text))


def prompt_parts(prompt: str) -> tuple[Part, ...]:
    """The parts of a prompt, at least one."""
    text = NETWORK.sub("", without_comments(prompt))
    return tuple(_part(piece) for piece in re.split(r"\bAND\b", text))


def negative_text(negative: str) -> str:
    """The one text of a negative."""
    return without_comments(negative)


def _part(text: str) -> Part:
    found = _WEIGHT.search(text)
    if found is None:
        return Part(text=text.rstrip())
    return Part(text=text[: found.start()], weight=float(found["weight"]))
