"""Writes a card: Markdown, JSON, and the picture that the Markdown shows."""

from __future__ import annotations

from pathlib import Path

from engine.exports.target import WrittenExport, write_files
from studies.cards.card import RecipeCard
from studies.cards.drawing import drawn_card
from studies.cards.markdown import markdown_text
from studies.cards.record import json_text

SUFFIXES = (".md", ".json", ".png")
"""Endings of a card's files, the text first."""


def card_files(out: Path) -> tuple[Path, ...]:
    """Return the files of a card that is named by one of them, or by what they have in common."""
    stem = out.name[: -len(out.suffix)] if out.suffix in SUFFIXES else out.name
    return tuple(out.with_name(stem + suffix) for suffix in SUFFIXES)


def write_card(card: RecipeCard, out: Path, *, overwrite: bool = False) -> WrittenExport:
    """Write the files of a card, all or none.

    Args:
        card: what it says.
        out: any of them.
        overwrite: replace files that exist.

    Raises:
        CheckpointError: a file exists, or cannot be written.
    """
    text, record, picture = card_files(out)
    files = write_files(
        {
            text: markdown_text(card, text.stem),
            record: json_text(card, text.stem),
            picture: drawn_card(card, text.stem),
        },
        overwrite=overwrite,
    )
    open_licences = [parent.letter for parent in card.parents if not parent.licence]
    notes = [f"the licence of {', '.join(open_licences)} is not stated"]
    return WrittenExport(files=files, arithmetic="exact", notes=tuple(notes if open_licences else ()))
