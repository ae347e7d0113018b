"""What a recipe can be exported to, by name: the forms of other tools, and the recipe card.

The command line and the pages offer all of these; it is read without torch.
"""

from __future__ import annotations

from dataclasses import dataclass

from engine.exports.registry import TARGETS, TargetEntry

CHECKPOINT, CARD = "checkpoint", "card"
"""Those that are written with what only a study knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportForm:
    """One form in which a recipe can be written."""

    name: str
    """On the command line, in addresses and forms."""
    summary: str
    """What it is, for people."""
    suffix: str
    """What the name of its file or folder ends with."""
    takes: frozenset[str] = frozenset()
    """The options that make a difference to it, as the command line calls them without their dashes."""
    is_folder: bool = False
    """Whether a folder is written, and not a file."""
    is_renewed: bool = False
    """Whether pages write it again where it is there already: what it says changes."""


def _form_of_target(name: str, entry: TargetEntry) -> ExportForm:
    return ExportForm(
        name=name, summary=entry.summary, suffix=entry.suffix, takes=entry.takes, is_folder=entry.is_folder
    )


_CARD = ExportForm(
    name=CARD,
    summary="a recipe card to show and share: a picture, Markdown and JSON",
    suffix=".card.md",
    takes=frozenset({"dtype", "licence", "vae"}),
    is_renewed=True,
)

EXPORT_FORMS: dict[str, ExportForm] = {
    CHECKPOINT: _form_of_target(CHECKPOINT, TARGETS[CHECKPOINT]),
    CARD: _CARD,
    **{name: _form_of_target(name, entry) for name, entry in TARGETS.items() if name != CHECKPOINT},
}
"""All of them, in the order in which people are shown them."""
