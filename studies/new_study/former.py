"""The study that a new one goes on from: found by its file, its folder or the file of one of its pins."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from engine.errors import Named
from engine.files import file_kind
from studies.errors import StudyError
from studies.status.study_place import StudyPlace
from studies.store.judged.pins import Pin, latest_pin
from studies.studyfile.read import read_study_file
from studies.studyfile.spec import StudySpec

_NAMES = "a study file or its folder (its newest pin, or --pin NUMBER), the file of a pin, or a picture"
_PINS = "pins"


@dataclass(frozen=True, slots=True, kw_only=True)
class FormerStage:
    """An approved recipe that the next study goes on from."""

    spec: StudySpec
    """The study that it was approved in."""
    pin: Pin


def is_study_source(path: Path) -> bool:
    """Whether what a new study is made from is a study or a pin, by its kind and name; else it is a picture."""
    return file_kind(path) == "folder" or path.suffix.lower() in {".toml", ".json"}


def refuse_lost_source(path: Path) -> None:
    """Refuse a name under which there is nothing.

    Raises:
        StudyError: there is nothing.
    """
    if not file_kind(path):
        raise StudyError("there is no such file", place=(Named(f"--from {path}"),), remedy=f"name {_NAMES}")


def former_stage(source: Path, number: int | None = None) -> FormerStage:
    """Return the pin that a new study goes on from.

    Args:
        source: a study file, a study's folder, or the file of a pin.
        number: of the pin; None: the newest one.

    Raises:
        StudyError: there is no study, none of these numbers is approved, or the study file cannot be read.
    """
    refuse_lost_source(source)
    if source.suffix.lower() == ".json" and file_kind(source) == "file":
        return _of_pin_file(source, number)
    spec = read_study_file(_study_file(source) if file_kind(source) == "folder" else source)
    return FormerStage(spec=spec, pin=latest_pin(spec.storage.folder, number, spec.storage.name))


def _of_pin_file(path: Path, number: int | None) -> FormerStage:
    first = path.name.partition("-")[0]
    if path.absolute().parent.name != _PINS or not (first.isascii() and first.isdigit()):
        what = "is no pin: these lie in the folder pins of a study's folder, and begin with their numbers"
        raise StudyError(what, place=(path,), remedy=f"name {_NAMES}")
    if number is not None and number != int(first):
        raise StudyError(f"is pin {int(first)}, and --pin says {number}", place=(path,), remedy="leave --pin out")
    spec = read_study_file(_study_file(path.absolute().parent.parent))
    return FormerStage(spec=spec, pin=latest_pin(spec.storage.folder, int(first), spec.storage.name))


def _study_file(folder: Path) -> Path:
    """The study file whose study is kept in a folder, or that lies in it."""
    found = [place.file for place in _places(folder) if place.folder.resolve() == folder.resolve()]
    if not found:
        found = [file for file in [folder / "study.toml"] if file_kind(file) == "file"]
    if len(found) != 1:
        what = f"is kept by {' and '.join(map(str, found))}" if found else "its study file is not near it"
        raise StudyError(what, place=(folder,), remedy="name the study file itself")
    return found[0]


def _places(folder: Path) -> Iterator[StudyPlace]:
    """The study files in a folder and in the three above it: a study is kept in runs/NAME unless its file says so."""
    for one in (folder.absolute(), *folder.absolute().parents[:3]):
        for file in sorted(one.glob("*.toml")):
            place = StudyPlace.of(file)
            if not place.problems:
                yield place
