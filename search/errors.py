"""The one error of the search package."""

from __future__ import annotations

from engine.errors import ProblemError


class SearchError(ProblemError):
    """Something about the space, the plan or a trial is wrong."""
