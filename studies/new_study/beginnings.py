"""Adding a recipe file to those that a study begins with, without touching anything else in the study file."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from engine.files import read_text, write_text
from engine.recipes.text import quoted
from engine.recipes.toml_text import parse_toml
from studies.errors import StudyError
from studies.new_study.tried_text import problems_of

_TABLE = "[search]"


@dataclass(frozen=True, slots=True, kw_only=True)
class AddedBeginning:
    """What became of a recipe that a study is to begin with.

    Attributes:
        written: whether the study file names it now.
        line: the line that was written, or that is to be written by hand.
    """

    written: bool
    line: str


def begin_with(study: Path, recipe_file: Path) -> AddedBeginning:
    """Name a recipe file in ``begin`` of a study file that has no ``begin`` yet; every other line stays as it is.

    Args:
        study: the study file.
        recipe_file: of the recipe; named relative to the study's folder where it lies in it.

    Raises:
        StudyError: the study file cannot be read or written, or the recipe does not fit its search space; it stays as
            it was.
    """
    text = read_text(study, StudyError)
    content = parse_toml(text, study, StudyError)
    search = content.get("search", {})
    entry = quoted(_relative(recipe_file, study.parent))
    if not isinstance(search, dict):
        raise StudyError("search is no table", place=(study,), remedy="write [search]")
    if "begin" in search:
        there = cast("dict[str, Any]", search)["begin"]
        listed = [quoted(str(one)) for one in cast("list[Any]", there if isinstance(there, list) else [there])]
        return AddedBeginning(written=False, line=f"begin = [{', '.join(dict.fromkeys([*listed, entry]))}]")
    line = f"begin = [{entry}]"
    changed = _with_line(text, line)
    if changed is None or not _adds_only(text, changed):
        return AddedBeginning(written=False, line=line)
    _check(study, changed)
    write_text(study, changed)
    return AddedBeginning(written=True, line=line)


def _relative(path: Path, folder: Path) -> str:
    whole, base = path.resolve(), folder.resolve()
    return whole.relative_to(base).as_posix() if whole.is_relative_to(base) else str(whole)


def _with_line(text: str, line: str) -> str | None:
    """The text with a line at the beginning of ``[search]``; None where that table is written in another way."""
    lines = text.split("\n")
    heads = [number for number, one in enumerate(lines) if one.split("#")[0].strip() == _TABLE]
    if len(heads) == 1:
        return "\n".join([*lines[: heads[0] + 1], line, *lines[heads[0] + 1 :]])
    if heads or "search" in tomllib.loads(text):
        return None
    return f"{text.rstrip()}\n\n{_TABLE}\n{line}\n"


def _adds_only(before: str, after: str) -> bool:
    """Whether nothing but ``begin`` is new, so that no line went into a text of several lines."""
    try:
        old, new = tomllib.loads(before), tomllib.loads(after)
    except tomllib.TOMLDecodeError:
        return False
    new.get("search", {}).pop("begin", None)
    return old | {"search": old.get("search", {})} == new | {"search": new.get("search", {})}


def _check(study: Path, text: str) -> None:
    """Refuse a study file whose beginnings cannot be read, such as a recipe outside of its search space."""
    problems = [one for one in problems_of(study, text) if one.place[1:3] == ("search", "begin")]
    if problems:  # whatever else is wrong in it was so before
        subject = "the study file was not changed, for the study could not begin with it"
        raise StudyError.of(problems, subject)
