"""The sample world of the versions up to 0.3, which this one does not ship: how its studies are known.

A folder with files of that world keeps working, since all its models are there; the demo does not write another world
into it.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from studies.errors import StudyError

MODELS = frozenset(
    {
        "affcee966d78ab3048f5a2673fd68141428aa4ba6795c18cef1c74ecd7c69acd",
        "819901983d4a9890b471ee6f940f8548ac6cfc1909efbb027b47cf062c383983",
    }
)
"""SHA-256 of its two checkpoints."""
FILES = ("illustration.safetensors", "photo.safetensors")
"""The names of their files."""
CHANGED = (
    "the sample world has changed since this study began: begin a new study of the new one with `recipe-search demo "
    "--folder NEW`; version 0.3 of this package still runs the old one"
)
"""What to do with a study of it whose models are gone."""


def changed_note(hashes: Iterable[str]) -> str:
    """Return ``CHANGED`` on a line of its own where one of a study's hashes is of a former checkpoint, else nothing."""
    return f"\n{CHANGED}" if MODELS & {*hashes} else ""


def refuse_former_world(folder: Path) -> None:
    """Refuse to write the sample world into a folder with the former one.

    Raises:
        StudyError: the folder holds one of its checkpoints.
    """
    if any((folder / name).exists() for name in FILES):
        raise StudyError(
            "holds the sample world of an earlier version, and the sample world has changed",
            place=(folder,),
            remedy="begin a new study in another folder (`recipe-search demo --folder NEW`); `recipe-search run` still "
            "goes on with the study that is there",
        )
