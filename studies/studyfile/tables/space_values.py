"""Single values of `[merge]` and `[space]`: the words that there are, and checks of blocks, sites and bounds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from engine.errors import RecipeError, did_you_mean
from engine.modes.registry import calculation_modes
from engine.recipes.blocks import BLOCKS, Site
from search.space.frame import SEPARATE
from search.space.knob import DIGITS, NARROWEST
from studies.studyfile.problems import own_error, own_errors

BLOCK_NAMES = (*BLOCKS, *SEPARATE)
"""All that can have a ratio, in models of any family."""
FINEST = 10.0**-DIGITS
"""The finest step of a knob: one in the last digit of a recipe's numbers."""
SUGGESTED = "suggested"
"""Stands for the sites that are suggested for the study's models."""


def calculation(word: str) -> str:
    """Accept the calculation modes of any dialect.

    Raises:
        PydanticCustomError: it is none.
    """
    if word not in calculation_modes():
        raise own_error("unknown calculation mode", did_you_mean(word, calculation_modes()))
    return word


def blocks_of_range(text: str, known: Sequence[str] = BLOCK_NAMES) -> tuple[str, ...]:
    """Return the blocks of `OUT05` or `IN00-IN05`.

    Args:
        text: a block, or two with a dash between.
        known: the blocks that there are, in order.

    Raises:
        PydanticCustomError: an unknown block, or a range that runs backwards.
    """
    first, dash, last = (part.strip() for part in text.partition("-"))
    names = (first, last) if dash else (first,)
    unknown = [name for name in names if name not in known]
    if unknown:
        raise own_error(f"unknown block {unknown[0]}", did_you_mean(unknown[0], known))
    start, stop = known.index(first), known.index(names[-1])
    if stop < start:
        raise own_error("range runs backwards", f"write {names[-1]}-{first}")
    return tuple(known[start : stop + 1])


def block_range(text: str) -> str:
    """Accept `OUT05` and `IN00-IN05`."""
    blocks_of_range(text)
    return text


def one_home(groups: dict[str, list[str]]) -> dict[str, list[str]]:
    """Accept groups in which every block stands once at most."""
    home: dict[str, str] = {}
    crowded: list[str] = []
    for name, texts in groups.items():
        for block in (block for text in texts for block in blocks_of_range(text)):
            if block in home:
                crowded.append(f"{block} is in {home[block]} and {name}")
            home.setdefault(block, name)
    if crowded:
        raise own_error(", ".join(crowded), "leave a block in one group only")
    return groups


def site(text: str) -> str:
    """Accept `block:element` in canonical form, and the word for those that are suggested."""
    if text == SUGGESTED:
        return text
    try:
        return str(Site.parse(text))
    except RecipeError as error:
        block = text.partition(":")[0]
        remedy = did_you_mean(block, BLOCKS) if block not in BLOCKS else "write block:element, such as OUT05:attn1"
        raise own_errors(replace(problem, remedy=remedy) for problem in error.problems) from None


def suggested(value: object) -> object:
    """Turn the word `suggested` alone into a list."""
    if isinstance(value, str):
        if value != SUGGESTED:
            raise own_error("must be a list of sites, or the word suggested", 'write ["OUT05:attn1"], or "suggested"')
        return [value]
    return value


def bounds(numbers: list[float]) -> list[float]:
    """Accept two numbers, the lower one first, with room between them, and maybe a grid that fits in between."""
    low, high, *step = numbers
    if high - low < NARROWEST:
        raise own_error("the lower bound must come first, and the upper one above it", "swap or widen the bounds")
    if step and not FINEST <= step[0] <= high - low:
        raise own_error(f"the third number is a grid between the bounds, {FINEST:f} or more", "correct or drop it")
    return numbers


def within(low: float, high: float) -> Callable[[list[float]], list[float]]:
    """Return a validator of bounds that both lie within limits."""

    def check(numbers: list[float]) -> list[float]:
        if min(numbers[:2]) < low or max(numbers[:2]) > high:
            raise own_error(f"must lie within {low:g} and {high:g}", "move the bounds")
        return numbers

    return check
