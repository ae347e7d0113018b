"""Numbers by name as the fewest filters of mergekit: parts of names, of which the first that fits counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

Filters = Sequence[tuple[str, float]]
"""Part of a name and its number, in the order in which they are tried; the last part is empty and fits all."""


@dataclass(slots=True)
class _Branch:
    """The names that begin alike, up to a dot.

    Attributes:
        branches: by the next part of the name.
        numbers: of the names that end here, by their last part.
        best: the numbers with which, given to the whole branch, the fewest filters are needed inside it.
    """

    branches: dict[str, _Branch] = field(default_factory=dict)
    numbers: dict[str, float] = field(default_factory=dict)
    best: frozenset[float] = frozenset()


def filters_of(values: Mapping[str, float]) -> Filters:
    """Return filters that give every name its number.

    Each branch of names gets the number that most of what is in it can have, from the leaves up, as tables of routes
    are made short (R. Draves and others, "Constructing optimal IP routing tables", INFOCOM 1999).

    Args:
        values: the number of each name, at least one; names that are not in it may get any.
    """
    root = _tree(values)
    _choose(root)
    default = min(root.best)
    found = dict(sorted(_filters(root, "", default).items(), key=lambda item: -len(item[0])))
    while wrong := {name: value for name, value in values.items() if number_of(found, name, default) != value}:
        found = dict(sorted({**found, **wrong}.items(), key=lambda item: -len(item[0])))  # a name inside another one
    return (*found.items(), ("", default))


def number_of(filters: Mapping[str, float], name: str, default: float) -> float:
    """Return the number of the first filter that fits a name."""
    return next((value for part, value in filters.items() if part in name), default)


def _tree(values: Mapping[str, float]) -> _Branch:
    root = _Branch()
    for name, value in values.items():
        *parts, last = name.split(".")
        branch = root
        for part in parts:
            branch = branch.branches.setdefault(part, _Branch())
        branch.numbers[last] = value
    return root


def _choose(branch: _Branch) -> None:
    votes = Counter(branch.numbers.values())
    for inner in branch.branches.values():
        _choose(inner)
        votes.update(inner.best)
    most = max(votes.values())
    branch.best = frozenset(value for value, count in votes.items() if count == most)


def _lengthened(path: str, branch: _Branch) -> tuple[str, _Branch]:
    """The longest beginning that all names of a branch share: ``model.`` is also inside ``first_stage_model.``."""
    while len(branch.branches) == 1 and not branch.numbers:
        [(name, branch)] = branch.branches.items()
        path = f"{path}{name}."
    return path, branch


def _filters(branch: _Branch, prefix: str, around: float) -> dict[str, float]:
    found = {f"{prefix}{name}": value for name, value in branch.numbers.items() if value != around}
    for name, branch_below in branch.branches.items():
        path, inner = _lengthened(f"{prefix}{name}.", branch_below)
        number = around if around in inner.best else min(inner.best)
        if number != around:
            found[path] = number
        found |= _filters(inner, path, number)
    return found
