"""Approval: a person pins a recipe. A pin is a file that is written once and never changed."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from dataclasses import fields as dataclass_fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from engine.errors import Problems
from engine.files import is_text, write_new_text
from engine.recipes.recipe import Recipe
from studies.errors import StudyError
from studies.store.judged.person import user_name
from studies.store.shapes import Shape, read_json

LATER = ("vae", "vae_sha256", "study")
"""Fields that the first version did not have."""
_PIN: Shape = {
    "number": int,
    "source": str,
    "recipe": str,
    "recipe_key": str,
    "models": {str: str},
    "by": str,
    "at": str,
    "note": str,
    "vae?": str,
    "vae_sha256?": str,
    "study?": str,
    "digest": str,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """An approved recipe."""

    number: int
    """1, 2, ... within the study."""
    source: str
    """What was approved: a finalist's label, or a trial."""
    recipe: str
    """The recipe's canonical text."""
    recipe_key: str
    models: dict[str, str]
    """SHA-256 of every model file, by letter."""
    by: str
    at: str
    """UTC, ISO 8601."""
    note: str
    vae: str = ""
    """The study's word for the VAE that decoded the pictures, where it chose among several."""
    vae_sha256: str = ""
    """SHA-256 of that VAE's file; "" for the merged VAE."""
    study: str = ""
    """Name of the study; "" in files of versions that did not write it."""

    @property
    def fields(self) -> dict[str, Any]:
        """The fields in the file; those that came later are left out where they are empty."""
        return {name: value for name, value in asdict(self).items() if value or name not in LATER}

    @property
    def digest(self) -> str:
        """SHA-256 over all fields; stored with the pin, so that an edited pin is noticed."""
        return hashlib.sha256(json.dumps(self.fields, sort_keys=True).encode()).hexdigest()


def pin_recipe(
    folder: Path,
    recipe: Recipe,
    *,
    source: str,
    models: dict[str, str],
    note: str,
    by: str | None = None,
    vae: str = "",
    vae_sha256: str = "",
    study: str = "",
) -> Pin:
    """Write the next pin of a study folder.

    Args:
        folder: the study's folder.
        recipe: what is approved.
        source: where the recipe comes from, for people.
        models: SHA-256 of every model file, by letter.
        note: why.
        by: who; default: the user's login name.
        vae: the study's word for the VAE, where it chose among several.
        vae_sha256: of that file.
        study: name of the study.

    Raises:
        StudyError: another pin took the number at the same moment.
    """
    for what, text in (("note", note), ("name", by or "")):
        if not is_text(text):
            raise StudyError(f"the {what} of an approval has bytes that are no text", remedy="type it anew")
    pins = folder / "pins"
    pins.mkdir(exist_ok=True)
    pin = Pin(
        number=1 + max((_number_of(path) for path in pins.glob("*.json")), default=0),
        source=source,
        recipe=recipe.text,
        recipe_key=recipe.key,
        models=dict(sorted(models.items())),
        by=by or user_name(),
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        note=note,
        vae=vae,
        vae_sha256=vae_sha256,
        study=study,
    )
    path = pins / f"{pin.number:03d}-{recipe.key[:8]}.json"
    try:
        write_new_text(path, json.dumps(pin.fields | {"digest": pin.digest}, indent=1, ensure_ascii=False) + "\n")
    except FileExistsError:
        raise StudyError(
            "another process approved this recipe at the same moment", place=(path,), remedy="approve again"
        ) from None
    return pin


def _number_of(path: Path) -> int:
    """The number in the name of a pin's file; 0 where a file has another name."""
    first = path.name.partition("-")[0]
    return int(first) if first.isascii() and first.isdigit() else 0


def read_pins(folder: Path, study: str = "") -> list[Pin]:
    """All pins of a study, oldest first.

    Args:
        folder: of the study.
        study: its name; "" where those of any study are wanted.

    Raises:
        StudyError: pins that were changed or damaged after they were written, or are another study's; all are named.
    """
    problems, pins = Problems(), list[Pin]()
    for path in sorted((folder / "pins").glob("*.json")):
        with problems.collecting():
            pins.append(_read_pin(path, study))
    problems.raise_as(StudyError)
    return pins


def _read_pin(path: Path, study: str) -> Pin:
    remedy = "restore the file from a backup, or delete it and approve again"
    fields = read_json(path, _PIN, remedy)
    digest = fields.pop("digest")
    if unknown := fields.keys() - {one.name for one in dataclass_fields(Pin)}:
        what = f"is no pin of this version ({', '.join(sorted(unknown))})"
        raise StudyError(what, place=(path,), remedy="use the version that wrote it")
    pin = Pin(**fields)
    if pin.digest != digest:
        raise StudyError("was changed after it was approved", place=(path,), remedy=remedy)
    if study and pin.study not in ("", study):
        raise StudyError(
            f'was approved for the study "{pin.study}", and this one is called "{study}"',
            place=(path,),
            remedy="move it to the pins of that study",
        )
    return pin


def latest_pin(folder: Path, number: int | None = None, study: str = "") -> Pin:
    """The newest pin, or the one with this number.

    Args:
        folder: of the study.
        number: of the pin; None: the newest.
        study: name of the study; "" where pins of any study are wanted.

    Raises:
        StudyError: nothing is pinned, or not under this number, or a pin cannot be used.
    """
    pins = read_pins(folder, study)
    if not pins:
        raise StudyError("nothing is approved yet", place=(folder,), remedy="run `recipe-search approve` first")
    if number is None:
        return pins[-1]
    for pin in pins:
        if pin.number == number:
            return pin
    raise StudyError(
        f"there is no pin {number}",
        place=(folder,),
        remedy=f"the pins of this study: {', '.join(str(pin.number) for pin in pins)}",
    )
