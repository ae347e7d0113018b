"""The values of SuperMerger's X/Y/Z plots: what a text means on each kind of axis.

Lines for weights, Adjust texts and prompts; blank lines between elemental texts, since those have lines of their own;
commas for all else. ``|`` splits a text into plots that are made one after the other.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from engine.errors import Named, RecipeError, did_you_mean
from engine.recipes.blocks import BLOCKS
from engine.recipes.dialects import Dialect

NONE = "none"
LINES = ("mbw alpha ", "mbw beta", "prompt", "adjust")
PAIRS_OF_LINES = ("mbw alpha and beta",)
PARAGRAPHS = ("elemental", "add elemental", "prompt2", "prompt3")
WORDS_OR_LINES = ("pinpoint element", "pinpoint element ext", "effective")
WORDS = (
    "alpha", "beta", "alpha and beta", "seed", "model_A", "model_B", "model_C", "pinpoint blocks", "include blocks",
    "exclude blocks", "add include", "add exclude", "pinpoint adjust", "calcmode",
)  # fmt: skip
AXES: tuple[str, ...] = (NONE, *WORDS, *LINES, *PAIRS_OF_LINES, *PARAGRAPHS, *WORDS_OR_LINES)
"""SuperMerger's own names; the one for alpha weights ends in a space there, and may be written without it here."""
AXIS_NAMES: tuple[str, ...] = tuple(name.strip() for name in AXES)
"""The same as people write them."""
FILTERS = ("include blocks", "exclude blocks", "add include", "add exclude")
PINPOINTS = ("pinpoint blocks", "pinpoint element", "pinpoint element ext", "effective", "pinpoint adjust")
"""Axes that put the alpha of another axis at one place, instead of everywhere."""
PICTURES_ONLY = ("seed", "prompt", "prompt2", "prompt3")
"""On the X axis these do not merge again."""
ALL_ADJUST = ("IN", "OUT", "OUT2", "CONT", "COL1", "COL2", "COL3")
"""What ALL means to pinpoint adjust: BRI is not among them."""

_NUMBERS = ("alpha", "beta", "seed")
_OTHERS = {
    "random": "draws random numbers that only SuperMerger has",
    "merge ID": "takes rows of SuperMerger's own history",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """One axis of a plot.

    Attributes:
        kind: one of ``AXES``.
        text: its values, as they stand in SuperMerger's box.
    """

    kind: str = NONE
    text: str = ""

    def __post_init__(self) -> None:
        kind = "mbw alpha " if self.kind == "mbw alpha" else self.kind
        if kind not in AXES:
            if kind in _OTHERS:
                remedy = f"{kind} {_OTHERS[kind]}; known here: {', '.join(AXIS_NAMES)}"
                raise RecipeError(f"there is no axis {kind!r} to expand", remedy=remedy)
            raise RecipeError(f"there is no axis {kind!r}", remedy=did_you_mean(kind, AXIS_NAMES))
        object.__setattr__(self, "kind", kind)


def queued(axis: Axis) -> tuple[Axis, ...]:
    """An axis for each of the plots that ``|`` splits the text into."""
    return tuple(Axis(kind=axis.kind, text=part) for part in axis.text.split("|"))


def axis_values(axis: Axis, dialect: Dialect) -> tuple[str, ...]:
    """The values of an axis in their order; one empty value for the axis ``none``.

    Raises:
        RecipeError: a value does not belong on such an axis, with its place; or there are none.
    """
    if axis.kind == NONE:
        return ("",)
    found = _parts(axis)
    if axis.kind == "pinpoint blocks":
        found = [block for value in found for block in (BLOCKS if value == "ALL" else (value,))]
    if axis.kind == "pinpoint adjust":
        found = [name for value in found for name in (ALL_ADJUST if value == "ALL" else (value,))]
    if not found:
        raise RecipeError(f"the axis {axis.kind.strip()} has no values", remedy="write some, or take the axis none")
    for place, value in enumerate(found, start=1):
        if wrong := _value_problem(axis.kind, value, dialect):
            where = Named(f"axis {axis.kind.strip()}, value {place}")
            raise RecipeError(f"{value!r} {wrong[0]}", place=(where,), remedy=wrong[1])
    return tuple(["", *found] if axis.kind == "effective" else found)


def _parts(axis: Axis) -> list[str]:
    text = axis.text.replace("\r\n", "\n")
    if axis.kind in PARAGRAPHS:
        first = [""] if text.startswith("\n\n") else []
        return [*first, *(part.strip("\n") for part in text.split("\n\n") if part.strip())]
    if axis.kind in LINES:
        return _filled(text.split("\n"))
    if axis.kind in PAIRS_OF_LINES:
        lines = _filled(text.split("\n"))
        return ["\n".join(lines[place : place + 2]) for place in range(0, len(lines), 2)]
    if axis.kind in WORDS_OR_LINES:
        return _filled(re.split(r"[,\n]", text))
    return _filled(text.split(","))


def _filled(parts: list[str]) -> list[str]:
    return [part.strip() for part in parts if part.strip()]


def _value_problem(kind: str, value: str, dialect: Dialect) -> tuple[str, str] | None:
    """Why a value does not belong on such an axis, and the way out; None where it does."""
    words = value.split()
    checks = (
        (kind in _NUMBERS and not _is_number(value), "is no number", ""),
        (
            kind == "alpha and beta" and not (1 <= len(words) <= 2 and all(map(_is_number, words))),
            "is no pair of numbers",
            'write "0.5 0.1", or one number for both',
        ),
        (
            kind == "pinpoint adjust" and value not in dialect.adjust_fields,
            f"is no Adjust field of the dialect {dialect.name}",
            did_you_mean(value, dialect.adjust_fields),
        ),
        (
            kind in WORDS_OR_LINES and value.count(":") != 1,
            "is no place",
            "write BLOCKS:ELEMENTS, such as OUT05:attn1, without a ratio",
        ),
        (
            kind in PAIRS_OF_LINES and "\n" not in value,
            "has no beta",
            "write two lines for each value, weights alpha and weights beta",
        ),
        (
            kind == "calcmode" and value not in dialect.calculations,
            f"is no calculation mode of the dialect {dialect.name}",
            did_you_mean(value, dialect.calculations),
        ),
        (
            kind in FILTERS and not dialect.filters,
            f"cannot be chosen: the dialect {dialect.name} has no Include and Exclude",
            "",
        ),
    )
    return next(((what, remedy) for wrong, what, remedy in checks if wrong), None)


def _is_number(text: str) -> bool:
    try:
        return abs(float(text)) < float("inf")
    except ValueError:
        return False
