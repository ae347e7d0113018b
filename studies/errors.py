"""The one error of the studies package."""

from __future__ import annotations


class StudyError(Exception):
    """A study file, a study or its folder is wrong; the message says what, where and the way out."""
