"""Reads one result for a page: a damaged one is a line for people, and everything else of the page stays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from engine.errors import ProblemError

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadResult(Generic[T]):
    """A result, or why it cannot be shown."""

    found: T | None = None
    """None where there is none, or it cannot be read."""
    problem: str = ""
    """Why it cannot be read, for people; "" where it can, or where there is none."""


def read_result(read: Callable[[], T | None]) -> ReadResult[T]:
    """Return what is read; where that raises an error for people, its sentence instead."""
    try:
        return ReadResult(found=read())
    except ProblemError as error:
        return ReadResult(problem="; ".join(map(str, error.problems)))
