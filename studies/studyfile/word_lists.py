"""The lists that wildcards name, for the package dynamicprompts: read as every text of this project is."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from dynamicprompts.wildcards.collection import WildcardCollection, WildcardTextFile
from dynamicprompts.wildcards.collection.structured import parse_structured_file
from dynamicprompts.wildcards.values import WildcardValues
from dynamicprompts.wildcards.wildcard_manager import WildcardManager
from yaml import YAMLError

from engine.errors import first_line
from engine.files import read_text
from studies.errors import StudyError

TABLES = (".json", ".yaml")
"""Endings of files that hold several lists."""
_DAMAGED = (YAMLError, ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)


class WordLists(WildcardManager):
    """The lists of a folder and the folders inside it, by name.

    Attributes:
        lost: wildcards that were asked for and have no list, in order.
        unreadable: why a file of several lists cannot be read, by path.
    """

    def __init__(self, folder: Path) -> None:
        self.lost: list[str] = []
        self.unreadable: dict[Path, str] = {}
        super().__init__(root_map={"": [dict(self._lists(folder))]})

    def get_values(self, wildcard: str) -> WildcardValues:
        """Return what a wildcard stands for, and remember one that stands for nothing."""
        values = super().get_values(wildcard)
        if not values:
            self.lost.append(wildcard)
        return values

    def _lists(self, folder: Path) -> Iterator[tuple[str, WildcardCollection]]:
        """Every list and its name, which begins with the folder that it is in."""
        for path in sorted(_files(folder)):
            inside = path.relative_to(folder)
            if path.suffix == ".txt":
                yield inside.with_suffix("").as_posix(), _TextList(path)
            elif path.suffix in TABLES:
                start = "" if inside.parent == Path() else f"{inside.parent.as_posix()}/"
                try:
                    content = cast("Path", _DecodedFile(path, read_text(path, StudyError)))
                    yield from ((start + name, found) for name, found in parse_structured_file(content))
                except StudyError as error:
                    self.unreadable[path] = first_line(error)
                except _DAMAGED as error:
                    self.unreadable[path] = f"{path}: {first_line(error)}"


def _files(folder: Path) -> Iterator[Path]:
    """Every file of a folder and those inside it, also where these are links; no folder twice."""
    seen: set[str] = set()
    for place, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(place)
        folders[:] = [] if real in seen else [name for name in folders if not name.startswith(".")]
        if real not in seen:
            yield from (Path(place, name) for name in names)
        seen.add(real)


class _TextList(WildcardTextFile):
    """A list of one word or text a line; a line that begins with # is a note."""

    def get_values(self) -> list[str]:
        lines = (line.strip() for line in read_text(self._path, StudyError).split("\n"))
        return [line for line in lines if line and not line.startswith("#")]


@dataclass(frozen=True)
class _DecodedFile:
    """What the package asks of a path, with a text that is decoded already."""

    path: Path
    text: str = field(repr=False)

    @property
    def suffix(self) -> str:
        return self.path.suffix

    def with_suffix(self, suffix: str) -> Path:
        return self.path.with_suffix(suffix)

    def read_text(self, encoding: str) -> str:
        return self.text
