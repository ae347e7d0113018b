"""Files of several lists, YAML or JSON, as Dynamic Prompts has them: read as written, and checked."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, cast

from yaml import SafeLoader, load

from engine.errors import Named, Problems, counted
from engine.files import read_text
from studies.errors import StudyError

TABLES = (".json", ".yaml")
"""Endings of files that hold several lists."""
MOST = 1_000_000
"""The most entries of a file, those that aliases repeat among them."""


def read_table(path: Path) -> str:
    """Return what a file of lists holds, as JSON.

    Raises:
        StudyError: it cannot be decoded, is too large, or has entries that are no words, each with its list.
        YAMLError, ValueError, RuntimeError: it is no YAML or JSON.
    """
    text = read_text(path, StudyError)
    is_yaml = path.suffix == ".yaml"
    content = load(text, _AsWritten) if is_yaml else json.loads(text, parse_int=str, parse_float=str)  # noqa: S506 - a SafeLoader
    problems = Problems()
    _Checked(path, problems).check(content)
    problems.raise_as(StudyError)
    return json.dumps(content)


class _AsWritten(SafeLoader):
    """YAML whose words are text: the package passes over ``- 1984`` and ``- no``, which are a number and a choice."""

    yaml_implicit_resolvers: ClassVar = {
        letter: [(tag, pattern) for tag, pattern in found if tag.endswith((":null", ":merge"))]
        for letter, found in SafeLoader.yaml_implicit_resolvers.items()
    }


class _Checked:
    """Looks at every list of a file; the package would crash, or pass over a whole list, for one bad entry."""

    def __init__(self, path: Path, problems: Problems) -> None:
        self._path, self._problems, self._entries = path, problems, 0

    def check(self, value: object, name: str = "") -> None:
        """Look at a list, or at the lists of a table, which has a name inside of a file.

        Raises:
            StudyError: there are too many entries.
        """
        if isinstance(value, dict):
            for key, inner in cast("Mapping[Any, object]", value).items():
                self._count(None)
                self.check(inner, f"{name}/{key}" if name else str(key))
        elif isinstance(value, list):
            self._check_list(cast("Sequence[object]", value), name or self._path.stem)

    def _check_list(self, entries: Sequence[object], name: str) -> None:
        known = 0
        for entry in entries:
            self._count(entry)
            known += isinstance(entry, str) or (isinstance(entry, dict) and ("text" in entry or "content" in entry))
            self._check_entry(entry, name)
        if any(entries) and not known:
            shown, what = _shown(next(entry for entry in entries if entry)), "no entry of this list is a word or a text"
            self._problems.add((self._path, Named(name)), what, "put entries with a colon in quotes", seen=shown)

    def _check_entry(self, entry: object, name: str) -> None:
        place, weight = (self._path, Named(name)), "1"
        if isinstance(entry, str):
            weight = entry.partition("::")[0] if entry[:1].isdigit() and "::" in entry else weight
            if _number(weight) is None:  # no weight, but a text with two colons
                return
        elif isinstance(entry, dict):
            fields = cast("Mapping[str, object]", entry)
            text = fields.get("text") or fields.get("content") or ""
            weight = str(fields.get("weight", weight))
            if not isinstance(text, str):
                self._problems.add(place, "the text of an entry is no text", "write it as words", seen=_shown(text))
        number = _number(weight)
        if number is None or not (0 <= number < math.inf):
            what, remedy = "the weight of an entry is no number from 0 upwards", "write one such as 2 or 0.5"
            self._problems.add(place, what, remedy, seen=weight[:40])

    def _count(self, entry: object) -> None:
        """Count an entry, and what is in it, which is written out below."""
        inside = cast("Mapping[Any, object]", entry).values() if isinstance(entry, dict) else entry
        if isinstance(inside, str) or not isinstance(inside, Iterable):
            inside = ()
        for one in cast("Iterable[object]", inside):
            self._count(one)
        self._entries += 1
        if self._entries > MOST:
            what = f"has more than {counted(MOST, 'entry', 'entries')}, with those that its aliases repeat"
            raise StudyError(what, place=(self._path,), remedy="write its lists out, or make several files of it")


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _shown(value: object) -> str:
    return f"{value}"[:40]
