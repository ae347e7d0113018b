"""A person's picks between two pictures, kept as they are made: one JSON line each, on the disk before the next one.

Nothing is ever taken out of the file. A pair that was skipped is a line with the answer `skipped`, which says nothing
about the pictures; an answer that was taken back is followed by a line of the same pair with the answer `undone`.
"""

from __future__ import annotations

import json
import logging
import os
from dataclasses import asdict, dataclass, replace
from dataclasses import fields as dataclass_fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from engine.errors import Named, Place, RecipeError, counted
from engine.files import is_text, readable
from engine.recipes.recipe import Recipe
from studies.errors import StudyError
from studies.store.shapes import Shape, misfit, parsed

log = logging.getLogger(__name__)

FILE = "picks.jsonl"
Answer = Literal["left", "right", "same", "broken", "skipped", "undone"]
BrokenSide = Literal["left", "right", "both", ""]
SHARE: dict[str, float] = {"left": 1.0, "right": 0.0, "same": 0.5}
"""Share of an answer for the left picture; a broken picture and a skipped pair give none."""
_ANSWERS = (*SHARE, "broken", "skipped", "undone")
_LATER = ("note",)
"""Fields that are left out of the file where they are empty: versions of before do not know them."""


_TEXTS = ("left", "right", "shots", "prompt", "answer", "broken?", "by?", "at?", "left_vae?", "right_vae?", "note?")
_PICK: Shape = dict.fromkeys(_TEXTS, str) | {"index": int, "seed": int, "format?": int}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pick:
    """One answer, with everything that is needed to use it again."""

    left: str
    """Canonical text of the recipe on the left."""
    right: str
    shots: str
    """Key of the set of shots, see ``studies.store.renders.shots_key``."""
    index: int
    """Of the shot within the set."""
    prompt: str
    seed: int
    answer: Answer
    broken: BrokenSide = ""
    """Which picture is broken, if that was the answer."""
    by: str = ""
    at: str = ""
    """UTC, ISO 8601."""
    left_vae: str = ""
    """Word of the VAE that decoded the left picture, where the study chooses among several."""
    right_vae: str = ""
    note: str = ""
    """What the person wrote beside the answer."""
    format: int = 1

    @property
    def share(self) -> float | None:
        """Share for the left picture, 0 to 1; None: the answer gives none."""
        return SHARE.get(self.answer)

    @property
    def about(self) -> tuple[str, ...]:
        """The two pictures, whatever the answer."""
        return (self.left, self.left_vae, self.right, self.right_vae, self.shots, str(self.index))


def add_pick(folder: Path, pick: Pick) -> None:
    """Append an answer to those of a study's folder; it is on the disk when this returns.

    Raises:
        StudyError: its note or name has bytes that are no text.
    """
    if not is_text(pick.note + pick.by):
        raise StudyError("the note or name of a pick has bytes that are no text", remedy="type it anew")
    fields = {name: value for name, value in asdict(pick).items() if value or name not in _LATER}
    append_line(folder / FILE, json.dumps(fields, ensure_ascii=False))


def append_line(path: Path, line: str) -> None:
    """Add a line to a file, one of its own even where the last one was torn; it is on the disk when this returns."""
    torn = path.exists() and path.read_bytes()[-1:] not in (b"", b"\n")
    with path.open("a", encoding="utf-8") as file:
        file.write("\n" * torn + line + "\n")
        file.flush()
        os.fsync(file.fileno())


def lines_of(path: Path) -> list[bytes]:
    """The lines of such a file, without their ends.

    Raises:
        StudyError: it cannot be read.
    """
    try:
        return readable(path).read_bytes().split(b"\n")
    except OSError as error:
        raise StudyError(
            f"cannot be read ({error.strerror})", place=(path,), remedy="move it away, and restore it from a backup"
        ) from error


def read_picks(folder: Path) -> list[Pick]:
    """All answers that stand, oldest first: without those that were taken back.

    Lines that a power cut left unfinished are passed over, and counted in a warning.

    Raises:
        StudyError: a whole line is not an answer.
    """
    path = folder / FILE
    if not path.exists():
        return []
    picks, unfinished = list[Pick](), 0
    for number, line in enumerate(lines_of(path), start=1):
        try:
            fields = parsed(line) if line else None
        except ValueError:
            unfinished += 1
            continue
        if line:
            _put(picks, _pick_of(fields, (path, Named(f"line {number}"))))
    if unfinished:
        log.warning("%s: %s cannot be read and left out", path, counted(unfinished, "pick"))
    return picks


def _put(picks: list[Pick], pick: Pick) -> None:
    """Add an answer, or take the newest one of the same pair back."""
    if pick.answer != "undone":
        picks.append(pick)
        return
    newest = next((place for place in reversed(range(len(picks))) if picks[place].about == pick.about), None)
    if newest is not None:
        del picks[newest]


def take_back(folder: Path, pick: Pick) -> None:
    """Take an answer back; it is on the disk when this returns."""
    at = datetime.now(UTC).isoformat(timespec="seconds")
    add_pick(folder, replace(pick, answer="undone", broken="", note="", at=at))


def _pick_of(fields: Any, place: Place) -> Pick:
    remedy = "delete the line"
    if (inside := misfit(fields, _PICK)) is not None or fields.keys() - {one.name for one in dataclass_fields(Pick)}:
        raise StudyError("not a pick", place=(*place, *(inside or ())), remedy=remedy)
    if fields["answer"] not in _ANSWERS or fields["index"] < 0:
        raise StudyError("not a pick: nobody can have answered that", place=place, remedy=remedy)
    for side in ("left", "right"):
        try:
            Recipe.parse(fields[side])
        except RecipeError as error:
            raise StudyError("not a pick: this is no recipe", place=(*place, side), remedy=remedy) from error
    return Pick(**fields)
