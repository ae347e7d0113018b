"""A study's pictures for pages: found by a short name, made small once, and kept in the study's folder `pages`.

Names: ``t17`` is the contact sheet of trial 17, ``t17.3`` its picture 3; ``p-KEY.5`` the held-out picture 5 of the
candidate with that key; ``k-KEY-SHOTS.2`` picture 2 of a candidate that was rendered at a set of shots beside the
trials, as recipes are that scores are measured from; ``r4`` reference 4; ``m-probe~OUT05.png`` one of a result, see
`studies.pages.reading.measured_files`; ``d_t17.3_t0.3`` how two pictures differ. Numbers of pictures are from 0.
"""

from __future__ import annotations

import hashlib
import io
import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.files import readable, replaced
from engine.shots.shot import Shot
from studies.drawing.sheets import RgbPicture, cell, read_picture
from studies.errors import StudyError
from studies.pages.reading.measured_files import picture_file
from studies.pages.reading.snapshot import Snapshot
from studies.pages.reading.trial_sheets import sheet_shots
from studies.store.renders import SHEET, kept_folder, shots_key

SIZES = ("160", "320", "640", "1280", "full")
"""Widths in pixels at most; nothing is made larger than it is."""
FOLDER = "pages"
"""The folder, within a study's, of small pictures; it may be deleted."""
AMPLIFIED = 4
"""How many times stronger a difference is drawn than it is."""
_NAME = re.compile(
    r"(?:t(?P<trial>\d{1,9})|p-(?P<proof>[0-9a-f]{8,64})|k-(?P<kept>[0-9a-f]{8,64})-(?P<shots>[0-9a-f]{12})"
    r"|r(?P<reference>\d{1,6}))(?:\.(?P<index>\d{1,6}))?",
    re.ASCII,
)
_DIFFERENCE = re.compile(r"d_([^_]+)_([^_]+)")
_AT_ONCE = threading.BoundedSemaphore(2)
"""Pictures that are made small at the same time: the night needs the processor too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptPicture:
    """A picture that is kept, or made of some that are."""

    files: tuple[Path, ...]
    """Where it is, maybe among others; or those that it is made of."""
    read: Callable[[], RgbPicture]
    """Returns its pixels; raises StudyError where they cannot be read."""
    name: str

    @property
    def file(self) -> Path:
        """The file of a picture that is no difference."""
        return self.files[0]


def kept_picture(study: Snapshot, name: str) -> KeptPicture | None:
    """Return a picture by its name; None where the study has none of that name."""
    if pair := _DIFFERENCE.fullmatch(name):
        return _difference(kept_picture(study, pair[1]), kept_picture(study, pair[2]), name)
    found = _NAME.fullmatch(name)
    if found is None:
        file = picture_file(study.spec.storage.folder, name)
        return _inside(study, _whole(file, name)) if file else None
    index = None if found["index"] is None else int(found["index"])
    if found["trial"] is not None:
        return _inside(study, _of_trial(study, int(found["trial"]), index, name))
    if found["proof"] is not None:
        return None if index is None else _inside(study, _of_proof(study, found["proof"], index, name))
    if found["kept"] is not None:
        return None if index is None else _inside(study, _of_set(study, found["kept"], found["shots"], index, name))
    references = study.spec.target.references
    number = int(found["reference"])
    return _whole(references[number], name) if index is None and number < len(references) else None


def _inside(study: Snapshot, picture: KeptPicture | None) -> KeptPicture | None:
    """The picture, unless a link leads out of the study's folder."""
    folder = study.spec.storage.folder.resolve()
    return picture if picture is not None and picture.file.resolve().is_relative_to(folder) else None


def _of_trial(study: Snapshot, number: int, index: int | None, name: str) -> KeptPicture | None:
    trial = study.by_number.get(number)
    if trial is None or trial.sheet is None:
        return None
    return (
        _whole(trial.sheet, name) if index is None else _on_sheet(trial.sheet, sheet_shots(study, trial), index, name)
    )


def _on_sheet(sheet: Path, shots: Sequence[Shot], index: int, name: str) -> KeptPicture | None:
    if index >= len(shots):
        return None
    width, height = shots[index].picture_size
    return KeptPicture(
        files=(sheet,), read=lambda: cell(read_picture(sheet), index, len(shots), height, width), name=name
    )


def _of_proof(study: Snapshot, key: str, index: int, name: str) -> KeptPicture | None:
    folder = kept_folder(study.spec.storage.folder, key, shots_key(study.spec.shots.proof), f"{index:03d}.png")
    return None if folder is None else _whole(folder / f"{index:03d}.png", name)


def _of_set(study: Snapshot, key: str, shots: str, index: int, name: str) -> KeptPicture | None:
    known = study.shot_sets.get(shots)
    folder = kept_folder(study.spec.storage.folder, key, shots, SHEET) if known else None
    return _on_sheet(folder / SHEET, known, index, name) if folder and known else None


def _whole(file: Path, name: str) -> KeptPicture:
    return KeptPicture(files=(file,), read=lambda: read_picture(file), name=name)


def _difference(one: KeptPicture | None, other: KeptPicture | None, name: str) -> KeptPicture | None:
    if one is None or other is None:
        return None
    return KeptPicture(files=(*one.files, *other.files), read=lambda: _absolute(one.read(), other.read()), name=name)


def _absolute(one: RgbPicture, other: RgbPicture) -> RgbPicture:
    """The absolute difference, colour by colour, made stronger; black where both are alike."""
    if one.shape != other.shape:
        raise StudyError("these two pictures are of different sizes")
    difference = np.abs(one.astype(np.int16) - other.astype(np.int16)) * AMPLIFIED
    return difference.clip(0, 255).astype(np.uint8)


def small(study: Snapshot, picture: KeptPicture, size: str) -> bytes:
    """Return a picture as WebP, at most so wide; made once.

    Args:
        study: whose folder keeps it.
        picture: of the study.
        size: one of ``SIZES``.

    Raises:
        StudyError: the picture cannot be read.
    """
    folder = study.spec.storage.folder
    stamps = [(file.name, file.stat()) for file in picture.files]
    text = "|".join(f"{name}:{stamp.st_mtime_ns}:{stamp.st_size}" for name, stamp in stamps)
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    path = folder / FOLDER / f"{picture.name}-{digest}.{size}.webp"
    if path.is_file():
        return readable(path).read_bytes()
    with _AT_ONCE:
        content = _webp(picture.read(), size)
    _keep(path, content)
    return content


def _webp(pixels: RgbPicture, size: str) -> bytes:
    from PIL import Image

    if not pixels.size:
        raise StudyError("this contact sheet is smaller than its pictures")
    image = Image.fromarray(pixels)
    if size != "full" and image.width > int(size):
        image = image.resize(
            (int(size), max(1, round(image.height * int(size) / image.width))), Image.Resampling.LANCZOS
        )
    content = io.BytesIO()
    image.save(content, "WEBP", quality=85, lossless=size == "full")
    return content.getvalue()


def _keep(path: Path, content: bytes) -> None:
    """Keep it for the next time; where the folder cannot be written, it is made again."""
    try:
        path.parent.mkdir(exist_ok=True)
        with replaced(path) as temporary:
            temporary.write_bytes(content)
    except OSError:
        return
