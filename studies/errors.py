"""The one error of the studies package."""

from __future__ import annotations

from engine.errors import ProblemError


class StudyError(ProblemError):
    """A study file, a study or its folder is wrong."""
