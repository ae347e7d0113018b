"""Wildcards in texts, lists that name no other, and lists that name themselves: directly, or in a circle of lists."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, cast

from engine.files import file_kind, read_text
from studies.errors import StudyError

if TYPE_CHECKING:
    from studies.studyfile.word_lists import WordLists

WILDCARD = re.compile(r"__[~!@]?((?:(?!__)[^(${}#])+?)\s*(?:\([^)]*\))?__")
"""A wildcard that names its list outright, with its way to draw in front and its variables behind."""
ANY = "situation"
"""The name of the wildcard that stands in a frame for the line of whatever list of situations is in turn."""
_MOST = 10
"""Most circles that are looked for: with every one that is mended, others may be gone."""


def wildcards_in(text: str) -> list[str]:
    """Return the names of the lists that a text names outright, those in choices too, each once and in order."""
    return list(dict.fromkeys(found[1].strip() for found in WILDCARD.finditer(text)))


def stands_alone(source: Path, frame: str) -> bool:
    """Return whether a suite of situations is one list that names no other, so that nothing beside it belongs to it.

    Args:
        source: a folder, or one list.
        frame: the study's.

    Raises:
        StudyError: the list cannot be read.
    """
    if file_kind(source) != "file":
        return False
    text = f"{frame}\n{read_text(source, StudyError)}"
    return "__" not in WILDCARD.sub(lambda found: "" if found[1].strip() in {source.stem, ANY} else found[0], text)


def named_by(names: Iterable[str], lists: WordLists) -> Mapping[str, tuple[str, ...]]:
    """Return what lists name, and what those name in turn, by the name of the list.

    Args:
        names: of the first lists, as wildcards have them.
        lists: all lists. One that is not there or cannot be read names nothing.
    """
    found: dict[str, tuple[str, ...]] = {}
    left = list(names)
    while left:
        name = left.pop()
        if name not in found:
            found[name] = tuple(dict.fromkeys(_names_of(name, lists)))
            left.extend(found[name])
    return dict(sorted(found.items()))


def circles_in(named: Mapping[str, Iterable[str]]) -> list[tuple[str, ...]]:
    """Return circles of lists, such as ("a", "b", "a"): each begins and ends with its first name in the alphabet.

    Args:
        named: what every list names.

    Returns:
        All of them where there are few; circles that share a step count as one.
    """
    left = {name: set(others) for name, others in named.items()}
    found: list[tuple[str, ...]] = []
    while len(found) < _MOST and (circle := _circle_of(left)):
        found.append(circle)
        for name, other in pairwise(circle):
            left[name].discard(other)
    return sorted(found)


def leading_to(circles: Iterable[Iterable[str]], named: Mapping[str, Iterable[str]]) -> set[str]:
    """Return the lists of circles, and those that lead into one.

    Args:
        circles: as ``circles_in`` returns them.
        named: what every list names.
    """
    found = {name for circle in circles for name in circle}
    while more := {name for name, others in named.items() if name not in found and not found.isdisjoint(others)}:
        found |= more
    return found


def circle_text(circle: Iterable[str]) -> str:
    """Return a circle for people: "a -> b -> a"."""
    return " -> ".join(circle)


def _names_of(name: str, lists: WordLists) -> Iterator[str]:
    try:
        values = lists.get_values(name).items
    except StudyError:  # told of where the list is read
        return
    for value in values:
        yield from wildcards_in(str(value))


def _circle_of(named: Mapping[str, set[str]]) -> tuple[str, ...]:
    try:
        TopologicalSorter({name: sorted(others) for name, others in named.items()}).prepare()
    except CycleError as error:
        _, nodes = cast("tuple[str, list[str]]", error.args)  # from what is named to what names it, the first one twice
        circle = nodes[:0:-1]
        start = circle.index(min(circle))
        return (*circle[start:], *circle[:start], circle[start])
    return ()
