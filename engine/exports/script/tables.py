"""Tables by the beginnings of tensors' names: what holds for thousands of tensors in some thirty lines.

The longest beginning of a name that a table has counts. A beginning ends with a dot, is a whole name, or is empty.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

_DIGITS = re.compile(r"(\d+)")


def by_beginning(values: Mapping[str, str]) -> dict[str, str]:
    """Return the smallest such table that gives every key its value, in the order of names, numbers as numbers.

    The method is Fitch's for trees: from the leaves up, what most branches share; from the root down, a line where a
    branch differs (https://doi.org/10.1093/sysbio/20.4.406).

    Args:
        values: by key; equal texts are equal values.
    """
    root = _Node()
    for key, value in values.items():
        node = root
        for start in _beginnings(key):
            node = node.branches.setdefault(start, _Node())
        node.shared = frozenset({value})
    _share(root)
    lines = dict(_lines("", root, None))
    return {start: lines[start] for start in sorted(lines, key=_natural)}


@dataclass(slots=True)
class _Node:
    """A beginning: what follows it, and the values that most of this has."""

    branches: dict[str, _Node] = field(default_factory=dict[str, "_Node"])
    shared: frozenset[str] = frozenset()


def _beginnings(key: str) -> Iterator[str]:
    """Every beginning of a key that ends with a dot, then the key."""
    place = 0
    while place := key.find(".", place) + 1:
        yield key[:place]
    yield key


def _share(node: _Node) -> None:
    if not node.branches:
        return
    counts: Counter[str] = Counter()
    for branch in node.branches.values():
        _share(branch)
        counts.update(branch.shared)
    most = max(counts.values())
    node.shared = frozenset(value for value, count in counts.items() if count == most)


def _lines(start: str, node: _Node, above: str | None) -> Iterator[tuple[str, str]]:
    value = above
    if above is None or above not in node.shared:
        value = min(node.shared)
        yield start, value
    for name, branch in node.branches.items():
        yield from _lines(name, branch, value)


def _natural(text: str) -> list[tuple[bool, int, str]]:
    """The parts of a name to sort by, so that block 2 comes before block 10."""
    return [(part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in _DIGITS.split(text)]
