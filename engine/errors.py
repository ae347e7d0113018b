"""What can go wrong in the engine. Every message says what, where, the value seen, and the way out."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class EngineError(Exception):
    """The root of all the engine's errors for people."""


class CheckpointError(EngineError):
    """A checkpoint cannot be opened, used, merged or written."""


class RecipeError(EngineError):
    """A recipe, its text or its file does not make sense."""


class RenderError(EngineError):
    """A picture cannot be made, or came out broken."""


def did_you_mean(word: str, known: Iterable[str], also: Iterable[str] = ()) -> str:
    """The way out for an unknown word: the known one that it looks most like, upper or lower case, or all of them.

    Args:
        word: as it was written.
        known: what it can be.
        also: what it can be too, without being named among all.
    """
    listed = tuple(known)
    by_fold = {name.casefold(): name for name in (*listed, *also)}
    close = get_close_matches(word.casefold(), list(by_fold), n=1, cutoff=0.6)
    return f"did you mean {by_fold[close[0]]}?" if close else f"known here: {', '.join(listed)}"
