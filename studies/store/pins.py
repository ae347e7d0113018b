"""Approval: a person pins a recipe. A pin is a file that is written once and never changed."""

from __future__ import annotations

import getpass
import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from engine.files import write_new_text
from engine.recipes.recipe import Recipe
from studies.errors import StudyError


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

    @property
    def fields(self) -> dict[str, Any]:
        """The fields in the file; those of a VAE are left out where the study chose among none."""
        return {name: value for name, value in asdict(self).items() if value or not name.startswith("vae")}

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

    Raises:
        StudyError: another pin took the number at the same moment.
    """
    pins = folder / "pins"
    pins.mkdir(exist_ok=True)
    pin = Pin(
        number=len(list(pins.glob("*.json"))) + 1,
        source=source,
        recipe=recipe.text,
        recipe_key=recipe.key,
        models=dict(sorted(models.items())),
        by=by or getpass.getuser(),
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        note=note,
        vae=vae,
        vae_sha256=vae_sha256,
    )
    path = pins / f"{pin.number:03d}-{recipe.key[:8]}.json"
    try:
        write_new_text(path, json.dumps(pin.fields | {"digest": pin.digest}, indent=1, ensure_ascii=False) + "\n")
    except FileExistsError:
        raise StudyError("was written by another process just now", place=(path,), remedy="approve again") from None
    return pin


def read_pins(folder: Path) -> list[Pin]:
    """All pins of a study, oldest first.

    Raises:
        StudyError: a pin was changed or damaged after it was written.
    """
    return [_read_pin(path) for path in sorted((folder / "pins").glob("*.json"))]


def _read_pin(path: Path) -> Pin:
    remedy = "restore the file from a backup, or delete it and approve again"
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        digest = fields.pop("digest")
        pin = Pin(**fields)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StudyError(f"not a pin ({error})", place=(path,), remedy=remedy) from error
    if pin.digest != digest:
        raise StudyError("was changed after it was approved", place=(path,), remedy=remedy)
    return pin


def latest_pin(folder: Path, number: int | None = None) -> Pin:
    """The newest pin, or the one with this number.

    Raises:
        StudyError: nothing is pinned, or not under this number.
    """
    pins = read_pins(folder)
    if not pins:
        raise StudyError("nothing is approved yet", place=(folder,), remedy="run `recipe-search approve` first")
    if number is None:
        return pins[-1]
    for pin in pins:
        if pin.number == number:
            return pin
    raise StudyError(
        f"no pin {number}", place=(folder,), remedy=f"there are {', '.join(str(pin.number) for pin in pins)}"
    )
