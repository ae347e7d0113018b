"""The lists that wildcards name, for the package dynamicprompts: read as every text of this project is."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
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
from studies.studyfile.list_tables import TABLES, read_table

_DAMAGED = (OSError, YAMLError, ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)


class WordLists(WildcardManager):
    """The lists of a folder and the folders inside it, by name.

    Attributes:
        lost: wildcards that were asked for and have no list, in order.
        unreadable: why a file of several lists cannot be read, by path.
    """

    def __init__(self, folder: Path, files: Iterable[Path] | None = None) -> None:
        """Find the lists.

        Args:
            folder: where they lie.
            files: those that are looked at; None: all of the folder and the folders inside it.
        """
        logging.getLogger("dynamicprompts").setLevel(logging.ERROR)  # it warns of every number in every JSON file
        self.lost: list[str] = []
        self.unreadable: dict[Path, str] = {}
        super().__init__(root_map={"": [dict(self._lists(folder, _files(folder) if files is None else files))]})

    def get_values(self, wildcard: str) -> WildcardValues:
        """Return what a wildcard stands for, and remember one that stands for nothing."""
        values = super().get_values(wildcard)
        if not values:
            self.lost.append(wildcard)
        return values

    def _lists(self, folder: Path, files: Iterable[Path]) -> Iterator[tuple[str, WildcardCollection]]:
        """Every list and its name, which begins with the folder that it is in."""
        for path in sorted(files):
            inside = path.relative_to(folder)
            if path.suffix == ".txt":
                yield inside.with_suffix("").as_posix(), _TextList(path)
            elif path.suffix in TABLES:
                start = "" if inside.parent == Path() else f"{inside.parent.as_posix()}/"
                try:
                    state = path.stat()
                    content = _structured(path, state.st_mtime_ns, state.st_size)
                    yield from ((start + name, found) for name, found in content)
                except StudyError as error:
                    self.unreadable[path] = "; ".join(map(str, error.problems))
                except _DAMAGED as error:
                    self.unreadable[path] = f"{path}: {first_line(error)}"


@lru_cache(maxsize=1000)
def _structured(path: Path, _changed: int, _size: int) -> tuple[tuple[str, WildcardCollection], ...]:
    """The lists of a file of several; read once for all prompts, and again when it has changed."""
    return tuple(parse_structured_file(cast("Path", _DecodedFile(path, read_table(path)))))


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
    """What the package asks of a path, with what it holds as JSON."""

    path: Path
    text: str = field(repr=False)

    @property
    def suffix(self) -> str:
        return ".json"

    def with_suffix(self, suffix: str) -> Path:
        return self.path.with_suffix(suffix)

    def read_text(self, encoding: str) -> str:
        return self.text
