"""Schedules in a prompt: ``[a:b:0.5]``, ``[a:3]``, ``[a::3]`` and ``[a|b]``, parsed and resolved.

The grammar is AUTOMATIC1111's (WebUI 1.10). Schedules are resolved before attention is read, into texts that each hold
for some steps. Everything else stays unchanged, brackets included. One special case matters: a ``|`` that separates no
alternatives, or a backslash at the very end, makes the WebUI read no schedule in the whole text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

_SIGNS = re.compile(r"(?P<text>(?:[^\\\[\]():|]|\\.)+)|(?P<sign>[\[\]():|])|(?P<broken>\\)")
_WHEN = re.compile(r"\s*(?P<number>[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)\s*")
_PARTNER = {")": "(", "]": "["}
_ENDLESS = 1e9
"""A step later than any; numbers such as 1e999 are reduced to it before they are rounded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheduled:
    """``[before:after:when]``; without ``before``, ``[after:when]``.

    Attributes:
        before: The text until the switch; None where there is only one text.
        after: The text from then on.
        when: The moment as in the prompt, with its spaces: a step, or with a point in it, a fraction of the steps.
    """

    before: Nodes | None
    after: Nodes
    when: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternate:
    """``[a|b|c]``: one option for each step, in turn."""

    options: tuple[Nodes, ...]


