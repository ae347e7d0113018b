"""Errors and warnings of the scorers."""

from __future__ import annotations

from engine.errors import ProblemError


class ScorerError(ProblemError):
    """A scorer, its files or its pictures cannot be used."""


class ScorerWarning(UserWarning):
    """Scores are computed, but are less reliable than they should be; the message says why."""
