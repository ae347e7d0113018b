"""A knob: one searched number with its bounds, its grid, and where it is searched more finely."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from engine.errors import Place
from search.errors import SearchError

KnobKind = Literal["block", "second", "self", "adjust", "choice"]
"""First and second ratio of a block, a multiplier on a site, an Adjust value, one of several words."""
SELF = "self:"
"""How the name of a multiplier's knob begins."""
RATIOS: tuple[KnobKind, ...] = ("block", "second")
"""The kinds of knobs that are ratios of blocks."""

NARROWEST = 0.01
"""Narrowest range of a free knob: recipes are written with six decimals, so every range holds enough values."""
STEP = 0.001
"""Grid of a proposed number: what a person would write; 0.0005 of a ratio cannot be seen."""
DIGITS = 6
"""Decimals of a recipe's text; no grid is finer."""
TOLERANCE = 1e-6
"""How far a number may be off and still count as the same one (the rounding of a recipe's text)."""


_TABLES: Mapping[KnobKind, str] = MappingProxyType(
    {"block": "blocks", "second": "second", "self": "self", "adjust": "adjust", "choice": "choices"}
)
"""Names of the tables under `[space]` of a study file that set the knobs of a kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Knob:
    """One searched number, one frozen at a value, or one that follows another.

    Raises:
        SearchError: numbers that are not finite, a free knob whose range is empty or narrower than 0.01, a grid that
            is no grid, a choice of less than two words, a knob that is frozen and tied.
    """

    name: str
    """`OUT05`, `beta:OUT05` (second ratio), `self:OUT05:attn1`, `adjust:CONT`, or `mode`, `calculation`, `vae`."""
    kind: KnobKind
    low: float
    high: float
    neutral: float
    """The value that changes nothing: 0 for a ratio (all A) and an Adjust value, 1 for a multiplier."""
    frozen: float | None = None
    """Fixed value; such a knob is not searched and its bounds do not matter."""
    group: str | None = None
    """Name of the group whose ratios move together in stage `groups`; None: the knob is a group of its own."""
    tied: str | None = None
    """Name of the knob whose value it always has; such a knob is not searched."""
    step: float = STEP
    """Grid of proposed values."""
    fine: float = 0.0
    """How much finer the search is near the neutral value, 0 to 0.9: there its steps are `1 - fine` of the usual."""
    options: tuple[str, ...] = ()
    """Of a choice: its words. The knob's value is a word's place, 0, 1, ..."""

    def __post_init__(self) -> None:
        numbers = (self.low, self.high, self.neutral, self.step, self.fine, self.frozen or 0.0)
        if not all(math.isfinite(number) for number in numbers):
            raise SearchError(f"{numbers} holds a number that is not finite", place=self.place)
        if self.frozen is not None and self.tied is not None:
            raise SearchError(
                f"is frozen at {self.frozen:g} and tied to {self.tied}", place=self.place, remedy="keep one of the two"
            )
        if self.kind == "choice" and len(set(self.options)) < max(2, len(self.options)):
            raise SearchError(
                f"{self.options} is no choice", place=self.place, remedy="give two different words or more"
            )
        if self.is_free and self.high - self.low < NARROWEST:
            raise SearchError(
                f"bounds {self.low:g}..{self.high:g} leave less than {NARROWEST:g} to search",
                place=self.place,
                remedy="widen them (lower bound first) or freeze the knob",
            )
        if self.step < 10**-DIGITS or (self.is_free and self.step > self.high - self.low):
            raise SearchError(f"step {self.step:g} is no grid for {self.low:g}..{self.high:g}", place=self.place)
        if not 0 <= self.fine <= 0.9:
            raise SearchError(f"fine = {self.fine:g} is outside 0..0.9", place=self.place)

    @property
    def place(self) -> Place:
        """Where it is set, as problems name it: `blocks.OUT05`, `self."OUT05:attn1"`, `adjust.CONT`."""
        return _TABLES[self.kind], self.name if self.kind in ("block", "choice") else self.name.partition(":")[2]

    @property
    def is_free(self) -> bool:
        """Whether it is searched."""
        return self.frozen is None and self.tied is None

    @property
    def is_choice(self) -> bool:
        """Whether its value is a word's place."""
        return self.kind == "choice"

    def clip(self, value: float) -> float:
        """Return the frozen value, or the value moved into the bounds."""
        return self.frozen if self.frozen is not None else min(max(value, self.low), self.high)

    def tidy(self, value: float) -> float:
        """Return the nearest value of the knob's grid, inside the bounds."""
        return self.clip(round(round(value / self.step) * self.step, DIGITS))

    @property
    def rest(self) -> float:
        """The frozen value, else the neutral one as far as the bounds allow."""
        return self.clip(self.neutral)

    def unit(self, value: float) -> float:
        """Return where the value lies between the bounds, 0 to 1, stretched near the rest value."""
        low, high, rest = self.low, self.high, self.rest
        middle = (rest - low) / (high - low)
        reach, side = (high - rest, 1 - middle) if value >= rest else (rest - low, -middle)
        if reach <= 0:
            return middle
        return middle + side * _inverse_stretch(min(abs(value - rest) / reach, 1.0), self.fine)

    def value(self, unit: float) -> float:
        """Return the value at a place between the bounds, the inverse of `unit`."""
        low, high, rest = self.low, self.high, self.rest
        middle = (rest - low) / (high - low)
        reach, side = (high - rest, 1 - middle) if unit >= middle else (low - rest, middle)
        if side <= 0:
            return rest
        away = min(abs(unit - middle) / side, 1.0)
        return self.clip(rest + reach * away * (1 - self.fine + self.fine * away))


def _inverse_stretch(part: float, fine: float) -> float:
    """Return `t` with `t (1 - fine + fine t) = part`."""
    straight = 1 - fine
    return 2 * part / (straight + math.sqrt(straight**2 + 4 * fine * part))