Nodes = tuple[str | Scheduled | Alternate, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TextStretch:
    """A text, and the last step, counted from 1, for which it holds."""

    end: int
    text: str


def parse_schedule(text: str) -> Nodes | None:
    """Return a text as plain text, schedules and alternations; None where the WebUI reads no schedule in it."""
    root = _OpenBracket(opener="")
    open_brackets: list[_OpenBracket] = [root]
    for match in _SIGNS.finditer(text):
        if match["broken"]:
            return None
        if match["text"]:
            open_brackets[-1].items.append(match["text"])
        else:
            _read_sign(match["sign"], open_brackets)
    _unmatched_as_letters(open_brackets)
    return None if _BAR in root.items else _nodes(root.items)


def print_schedule(nodes: Nodes) -> str:
    """Return the text that ``parse_schedule`` turns into these nodes again."""
    return "".join(_node_text(node) for node in nodes)


def resolved_texts(
    text: str, steps: int, *, base_steps: int | None = None, old: bool = False
) -> tuple[TextStretch, ...]:
    """Return the texts that a text with schedules stands for, each with its last step.

    Args:
        text: A prompt, or one part of a composed one.
        steps: Steps to be made, at least 1.
        base_steps: In a second pass (hires fix), the steps of the first: whole numbers go on counting from them, and
            fractions from 1 to 2 mean this pass.
        old: Whether numbers mean what they meant before WebUI 1.6: those below 1 a fraction, with or without a point,
            all others a step; and a second pass has the texts of the first, by the steps of the first.

    Returns:
        At least one; ends rise, and the last end is ``steps``, or in an old second pass ``base_steps``.
    """
    nodes = parse_schedule(text)
    if nodes is None:
        return (TextStretch(end=steps, text=text),)
    if old:
        steps, base_steps = base_steps or steps, None
    clock = _Clock(steps=steps, base=base_steps, old=old)
    ends = sorted({steps, *clock.switches(nodes)})
    return tuple(TextStretch(end=end, text=clock.text_at(nodes, end)) for end in ends)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Clock:
    steps: int
    base: int | None
    old: bool = False

    def switches(self, nodes: Iterable[str | Scheduled | Alternate]) -> Iterator[int]:
        """The steps after which something changes."""
        for node in nodes:
            if isinstance(node, Scheduled):
                step = self._step_of(node.when)
                yield from (step,) if step >= 1 else ()
                yield from self.switches((*(node.before or ()), *node.after))
            elif isinstance(node, Alternate):
                yield from range(1, self.steps + 1)

    def text_at(self, nodes: Iterable[str | Scheduled | Alternate], step: int) -> str:
        """Return the text that is in force at a step, from 1."""
        return "".join(node if isinstance(node, str) else self._chosen(node, step) for node in nodes)

    def _chosen(self, node: Scheduled | Alternate, step: int) -> str:
        if isinstance(node, Alternate):
            return self.text_at(node.options[(step - 1) % len(node.options)], step)
        return self.text_at((node.before or ()) if step <= self._step_of(node.when) else node.after, step)

    def _step_of(self, when: str) -> int:
        number = float(when.strip())  # some signs that are blanks in a text are none in a number
        if self.old:
            number *= self.steps if number < 1 else 1
        elif "." in when:
            number = (number - (0 if self.base is None else 1)) * self.steps
        else:
            number -= self.base or 0
        return min(self.steps, int(max(-_ENDLESS, min(_ENDLESS, number))))


# ---------------------------------------------------------------------------------------------------------- reading


@dataclass(frozen=True, slots=True)
class _Mark:
    """A sign between two parts of a bracket's content."""

    sign: Literal[":", "|"]


_COLON, _BAR = _Mark(":"), _Mark("|")
_Item = str | Scheduled | Alternate | _Mark


@dataclass(slots=True)
class _OpenBracket:
    """An open bracket, and everything read since."""

    opener: str
    items: list[_Item] = field(default_factory=list)


def _read_sign(sign: str, brackets: list[_OpenBracket]) -> None:
    if sign in {"(", "["}:
        brackets.append(_OpenBracket(opener=sign))
    elif sign in {")", "]"}:
        _close(sign, brackets)
    else:
        brackets[-1].items.append(_COLON if sign == ":" else _BAR)


def _close(sign: str, brackets: list[_OpenBracket]) -> None:
    """Close the innermost bracket; a sign that closes none turns all open brackets into letters."""
    closed = _closed(brackets[-1]) if brackets[-1].opener == _PARTNER[sign] else None
    if closed is None:
        _unmatched_as_letters(brackets)
        brackets[-1].items.append(sign)
    else:
        del brackets[-1]
        brackets[-1].items += closed


def _unmatched_as_letters(brackets: list[_OpenBracket]) -> None:
    root, *others = brackets
    for bracket in others:
        root.items += [bracket.opener, *bracket.items]
    del brackets[1:]


def _closed(bracket: _OpenBracket) -> list[_Item] | None:
    """A bracket with its content as a schedule, as alternatives, or as text around its items; None: it is none."""
    colons, bars = bracket.items.count(_COLON), bracket.items.count(_BAR)
    if bracket.opener == "(":
        return None if bars or colons > 1 else ["(", *_nodes(bracket.items), ")"]
    if bars:
        return None if colons else [Alternate(options=tuple(map(_nodes, _split_at(bracket.items, _BAR))))]
    if colons:
        return _scheduled(_split_at(bracket.items, _COLON))
    return ["[", *_nodes(bracket.items), "]"]


def _scheduled(parts: Sequence[Sequence[_Item]]) -> list[_Item] | None:
    when = _nodes(parts[-1])
    if len(parts) > 3 or len(when) != 1 or not isinstance(when[0], str) or not _WHEN.fullmatch(when[0]):
        return None
    before = _nodes(parts[0]) if len(parts) == 3 else None
    return [Scheduled(before=before, after=_nodes(parts[-2]), when=when[0])]


def _split_at(items: Iterable[_Item], mark: _Mark) -> list[list[_Item]]:
    parts: list[list[_Item]] = [[]]
    for item in items:
        if item == mark:
            parts.append([])
        else:
            parts[-1].append(item)
    return parts


def _nodes(items: Iterable[_Item]) -> Nodes:
    """Items in which every sign is a letter, and neighbouring texts are joined."""
    nodes: list[str | Scheduled | Alternate] = []
    for item in items:
        node = item.sign if isinstance(item, _Mark) else item
        if isinstance(node, str) and nodes and isinstance(nodes[-1], str):
            nodes[-1] += node
        else:
            nodes.append(node)
    return tuple(nodes)


def _node_text(node: str | Scheduled | Alternate) -> str:
    if isinstance(node, str):
        return node
    if isinstance(node, Alternate):
        return f"[{'|'.join(map(print_schedule, node.options))}]"
    before = "" if node.before is None else print_schedule(node.before) + ":"
    return f"[{before}{print_schedule(node.after)}:{node.when}]"
