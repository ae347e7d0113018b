"""The reference pictures of a study: every picture in the folders that it names, and what lies beside them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from engine.files import file_kind

PICTURES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"})
"""Endings of files that count as pictures in a folder whatever is in them, so that a damaged one is an error."""
SYSTEM_FILES = frozenset({"thumbs.db", "desktop.ini", ".ds_store"})
"""What Windows and macOS leave in folders, in small letters."""


def reference_files(sources: Sequence[Path]) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    """Return the reference pictures, and what is passed over, each sorted by folder and name.

    Args:
        sources: folders and files, as the study file names them. Every file of a folder that Pillow knows as a picture
            by its content is one, whatever its name; a path that leads nowhere stays as it is.
    """
    found: list[Path] = []
    passed_over: list[Path] = []
    for source in sources:
        if (inside := _inside(source)) is None:
            found.append(source)
            continue
        for path in inside:
            (found if _is_reference(path) else passed_over).append(path)
    return tuple(found), tuple(path for path in passed_over if path.name.lower() not in SYSTEM_FILES)


def _inside(source: Path) -> list[Path] | None:
    """What is in a folder; None for what is none, or may not be looked into."""
    if file_kind(source) != "folder":
        return None
    try:
        return sorted(source.iterdir())
    except OSError:
        return None


def _is_reference(path: Path) -> bool:
    if path.suffix.lower() in PICTURES:
        return True
    from scorers.picture_files import is_picture

    return is_picture(path)
