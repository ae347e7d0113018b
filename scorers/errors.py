"""Errors and warnings of the scorers."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class ScorerError(Exception):
    """A scorer, its files or its pictures cannot be used; the message says which, why, and what to do."""


class ScorerWarning(UserWarning):
    """Scores are computed, but are less reliable than they should be; the message says why."""


def did_you_mean(word: str, known: Iterable[str], otherwise: str = "") -> str:
    """The way out for an unknown word: the known one that it looks most like, upper or lower case, or all of them.

    Args:
        word: as it was written.
        known: what it can be.
        otherwise: what to say where none looks like it; by default, all that are known.
    """
    by_fold = {name.casefold(): name for name in known}
    close = get_close_matches(word.casefold(), list(by_fold), n=1, cutoff=0.6)
    if close:
        return f"did you mean {by_fold[close[0]]}?"
    return otherwise or f"known here: {', '.join(by_fold.values())}"
