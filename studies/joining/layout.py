"""A study on another machine: file and small inputs come from the archive, models from a folder of that machine."""

from __future__ import annotations

import os
import shutil
import sys
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import cast

import tomlkit
from tomlkit.items import AbstractTable

from engine.errors import Problem, first_line
from engine.files import read_text, readable, replaced, write_text
from studies.errors import StudyError
from studies.inputs.hashes import hashes_of
from studies.joining.bundle import STUDY_FILE, WANTED, WantedFile, read_wanted
from studies.joining.published import ARCHIVE, PUBLISHED
from studies.store.backends.of_study import backend_of
from studies.store.note_keys import COPIED
from studies.store.storage import StudyStore
from studies.studyfile.earlier import COPY
from studies.studyfile.spec import Storage
from studies.studyfile.tables.places import database_url

STUDY_FOLDER = "study"
"""The study's own folder, beside its file."""


def lay_out(url: str, name: str, folder: Path, models: Sequence[Path], artifacts: str = "") -> Path:
    """Bring a study of a database to this machine; returns its study file.

    Everything is compared by its SHA-256; what is there already stays.

    Args:
        url: address of the database.
        name: of the study.
        folder: for the study file, what it names, and the study's own folder.
        models: folders in which the models are, under whatever names.
        artifacts: where artifacts lie as this machine sees it; "": as the study says.

    Raises:
        StudyError: there is no such study, or a model is not there; all of them are named.
        ValueError: the address is none of a PostgreSQL database.
    """
    storage = Storage(file=folder / STUDY_FILE, name=name, folder=folder / STUDY_FOLDER, url=database_url(url))
    store, artifacts = _opened(storage, artifacts)
    storage = replace(storage, artifacts=artifacts)
    archive = storage.folder / ARCHIVE
    try:
        storage.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StudyError(
            f"cannot be made ({error.strerror})", place=(storage.folder,), remedy="name another one with --folder"
        ) from error
    if not store.backend.files.bring(archive, newest=True):
        raise StudyError(f"the inputs of this study are not in {artifacts}", remedy="run it once where it was begun")
    unpack_inputs(archive, folder, models)
    if copy := store.noted(COPIED):
        write_text(storage.folder / COPY, copy)
    _write_study_file(storage)
    return storage.file


def unpack_inputs(archive: Path, folder: Path, models: Sequence[Path]) -> None:
    """Unpack an archive of inputs, and have every large file where the study file looks for it.

    Args:
        archive: as `studies.joining.bundle.Bundle.write` writes it.
        folder: for the study file and what it names.
        models: folders in which the large files are, under whatever names.

    Raises:
        StudyError: the archive is damaged, or large files are nowhere; all of them are named.
    """
    try:
        with zipfile.ZipFile(archive) as file:
            _unpack(file, folder)
        wanted = read_wanted(read_text(folder / WANTED, StudyError))
    except (zipfile.BadZipFile, zlib.error, EOFError, FileNotFoundError) as error:
        raise StudyError(
            f"is damaged ({first_line(error)})",
            place=(archive,),
            remedy="change the study file where it was begun, if only a comment, and run it: that publishes it anew",
        ) from error
    _link_all(wanted, folder, models)


def _opened(storage: Storage, artifacts: str) -> tuple[StudyStore, str]:
    """Open the study, and find out where its artifacts lie, which is said in the study itself."""
    from optuna import get_all_study_names, load_study

    database = backend_of(storage).storage
    if storage.name not in (known := get_all_study_names(database)):
        raise StudyError(
            f'there is no study "{storage.name}" in this database',
            remedy=f"it has {', '.join(known)}" if known else "begin one: recipe-search run study.toml",
        )
    note = load_study(study_name=storage.name, storage=database).user_attrs.get(PUBLISHED)
    if note is None:
        remedy = "run it where its study file is, and let that go on: it publishes the inputs when it begins"
        raise StudyError(f'the study "{storage.name}" has no published inputs yet', remedy=remedy)
    place = artifacts or str(note["artifacts"])
    return StudyStore(storage.folder, storage.name, backend=backend_of(replace(storage, artifacts=place))), place


def _unpack(file: zipfile.ZipFile, folder: Path) -> None:
    """Unpack an archive; names that lead out of the folder are none of ours."""
    for name in file.namelist():
        path = PurePosixPath(name)
        is_special = sys.platform == "win32" and ("\\" in name or ":" in name)  # elsewhere names may hold both
        if path.is_absolute() or ".." in path.parts or is_special:
            raise StudyError(f"holds the path {name!r}", place=(file.filename or ARCHIVE,), remedy="do not use it")
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        content = file.read(name)
        if not (target.is_file() and readable(target).read_bytes() == content):
            with replaced(target) as temporary:
                temporary.write_bytes(content)


def _link_all(wanted: Sequence[WantedFile], folder: Path, models: Sequence[Path]) -> None:
    """Have every large file where the study file looks for it.

    Raises:
        StudyError: some are nowhere.
    """
    lacking = [one for one in wanted if not _is_there(folder / one.path, one)]
    sizes = {one.bytes for one in lacking}
    candidates = [path for path in _files(models) if path.stat().st_size in sizes] if lacking else []
    memory = folder / STUDY_FOLDER / "hashes.json"
    memory.parent.mkdir(parents=True, exist_ok=True)
    found = {sha256: Path(path) for path, sha256 in hashes_of({str(one): one for one in candidates}, memory).items()}
    problems = [_missing(one, models, candidates) for one in lacking if one.sha256 not in found]
    if problems:
        raise StudyError.of(problems)
    for one in lacking:
        _link(found[one.sha256], folder / one.path)


def _is_there(path: Path, wanted: WantedFile) -> bool:
    """Whether a file is in its place already; what it holds is compared when the night begins."""
    return path.is_file() and path.stat().st_size == wanted.bytes


def _files(folders: Sequence[Path]) -> Iterator[Path]:
    for folder in folders:
        yield from (path for path in sorted(folder.rglob("*")) if path.is_file())


def _missing(wanted: WantedFile, models: Sequence[Path], candidates: Sequence[Path]) -> Problem:
    same = [path for path in candidates if path.stat().st_size == wanted.bytes]
    others = f"; {', '.join(map(str, same))} has its size and another content" if same else ""
    return Problem(
        what=f"{wanted.name} ({wanted.bytes:,} bytes, SHA-256 {wanted.sha256[:12]}) is not in "
        f"{', '.join(map(str, models))}{others}",
        remedy="copy it there, under any name; or name the folder that has it with --models",
    )


def _link(file: Path, place: Path) -> None:
    """Have a file in another place too, without a copy where the file system can."""
    place.parent.mkdir(parents=True, exist_ok=True)
    place.unlink(missing_ok=True)
    try:
        place.symlink_to(file.absolute())
    except OSError:
        try:
            os.link(file, place)
        except OSError:
            shutil.copyfile(file, place)


def _write_study_file(storage: Storage) -> None:
    document = tomlkit.parse(read_text(storage.file, StudyError))
    study = cast("AbstractTable", document["study"])
    study["storage"], study["artifacts"], study["folder"] = storage.url, storage.artifacts, STUDY_FOLDER
    write_text(storage.file, tomlkit.dumps(document))
