"""A prompt split before its schedules are read: comments, extra networks, and the parts that ``AND`` composes.

The order is AUTOMATIC1111's (WebUI 1.10): comments are removed, extra networks too (from the prompt, not from the
negative), the prompt is split at ``AND``, and a number after a colon at the very end of a part is that part's weight. A
negative is not composed: there, ``AND`` is a word.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

NETWORK = re.compile(r"<\w+:[^>]+>")
"""A LoRA or another extra network, as the WebUI writes it: "<lora:name:1>"."""

_COMMENT_LINE = re.compile(r"(?:^|\n)#[^\n]*(?:\n|$)")
_COMMENT = re.compile(r"#[^\n]*(?:\n|$)")
_WEIGHT = re.compile(r"\s*:\s*(?P<weight>[-+]?(?:\d+\.?|\d*\.\d+))\s*\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptPart:
    """One of the texts that a prompt composes.

    Attributes:
        text: Its text, with schedules and attention.
        weight: The factor of the guidance scale for it.
    """

    text: str
    weight: float = 1.0


def without_comments(text: str) -> str:
    """Return the text without comments: from a ``#`` to the end of its line."""
    return _COMMENT.sub("\n", _COMMENT_LINE.sub("\n", text))


def prompt_parts(prompt: str) -> tuple[PromptPart, ...]:
    """Return the parts of a prompt, at least one."""
    text = NETWORK.sub("", without_comments(prompt))
    return tuple(_weighted_part(piece) for piece in re.split(r"\bAND\b", text))


def negative_text(negative: str) -> str:
    """Return the text of a negative, without comments."""
    return without_comments(negative)


def _weighted_part(text: str) -> PromptPart:
    weight = _WEIGHT.search(text)
    if weight is None:
        return PromptPart(text=text.rstrip())
    return PromptPart(text=text[: weight.start()], weight=float(weight["weight"]))
