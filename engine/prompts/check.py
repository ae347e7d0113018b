"""What a person should know about a prompt before it is rendered: what has no effect, and what looks like a slip."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from engine.errors import Problem
from engine.prompts.attention import BREAK, parse_attention, unmatched_brackets
from engine.prompts.parts import NETWORK, negative_text, prompt_parts, without_comments
from engine.prompts.schedule import Alternate, Nodes, Scheduled, parse_schedule, resolved_texts

MOST_TEXTS = 50
"""How many of a schedule's texts are checked; the others repeat their words."""
LARGEST_WEIGHT = 1e30
"""The largest weight of words: sums over a chunk's numbers, of about 30, stay within float32 with it."""

_CHOICE = re.compile(r"\{[^{}]*\|[^{}]*\}")
_WILDCARD = re.compile(r"__(?=\S)[^(${}#\n]{1,80}?(?<=\S)__")
_BARE_WEIGHT = re.compile(r"\w[\w -]*:\s?\d*\.\d+")
_SCHEDULE_LIKE = re.compile(r"(?<!\\)\[[^\[\]\\]*[:|][^\[\]\\]*\]")


def check_prompt(
    text: str, *, negative: bool = False, named: Collection[object] = (), old_timelines: bool = False
) -> tuple[Problem, ...]:
    """Return remarks on a prompt.

    Args:
        text: A prompt or a negative.
        negative: Which of the two it is: AND and extra networks mean nothing in a negative.
        named: Choices and wildcards that are told already.
        old_timelines: Whether its schedules mean what they meant before WebUI 1.6.

    Returns:
        One remark for each finding, without repeats: what the prompt has and what happens to it, and the way out. Empty
        for a prompt without any.
    """
    remarks = [
        *_ignored_signs(without_comments(text), named, negative=negative),
        *_whole_weight(text, negative=negative),
    ]
    parts = [negative_text(text)] if negative else [part.text for part in prompt_parts(text)]
    for part in parts:
        remarks += _schedule_remarks(part, old=old_timelines)
        for resolved in list(dict.fromkeys(stretch.text for stretch in resolved_texts(part, 1000)))[:MOST_TEXTS]:
            remarks += _resolved_remarks(resolved)
    return tuple(dict.fromkeys(remarks))


def overflowing_weights(text: str, *, negative: bool = False) -> tuple[Problem, ...]:
    """Return the weights of words in a prompt that no conditioning can hold: rendering it fails.

    Args:
        text: A prompt or a negative.
        negative: Which of the two it is.
    """
    parts = [negative_text(text)] if negative else [part.text for part in prompt_parts(text)]
    stretches = {stretch.text: None for part in parts for stretch in resolved_texts(part, 1000)}
    return tuple(
        Problem(
            what=f'"{piece.text.strip()[:20]}" has a weight of {piece.weight:.1g}, which overflows',
            remedy="write a weight such as 1.2",
        )
        for resolved in stretches
        for piece in parse_attention(resolved)
        if not abs(piece.weight) <= LARGEST_WEIGHT
    )


def _ignored_signs(text: str, named: Collection[object], *, negative: bool) -> Iterator[Problem]:
    """Signs that have no effect here."""
    for found in NETWORK.finditer(text):
        fate = "stands in a negative and is read as words" if negative else "is taken out and not applied"
        yield Problem(
            what=f'"{found[0]}" (LoRA or another extra network) {fate}',
            remedy="merge it into the models, or take it out",
        )
    for pattern, name in ((_CHOICE, "a choice of words"), (_WILDCARD, "a wildcard")):
        for found in (found for found in pattern.finditer(text) if found[0] not in named):
            yield Problem(
                what=f'"{found[0]}" looks like {name} and is read as it stands',
                remedy="write the words alone, or give its list",
            )
    if negative and re.search(r"\bAND\b", text):
        yield Problem(what='"AND" composes nothing in a negative and is read as a word', remedy="use a comma")


def _whole_weight(text: str, *, negative: bool) -> Iterator[Problem]:
    """A weight at the end of a prompt without AND: it was probably meant for the last words."""
    parts = () if negative else prompt_parts(text)
    if len(parts) == 1 and parts[0].weight != 1:
        yield Problem(
            what=f'":{parts[0].weight:g}" at the end weighs the whole prompt against the negative',
            remedy="to weigh the words before it, put them and the weight into round brackets",
        )


def _schedule_remarks(text: str, *, old: bool) -> Iterator[Problem]:
    nodes = parse_schedule(text)
    if nodes is not None:
        yield from () if old else _late(nodes)
    elif _SCHEDULE_LIKE.search(text):
        yield Problem(
            what='a "|" that separates no [a|b], or a backslash at the end, keeps every schedule of the text from '
            "being read",
            remedy="take it out, or write a backslash before it",
        )


def _late(nodes: Nodes) -> Iterator[Problem]:
    """Schedules whose second text never comes."""
    for node in nodes:
        if isinstance(node, Alternate):
            for option in node.options:
                yield from _late(option)
        elif isinstance(node, Scheduled):
            yield from _late((*(node.before or ()), *node.after))
            if "." in node.when and float(node.when.strip()) >= 1:
                yield Problem(
                    what=f'a schedule switches at "{node.when.strip()}" of all steps, so its last text never comes',
                    remedy="write a fraction below 1 or a step, or, for a weight, round brackets",
                )


def _resolved_remarks(text: str) -> Iterator[Problem]:
    """Remarks on a text whose schedules are resolved."""
    for sign in unmatched_brackets(text):
        fate = "acts on everything behind it" if sign in "([" else "is read as a letter"
        yield Problem(
            what=f'a "{sign}" has no partner and {fate}', remedy="close the bracket, or write a backslash before it"
        )
    for found in _SCHEDULE_LIKE.finditer(text):
        if parse_schedule(text) is not None:
            yield Problem(
                what=f'"{found[0]}" looks like a schedule without a step, so its signs are words',
                remedy="write [from:to:step]",
            )
    for piece in parse_attention(text):
        for found in _BARE_WEIGHT.finditer(piece.text):
            yield Problem(
                what=f'"{found[0].strip()}" has a weight without round brackets, read as words',
                remedy=f"write ({found[0].strip()})",
            )
        if piece != BREAK and re.search(r"\bBREAK\b", piece.text):
            yield Problem(
                what='"BREAK" inside brackets ends no chunk and is read as a word',
                remedy="write it between brackets, not in them",
            )
