"""What the scorers raise and warn about."""

from __future__ import annotations


class ScorerError(Exception):
    """A scorer, its files or its pictures cannot be used; the message says which, why, and the way out."""


class ScorerWarning(UserWarning):
    """The scores can be had, but mean less than they should; the message says why."""
