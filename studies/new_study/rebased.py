"""The paths of a study file, written anew for a file in another folder, so that they lead where they led."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import tomlkit

from engine.files import file_kind, user_path
from scorers.catalogue.lookup import PLUGIN
from studies.candidate import MERGED_VAE
from studies.errors import StudyError
from studies.pictures.plot_kinds import known_kind
from studies.pictures.plot_values import csv_text, items
from studies.studyfile.crosschecks import is_file_name, path_from
from studies.studyfile.tables.places import S3
from studies.studyfile.tables.schema import SCORERS_FOLDER

PATHS: tuple[tuple[str, ...], ...] = (
    ("study", "artifacts"),
    ("target", "references"),
    ("render", "vae"),
    ("render", "embeddings"),
    ("render", "wildcards"),
    ("render", "upscalers"),
    ("space", "choices", "vae"),
    ("scorers", "folder"),
    ("scorers", "encoder", "config"),
    ("scorers", "encoder", "weights"),
    ("scorers", "files"),
    ("situations", "suite"),
)
"""The keys of a study file that hold a path, a list or a table of them; models, folder and beginnings are not moved.

Paths stand in three other keys too: names of scorers, the command of ``notify``, and VAEs that ``settings`` tries.
"""
_NO_VAE_FILE = {MERGED_VAE, "none", "auto", "automatic"}
"""Words that stand where a VAE's file could, in small letters."""


def rebase(document: tomlkit.TOMLDocument, there: Path, here: Path) -> None:
    """Write the relative paths of a study file anew.

    Args:
        document: the study file; it is changed.
        there: folder of the file, from which its paths lead.
        here: folder of the file that it becomes.
    """
    there, here = there.absolute(), here.absolute()
    if there.resolve() == here.resolve():
        return
    paths = _Paths(there=there, here=here)
    scorers = document.setdefault("scorers", tomlkit.table())
    if "folder" not in scorers and file_kind(path_from(there, SCORERS_FOLDER)):
        scorers["folder"] = SCORERS_FOLDER
    for *tables, key in PATHS:
        table = _table(document, tables)
        if key in table and (key != "config" or is_file_name(str(table[key]))):
            table[key] = paths.value(table[key])
    _rebase_programs(scorers, paths)
    study, settings = _table(document, ["study"]), _table(document, ["settings"])
    if "notify" in study:
        study["notify"] = paths.command(study["notify"])
    if "try" in settings:
        settings["try"] = [paths.tried(str(text)) for text in settings["try"]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Paths:
    """Moves paths from one folder to another."""

    there: Path
    here: Path

    def path(self, text: str) -> str:
        """A path, written anew where it is relative."""
        if text.startswith(S3) or user_path(text, StudyError).is_absolute():
            return text
        return path_in(path_from(self.there, text), self.here)

    def value(self, value: Any) -> Any:
        """A path, a list of them, or a table of them; the word for the merged VAE stays."""
        if isinstance(value, list):
            return [self.value(one) for one in cast("list[Any]", value)]
        if isinstance(value, dict):
            return {key: self.value(one) for key, one in cast("dict[str, Any]", value).items()}
        return value if value == MERGED_VAE else self.path(str(value))

    def command(self, value: Any) -> Any:
        """A command: those of its words that are files here."""
        words = shlex.split(value) if isinstance(value, str) else [str(word) for word in value]
        moved = [self.path(word) if file_kind(path_from(self.there, word)) else word for word in words]
        return value if moved == words else moved

    def tried(self, text: str) -> str:
        """``AXIS = VALUES`` of settings to try: its files, if it is of VAEs."""
        name, equals, written = text.partition("=")
        kind = known_kind(name)
        if kind is None or kind.sort != "vae":
            return text
        values = [item if item.casefold() in _NO_VAE_FILE else self.path(item) for item in items(written.strip())]
        return f"{name}{equals} {csv_text(values)}"


def path_in(path: Path, folder: Path) -> str:
    """Return a path for a study file in a folder: relative where it lies in it or beside it, whole elsewhere."""
    whole = path.absolute()
    for base, start in ((folder, ""), (folder.parent, "../")):
        if whole.is_relative_to(base) and base != Path(base.anchor):
            return start + whole.relative_to(base).as_posix()
    return str(whole)


def _table(document: Any, names: list[str]) -> dict[str, Any]:
    """A table of the document; an empty one where there is none."""
    found = document
    for name in names:
        found = found.get(name, {})
    return cast("dict[str, Any]", found if isinstance(found, dict) else {})


def _rebase_programs(scorers: Any, paths: _Paths) -> None:
    """Names of scorers in files of their own, which begin with their paths."""
    names = dict(scorers.get("weights", {}))
    programs = {name: _moved_program(name, paths) for name in names}
    if any(name != other for name, other in programs.items()):
        scorers["weights"] = {programs[name]: weight for name, weight in names.items()}
        if "keep" in scorers:
            scorers["keep"] = [programs.get(name, name) for name in scorers["keep"]]


def _moved_program(name: str, paths: _Paths) -> str:
    if (found := PLUGIN.fullmatch(name)) is None:
        return name
    return paths.path(found["path"]) + name.removeprefix(found["path"])
