"""What the scorers raise and warn about."""

from __future__ import annotations

from engine.errors import ProblemError


class ScorerError(ProblemError):
    """A scorer, its files or its pictures cannot be used."""


class ScorerWarning(UserWarning):
    """The scores can be had, but mean less than they should; the message says why."""
