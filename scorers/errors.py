"""Errors and warnings of the scorers."""

from __future__ import annotations


class ScorerError(Exception):
    """A scorer, its files or its pictures cannot be used; the message says which, why, and what to do."""


class ScorerWarning(UserWarning):
    """Scores are computed, but are less reliable than they should be; the message says why."""
