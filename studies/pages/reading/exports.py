"""What lies in a study's folder of exports, its small texts to download, its pictures; nothing outside it, no links."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from studies.amounts import size_text
from studies.inputs.hashes import remembered_hash
from studies.review.exporting.export import export_file, exports_folder
from studies.store.judged.pins import Pin
from studies.studyfile.spec import Storage

MOST_FILES = 500
"""The most files that are listed, the newest first."""
TEXTS = frozenset({".txt", ".json", ".toml", ".yaml", ".yml", ".md", ".csv", ".tsv", ".mecha", ".py"})
"""Endings of files that can be downloaded."""
LONGEST_TEXT = 1 << 20
"""The most bytes of such a file."""
PICTURES = frozenset({".png"})
"""Endings of files that are shown."""
LARGEST_PICTURE = 32 << 20
"""The most bytes of such a file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportFile:
    """One file of the exports."""

    name: str
    size: int
    """Bytes."""
    at: datetime
    """When it was written."""
    sha256: str
    """"" where it is not known."""
    pin: int | None
    """The number of the pin that it was written of, as its name says."""
    is_text: bool
    """Whether it can be downloaded."""
    is_picture: bool
    """Whether it can be shown."""

    @property
    def size_text(self) -> str:
        """Its size for people."""
        return size_text(self.size)


def exported_files(storage: Storage, pins: Sequence[Pin]) -> tuple[ExportFile, ...]:
    """Return the files of a study's exports, the newest first; links and hidden files are left out."""
    found: list[tuple[os.stat_result, Path]] = []
    for path in exports_folder(storage).glob("*"):
        try:
            status = path.lstat()
        except OSError:
            continue
        if stat.S_ISREG(status.st_mode) and not path.name.startswith("."):
            found.append((status, path))
    found.sort(key=lambda one: -one[0].st_mtime_ns)
    stems = {export_file(storage, pin, "").name: pin.number for pin in pins}
    return tuple(
        ExportFile(
            name=path.name,
            size=status.st_size,
            at=datetime.fromtimestamp(status.st_mtime, UTC),
            sha256=remembered_hash(path, storage.hashes) if path.is_file() else "",
            pin=next(
                (number for stem, number in stems.items() if path.name.startswith((f"{stem}.", f"{stem}-"))), None
            ),
            is_text=is_text_name(path.name) and status.st_size <= LONGEST_TEXT,
            is_picture=path.suffix.lower() in PICTURES and status.st_size <= LARGEST_PICTURE,
        )
        for status, path in found[:MOST_FILES]
    )


def is_text_name(name: str) -> bool:
    """Return whether a file of this name can be downloaded, if it is small."""
    return Path(name).suffix.lower() in TEXTS


def exported_text(storage: Storage, name: str) -> bytes | None:
    """Return a small text file of a study's exports; None where there is none of that name, or it is a link."""
    return _small_file(storage, name, TEXTS, LONGEST_TEXT)


def exported_picture(storage: Storage, name: str) -> bytes | None:
    """Return a picture of a study's exports; None where there is none of that name, or it is a link."""
    return _small_file(storage, name, PICTURES, LARGEST_PICTURE)


def _small_file(storage: Storage, name: str, endings: Collection[str], most: int) -> bytes | None:
    folder = exports_folder(storage)
    path = folder / name
    if path.parent != folder or path.name != name or path.suffix.lower() not in endings or folder.is_symlink():
        return None
    try:
        # The last part is opened only if it is no link at that moment.
        number = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except (OSError, ValueError):
        return None
    if not stat.S_ISREG(os.fstat(number).st_mode) or path.is_symlink():
        os.close(number)
        return None
    with os.fdopen(number, "rb") as file:
        content = file.read(most + 1)
    return content if len(content) <= most else None
