"""The parents of a merged file, found by their SHA-256 beside it or in given folders."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.errors import CheckpointError, Named, Problem
from engine.files import file_kind, user_path
from studies.errors import StudyError
from studies.inputs.hashes import hashes_of, user_memory

_SUFFIX = ".safetensors"


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenParents:
    """What a person says of where parents are.

    Attributes:
        files: paths by the names that the recipe uses.
        folders: folders in which they may lie, one level deep.
    """

    files: Mapping[str, Path]
    folders: tuple[Path, ...]


def given_parents(texts: Sequence[str]) -> GivenParents:
    """Read ``A=path`` and folders.

    Raises:
        StudyError: a text is neither.
    """
    files: dict[str, Path] = {}
    folders: list[Path] = []
    for text in texts:
        name, equals, rest = text.partition("=")
        path = user_path(text, StudyError)
        if file_kind(path) == "folder":
            folders.append(path)
        elif equals and rest and "/" not in name:
            files[name] = user_path(rest, StudyError)
        else:
            what = "is no folder and no NAME=PATH"
            raise StudyError(what, place=(Named(f"--parents {text}"),), remedy="write A=first.safetensors, or a folder")
    return GivenParents(files=files, folders=tuple(folders))


def parents_of(
    names: Sequence[str], hashes: Mapping[str, str], files: Mapping[str, str], beside: Path, given: GivenParents
) -> dict[str, Path]:
    """Find the files of all models of a recipe.

    Args:
        names: of the models.
        hashes: SHA-256 by name, where they are known.
        files: file names by name, where they are known; tried first.
        beside: the folder of the merged file, which is searched too.
        given: what a person said.

    Raises:
        StudyError: every model that is not found, or that is another file than the recipe names.
    """
    found = {name: given.files[name] for name in names if name in given.files}
    problems = list(_strange(given, names))
    problems += list(_others(found, hashes))
    missing = [name for name in names if name not in found]
    folders = (beside, *given.folders)
    for name in missing:
        if path := _searched(hashes.get(name, ""), files.get(name, ""), folders):
            found[name] = path
        else:
            sha = f" (SHA-256 {hashes[name]})" if hashes.get(name) else ""
            file = f" {files[name]}" if files.get(name) else ""
            problems.append(
                Problem(
                    place=(Named(name),),
                    what=f"its file{file}{sha} is not in {', '.join(map(str, folders))}",
                    remedy=f"name it with --parents {name}=PATH, or its folder with --parents FOLDER",
                )
            )
    if problems:
        raise StudyError.of(problems)
    return {name: found[name] for name in names}


def _strange(given: GivenParents, names: Sequence[str]) -> Iterator[Problem]:
    for name in given.files:
        if name not in names:
            yield Problem(place=(Named(f"--parents {name}"),), what=f"the recipe takes {', '.join(names)}")


def _others(found: Mapping[str, Path], hashes: Mapping[str, str]) -> Iterator[Problem]:
    """Files that were named, but are not those that the recipe was merged of."""
    known = hashes_of({name: path for name, path in found.items() if hashes.get(name)}, user_memory())
    for name, sha in known.items():
        if sha != hashes[name]:
            what = f"this is another file than the one that was merged, whose SHA-256 is {hashes[name]}"
            yield Problem(place=(found[name],), what=what, remedy="name the right one")


def _searched(sha256: str, file: str, folders: Iterable[Path]) -> Path | None:
    """The file with this SHA-256; without one, the file of this name. Files of the name are hashed first."""
    paths = list(dict.fromkeys(path for folder in folders for path in sorted(folder.glob(f"*{_SUFFIX}"))))
    name = Path(file.replace("\\", "/")).name
    named = [path for path in paths if path.name in {name, f"{name}{_SUFFIX}"}]
    if not sha256:
        return named[0] if named else None
    for path in [*named, *(path for path in paths if path not in named)]:
        try:
            if hashes_of({"": path}, user_memory())[""] == sha256:
                return path
        except CheckpointError:  # a file that cannot be read is not the one that is looked for
            continue
    return None
