"""A person's picks between two pictures, kept as they are made: one JSON line each, on the disk before the next one."""

from __future__ import annotations

import json
import logging
import os
from dataclasses import asdict, dataclass
from dataclasses import fields as dataclass_fields
from pathlib import Path
from typing import Any, Literal

from engine.errors import Named, Place, RecipeError, counted
from engine.files import readable
from engine.recipes.recipe import Recipe
from studies.errors import StudyError
from studies.store.shapes import Shape, misfit, parsed

log = logging.getLogger(__name__)

FILE = "picks.jsonl"
Answer = Literal["left", "right", "same", "broken"]
BrokenSide = Literal["left", "right", "both", ""]
SHARE: dict[str, float] = {"left": 1.0, "right": 0.0, "same": 0.5}
"""Share of an answer for the left picture; a broken picture gives none."""


_TEXTS = ("left", "right", "shots", "prompt", "answer", "broken?", "by?", "at?", "left_vae?", "right_vae?")
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
    format: int = 1

    @property
    def share(self) -> float | None:
        """Share for the left picture, 0 to 1; None: the answer gives none."""
        return SHARE.get(self.answer)


def add_pick(folder: Path, pick: Pick) -> None:
    """Append an answer to those of a study's folder; it is on the disk when this returns."""
    path = folder / FILE
    torn = path.exists() and not path.read_bytes().endswith(b"\n") and path.stat().st_size > 0
    line = json.dumps(asdict(pick), ensure_ascii=False) + "\n"
    with path.open("a", encoding="utf-8") as file:
        file.write("\n" * torn + line)
        file.flush()
        os.fsync(file.fileno())


def read_picks(folder: Path) -> list[Pick]:
    """All answers, oldest first; lines that a power cut left unfinished are passed over, and counted in a warning.

    Raises:
        StudyError: a whole line is not an answer.
    """
    path = folder / FILE
    if not path.exists():
        return []
    picks, unfinished = list[Pick](), 0
    try:
        content = readable(path).read_bytes()
    except OSError as error:
        raise StudyError(
            f"cannot be read ({error.strerror})", place=(path,), remedy="move it away, and restore the picks"
        ) from error
    for number, line in enumerate(content.split(b"\n"), start=1):
        try:
            fields = parsed(line) if line else None
        except ValueError:
            unfinished += 1
            continue
        if line:
            picks.append(_pick_of(fields, (path, Named(f"line {number}"))))
    if unfinished:
        log.warning("%s: %s cannot be read and left out", path, counted(unfinished, "pick"))
    return picks


def _pick_of(fields: Any, place: Place) -> Pick:
    remedy = "delete the line"
    if (inside := misfit(fields, _PICK)) is not None or fields.keys() - {one.name for one in dataclass_fields(Pick)}:
        raise StudyError("not a pick", place=(*place, *(inside or ())), remedy=remedy)
    if fields["answer"] not in (*SHARE, "broken") or fields["index"] < 0:
        raise StudyError("not a pick: nobody can have answered that", place=place, remedy=remedy)
    for side in ("left", "right"):
        try:
            Recipe.parse(fields[side])
        except RecipeError as error:
            raise StudyError("not a pick: this is no recipe", place=(*place, side), remedy=remedy) from error
    return Pick(**fields)
