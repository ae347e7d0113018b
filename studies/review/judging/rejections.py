"""Finalists that a person rejected, with the reason: one JSON line each, kept beside the picks and never changed.

A rejection is a fact about one finalist, not a choice between two pictures, so no pick is made of it. It has one
effect: pairs with that finalist are asked before others (see ``studies.review.judging.picking``), so that the person's
own answers say how far the scorers are wrong about it.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from dataclasses import fields as dataclass_fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, get_args

from engine.errors import Named, Place, RecipeError
from engine.files import is_text
from engine.recipes.recipe import Recipe
from studies.candidate import Candidate
from studies.errors import StudyError
from studies.review.judging.picks import append_line, lines_of
from studies.store.judged.person import user_name
from studies.store.shapes import Shape, misfit, parsed

FILE = "rejections.jsonl"
RejectionReason = Literal["looks wrong", "contents changed", "not the style", "other"]
REASONS: tuple[RejectionReason, ...] = get_args(RejectionReason)
"""What a person can say against a finalist."""
LONGEST_TEXT = 2000
"""The most letters of a person's own words."""
_REJECTION: Shape = dict.fromkeys(("label", "recipe", "vae?", "reason", "text?", "by", "at"), str) | {"format?": int}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """One finalist that a person rejected."""

    label: str
    """The finalist's label in the outcome."""
    recipe: str
    """Canonical text of its recipe."""
    vae: str = ""
    """Word of the VAE that decoded its pictures, where the study chooses among several."""
    reason: RejectionReason
    text: str = ""
    """The person's own words."""
    by: str
    at: str
    """UTC, ISO 8601."""
    format: int = 1

    @property
    def key(self) -> str:
        """Key of the candidate."""
        return Candidate(recipe=Recipe.parse(self.recipe), vae=self.vae).key

    @property
    def words(self) -> str:
        """The reason, and the person's own words."""
        return f"{self.reason}: {self.text}" if self.text else self.reason


def reject(
    folder: Path, label: str, candidate: Candidate, *, reason: str, text: str = "", by: str | None = None
) -> Rejection:
    """Keep that a person rejected a finalist; it is on the disk when this returns.

    Args:
        folder: of the study.
        label: of the finalist.
        candidate: its recipe and VAE.
        reason: one of ``REASONS``; "other" needs words.
        text: the person's own words.
        by: who; None: the user's login name.

    Raises:
        StudyError: there is no such reason, or words are missing, too long, or no text.
    """
    if reason not in REASONS:
        raise StudyError(f"{reason!r:.40} is no reason", remedy=f"choose one of {', '.join(REASONS)}")
    if reason == "other" and not text.strip():
        raise StudyError("a rejection for another reason says which", remedy="write it in a few words")
    if len(text) > LONGEST_TEXT or not is_text(text + (by or "")):
        raise StudyError(
            f"the words of a rejection are at most {LONGEST_TEXT} letters of text", remedy="write it in a few words"
        )
    made = Rejection(
        label=label,
        recipe=candidate.recipe.text,
        vae=candidate.vae,
        reason=reason,
        text=text.strip(),
        by=by or user_name(),
        at=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    append_line(folder / FILE, json.dumps(asdict(made), ensure_ascii=False))
    return made


def read_rejections(folder: Path) -> list[Rejection]:
    """All rejections, oldest first; a line that a power cut left unfinished is passed over.

    Raises:
        StudyError: the file cannot be read, or a whole line is no rejection.
    """
    path = folder / FILE
    if not path.exists():
        return []
    rejections = list[Rejection]()
    for number, line in enumerate(lines_of(path), start=1):
        try:
            fields = parsed(line) if line else None
        except ValueError:
            continue
        if line:
            rejections.append(_rejection_of(fields, (path, Named(f"line {number}"))))
    return rejections


def rejected_keys(folder: Path) -> frozenset[str]:
    """Keys of the candidates that were rejected.

    Raises:
        StudyError: as `read_rejections`.
    """
    return frozenset(rejection.key for rejection in read_rejections(folder))


def _rejection_of(fields: Any, place: Place) -> Rejection:
    known = {one.name for one in dataclass_fields(Rejection)}
    if (inside := misfit(fields, _REJECTION)) is not None or fields.keys() - known or fields["reason"] not in REASONS:
        raise StudyError("not a rejection", place=(*place, *(inside or ())), remedy="delete the line")
    try:
        Recipe.parse(fields["recipe"])
    except RecipeError as error:
        raise StudyError("not a rejection: this is no recipe", place=place, remedy="delete the line") from error
    return Rejection(**fields)
