"""What an interval of a difference says."""

from __future__ import annotations


class SignedInterval:
    """The interval of a difference, for values that have its ends."""

    __slots__ = ()

    low: float
    high: float

    @property
    def is_better(self) -> bool:
        """Whether the whole interval lies above zero."""
        return self.low > 0

    @property
    def is_worse(self) -> bool:
        """Whether the whole interval lies below zero."""
        return self.high < 0
