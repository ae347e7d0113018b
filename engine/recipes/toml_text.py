"""TOML texts that people write, and what is wrong with one in plain words, with its lines."""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from engine.errors import Problem, ProblemError

REMEDY = "texts stand in quotes, Windows paths in 'single' ones"
"""The way out of most mistakes in a TOML text."""

_HEAD = re.compile(r"\s*(\[\[?)\s*([^\[\]]+?)\s*\]\]?\s*(?:#.*)?")
_KEY = re.compile(r"\s*([A-Za-z0-9_-]+)\s*=")
_DIGITS = re.compile(r"\d+")
_LONG = re.compile(r'"""|' + "'''")


def parse_toml(text: str, where: Path | str, kind: type[ProblemError]) -> dict[str, Any]:
    """Return the table that a TOML text is.

    Args:
        text: the text.
        where: the file, or what the text is, for messages.
        kind: the error to raise.

    Raises:
        ProblemError: of that kind: it is not TOML; tables and keys that stand twice are named with their lines, of
            anything else the message has line and column.
    """
    try:
        return tomllib.loads(text)
    except RecursionError as error:
        what = "is not TOML that can be read: its brackets stand too deep in one another"
        raise kind.of([Problem(what=what, remedy="write it with fewer of them")], where) from error
    except ValueError as error:
        problems = [*_repeated(text), *_endless_numbers(text)] or [Problem(what=f"is not TOML: {error}", remedy=REMEDY)]
        raise kind.of(problems, where) from error


def _repeated(text: str) -> Iterator[Problem]:
    """Tables and keys that stand twice."""
    heads: dict[str, tuple[str, int]] = {}
    keys: dict[str, int] = {}
    for number, line in _plain_lines(text):
        if head := _HEAD.fullmatch(line):
            keys.clear()
            opened, name = head[1], head[2]
            before, first = heads.setdefault(name, (opened, number))
            if first != number and before != opened:
                what = f"[{name}] and [[{name}]] both stand in it, in lines {first} and {number}"
                yield Problem(what=what, remedy=f"write [[{name}]] where there may be several, [{name}] where one")
            elif first != number and opened == "[":
                what = f"the table [{name}] stands twice, in lines {first} and {number}"
                remedy = f"put all its keys under one of them; where there may be several, each begins with [[{name}]]"
                yield Problem(what=what, remedy=remedy)
            if opened == "[[":  # each of these may have the same tables inside
                heads = {other: kept for other, kept in heads.items() if not other.startswith(f"{name}.")}
        elif (key := _KEY.match(line)) and keys.setdefault(key[1], number) != number:
            what = f"the key {key[1]} stands twice in a table, in lines {keys[key[1]]} and {number}"
            yield Problem(what=what, remedy="leave one of them out")


def _endless_numbers(text: str) -> Iterator[Problem]:
    """Whole numbers of more digits than Python reads."""
    most = sys.get_int_max_str_digits()
    for number, line in _plain_lines(text):
        for digits in _DIGITS.findall(line):
            if most and len(digits) > most:
                what = f"line {number} has a number of {len(digits):,} digits"
                yield Problem(what=what, seen=f"{digits[:12]}...", remedy="write a smaller one")


def _plain_lines(text: str) -> Iterator[tuple[int, str]]:
    """The lines outside texts of several lines, with their numbers."""
    inside = False
    for number, line in enumerate(text.split("\n"), start=1):
        marks = len(_LONG.findall(line))
        if not inside:
            yield number, line
        inside ^= marks % 2 == 1
