"""Numbers on the command line: always finite, since a NaN lies below no bound and above none."""

from __future__ import annotations

import math
from typing import Any

import click


class FiniteNumber(click.FloatRange):
    """A finite number within a range, or any finite number where there are no bounds."""

    def _describe_range(self) -> str:
        return super()._describe_range() if self.min is not None or self.max is not None else ""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the number.

        Raises:
            click.BadParameter: it is none, is NaN or infinite, or lies outside of the range.
        """
        found = click.FLOAT.convert(value, param, ctx)
        if not math.isfinite(found):
            bounded = self.min is not None or self.max is not None
            within = f"; the range is {self._describe_range()}" if bounded else ""
            self.fail(f"{value} is not a finite number{within}.", param, ctx)
        return self._checked(found, param, ctx)

    def _checked(self, found: float, param: click.Parameter | None, ctx: click.Context | None) -> float:
        return super().convert(found, param, ctx)


class SettingNumber(FiniteNumber):
    """A finite setting of a picture; whether it lies within its range is told later, with what else is wrong."""

    def __init__(self, limits: tuple[float, float]) -> None:
        super().__init__(*limits)

    def _checked(self, found: float, param: click.Parameter | None, ctx: click.Context | None) -> float:
        return found
