"""A study's pictures for pages: found by a short name, made small once, and kept in the study's folder `pages`.

Names: ``t17`` is the contact sheet of trial 17, ``t17.3`` its picture 3; ``p-KEY.5`` the held-out picture 5 of the
candidate with that key; ``r4`` reference 4. Numbers of pictures are from 0.
"""

from __future__ import annotations

import hashlib
import io
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from engine.files import replaced
from studies.drawing.sheets import RgbPicture, cell, read_picture
from studies.errors import StudyError
from studies.pages.reading.snapshot import Snapshot
from studies.store.renders import shots_key

SIZES = ("160", "320", "640", "full")
"""Widths in pixels at most; nothing is made larger than it is."""
FOLDER = "pages"
"""The folder, within a study's, of small pictures; it may be deleted."""
_NAME = re.compile(
    r"(?:t(?P<trial>\d{1,9})|p-(?P<proof>[0-9a-f]{8,64})|r(?P<reference>\d{1,6}))(?:\.(?P<index>\d{1,6}))?", re.ASCII
)
_AT_ONCE = threading.BoundedSemaphore(2)
"""Pictures that are made small at the same time: the night needs the processor too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptPicture:
    """A picture that is kept."""

    file: Path
    """Where it is, maybe among others."""
    cut: Callable[[RgbPicture], RgbPicture]
    """Takes it out of what is in the file."""
    name: str

    def read(self) -> RgbPicture:
        """Return its pixels.

        Raises:
            StudyError: it cannot be read.
        """
        return self.cut(read_picture(self.file))


def kept_picture(study: Snapshot, name: str) -> KeptPicture | None:
    """Return a picture by its name; None where the study has none of that name."""
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    index = None if found["index"] is None else int(found["index"])
    if found["trial"] is not None:
        return _inside(study, _of_trial(study, int(found["trial"]), index, name))
    if found["proof"] is not None:
        return None if index is None else _inside(study, _of_proof(study, found["proof"], index, name))
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
    if index is None:
        return _whole(trial.sheet, name)
    shots = study.spec.shots.drawn(trial.slots)
    if index >= len(shots):
        return None
    width, height = shots[index].picture_size
    return KeptPicture(file=trial.sheet, cut=lambda sheet: cell(sheet, index, len(shots), height, width), name=name)


def _of_proof(study: Snapshot, key: str, index: int, name: str) -> KeptPicture | None:
    """The picture in whichever set of renders has it: sets differ by the files that they were made with."""
    place = Path(shots_key(study.spec.shots.proof)) / key[:20] / f"{index:03d}.png"
    folder = study.spec.storage.folder / "renders"
    known = [path for path in sorted(folder.glob("*")) if (path / place).is_file()]
    newest = max(known, key=lambda path: path.stat().st_mtime, default=None)
    return None if newest is None else _whole(newest / place, name)


def _whole(file: Path, name: str) -> KeptPicture:
    return KeptPicture(file=file, cut=lambda picture: picture, name=name)


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
    stamp = picture.file.stat()
    digest = hashlib.sha256(f"{picture.file.name}:{stamp.st_mtime_ns}:{stamp.st_size}".encode()).hexdigest()[:8]
    path = folder / FOLDER / f"{picture.name}-{digest}.{size}.webp"
    if path.is_file():
        return path.read_bytes()
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
