"""Schedules in a prompt: ``[a:b:0.5]``, ``[a:3]``, ``[a::3]`` and ``[a|b]``, read, written and resolved.

The grammar is AUTOMATIC1111's (WebUI 1.10). Schedules are resolved before attention is looked for, into texts that
each hold for some steps. What is no schedule stays as it stands, brackets and all. One corner matters: a ``|`` that
separates no alternatives, or a backslash with nothing behind it, makes the WebUI read no schedule in the whole text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

_SIGNS = re.compile(r"(?P<text>(?:[^\\\[\]():|]|\\.)+)|(?P<sign>[\[\]():|])|(?P<broken>\\)")
_WHEN = re.compile(r"\s*(?P<number>[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)\s*")
_PARTNER = {")": "(", "]": "["}
_ENDLESS = 1e9  # a step beyond any; keeps numbers such as 1e999 whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheduled:
    """``[before:after:when]``; without ``before``, ``[after:when]``.

    Attributes:
        before: What holds until the switch; None where only one text was written.
        after: What holds from then on.
        when: The moment as it was written, with its spaces: a step, or with a point in it, a fraction of the steps.
    """

    before: Nodes | None
    after: Nodes
    when: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternate:
    """``[a|b|c]``: one option a step, in turn."""

    options: tuple[Nodes, ...]


Nodes = tuple[str | Scheduled | Alternate, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A text and the last step, counted from 1, that it was resolved for."""

    end: int
    text: str


def parse_schedule(text: str) -> Nodes | None:
    """A text as plain text, schedules and alternations; None where the WebUI's grammar reads none of it."""
    root = _Frame(opener="")
    open_frames: list[_Frame] = [root]
    for match in _SIGNS.finditer(text):
        if match["broken"]:
            return None
        if match["text"]:
            open_frames[-1].items.append(match["text"])
        else:
            _read_sign(match["sign"], open_frames)
    _set_loose(open_frames)
    return None if _BAR in root.items else _nodes(root.items)


def print_schedule(nodes: Nodes) -> str:
    """The text that these were read from: ``parse_schedule`` of it gives them back."""
    return "".join(_printed(node) for node in nodes)


def schedule(text: str, steps: int, *, base_steps: int | None = None) -> tuple[Entry, ...]:
    """A text's schedule: what it says up to which step.

    Args:
        text: A prompt, or one part of a composed one.
        steps: Steps to be made, at least 1.
        base_steps: In a second pass (hires fix), the steps of the first: whole numbers count on from them, and
            fractions from 1 to 2 mean this pass.

    Returns:
        At least one entry; ends rise, and the last is ``steps``.
    """
    nodes = parse_schedule(text)
    if nodes is None:
        return (Entry(end=steps, text=text),)
    clock = _Clock(steps=steps, base=base_steps)
    ends = sorted({steps, *clock.switches(nodes)})
    return tuple(Entry(end=end, text=clock.text_at(nodes, end)) for end in ends)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Clock:
    steps: int
    base: int | None

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
        return "".join(node if isinstance(node, str) else self._chosen(node, step) for node in nodes)

    def _chosen(self, node: Scheduled | Alternate, step: int) -> str:
        if isinstance(node, Alternate):
            return self.text_at(node.options[(step - 1) % len(node.options)], step)
        return self.text_at((node.before or ()) if step <= self._step_of(node.when) else node.after, step)

    def _step_of(self, when: str) -> int:
        number = float(when)
        if "." in when:
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
class _Frame:
    """A bracket that is open, and what was read since."""

    opener: str
    items: list[_Item] = field(default_factory=list)


def _read_sign(sign: str, frames: list[_Frame]) -> None:
    if sign in {"(", "["}:
        frames.append(_Frame(opener=sign))
    elif sign in {")", "]"}:
        _close(sign, frames)
    else:
        frames[-1].items.append(_COLON if sign == ":" else _BAR)


def _close(sign: str, frames: list[_Frame]) -> None:
    """End the innermost bracket; a sign that ends none turns all that are open into letters."""
    found = _closed(frames[-1]) if frames[-1].opener == _PARTNER[sign] else None
    if found is None:
        _set_loose(frames)
        frames[-1].items.append(sign)
    else:
        del frames[-1]
        frames[-1].items += found


def _set_loose(frames: list[_Frame]) -> None:
    root, *others = frames
    for frame in others:
        root.items += [frame.opener, *frame.items]
    del frames[1:]


def _closed(frame: _Frame) -> list[_Item] | None:
    """What a bracket and its content are: a schedule, alternatives, or text and what stands in it; None is neither."""
    colons, bars = frame.items.count(_COLON), frame.items.count(_BAR)
    if frame.opener == "(":
        return None if bars or colons > 1 else ["(", *_nodes(frame.items), ")"]
    if bars:
        return None if colons else [Alternate(options=tuple(map(_nodes, _split(frame.items, _BAR))))]
    if colons:
        return _scheduled(_split(frame.items, _COLON))
    return ["[", *_nodes(frame.items), "]"]


def _scheduled(parts: Sequence[Sequence[_Item]]) -> list[_Item] | None:
    when = _nodes(parts[-1])
    if len(parts) > 3 or len(when) != 1 or not isinstance(when[0], str) or not _WHEN.fullmatch(when[0]):
        return None
    before = _nodes(parts[0]) if len(parts) == 3 else None
    return [Scheduled(before=before, after=_nodes(parts[-2]), when=when[0])]


def _split(items: Iterable[_Item], mark: _Mark) -> list[list[_Item]]:
    parts: list[list[_Item]] = [[]]
    for item in items:
        if item == mark:
            parts.append([])
        else:
            parts[-1].append(item)
    return parts


def _nodes(items: Iterable[_Item]) -> Nodes:
    """Items with every sign as a letter, and neighbouring texts joined."""
    found: list[str | Scheduled | Alternate] = []
    for item in items:
        node = item.sign if isinstance(item, _Mark) else item
        if isinstance(node, str) and found and isinstance(found[-1], str):
            found[-1] += node
        else:
            found.append(node)
    return tuple(found)


def _printed(node: str | Scheduled | Alternate) -> str:
    if isinstance(node, str):
        return node
    if isinstance(node, Alternate):
        return f"[{'|'.join(map(print_schedule, node.options))}]"
    before = "" if node.before is None else print_schedule(node.before) + ":"
    return f"[{before}{print_schedule(node.after)}:{node.when}]"
