"""The one error of the search package."""

from __future__ import annotations

from collections.abc import Sequence


class SearchError(Exception):
    """Something about the space, the plan or a told trial is wrong; the message says what, where and the way out."""


def refuse(what: str, mistakes: Sequence[str]) -> None:
    """Raise one error that lists every mistake found, or return when there is none.

    Args:
        what: what was being read, e.g. "the search space".
        mistakes: one sentence per mistake, each with the value seen and the way out.

    Raises:
        SearchError: there is at least one mistake.
    """
    if mistakes:
        lines = "\n".join(f"  - {mistake}" for mistake in mistakes)
        raise SearchError(f"{what} has {len(mistakes)} mistake{'s' if len(mistakes) > 1 else ''}:\n{lines}")
