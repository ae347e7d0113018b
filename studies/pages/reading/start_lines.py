"""The lines of a study file that begin a search at a recipe."""

from __future__ import annotations

from dataclasses import dataclass

from engine.recipes.recipe import MergeStep
from engine.recipes.steps import number
from search.history import Point
from search.space.knob import RATIOS
from search.space.space import Space
from studies.candidate import Candidate

NEAR = 0.2
"""How far a ratio may go from the recipe's in a search that stays near it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartLines:
    """What to write into a study file, and the recipe file beside it where a row of weights does not say all."""

    search: str
    """The table `[search]`."""
    space: str
    """The bounds that keep a search near the recipe; "" where the space has none by block."""
    file: str
    """Name of the recipe file; "" where none is needed."""
    recipe: str
    """What is in it."""
    vae: str
    """The VAE to name first in `[space.choices]`, since no recipe says it; "" where nothing is to be done."""


def start_lines(space: Space, candidate: Candidate, point: Point, name: str) -> StartLines:
    """Return the lines that begin a search at a recipe.

    Args:
        space: of the study.
        candidate: with the recipe.
        point: of it in the space.
        name: what a recipe file would be called, without its ending.
    """
    row = _row(space, candidate, point)
    file = "" if row else f"{name}.toml"
    return StartLines(
        search=f'[search]\nstart = "{row or file}"',
        space=_bounds(space, point),
        file=file,
        recipe="" if row else candidate.recipe.text,
        vae=candidate.vae if candidate.vae != space.words(space.neutral).get("vae", "") else "",
    )


def _row(space: Space, candidate: Candidate, point: Point) -> str:
    """The recipe as a row of weights; "" where it has more than its weights, or one weight for all blocks."""
    merge, rest = candidate.recipe.steps[0], space.neutral
    others = [
        knob.name
        for knob in space.free
        if knob.kind != "block" and knob.name != "vae" and point.get(knob.name) != rest[knob.name]
    ]
    if others or not isinstance(merge, MergeStep) or not isinstance(merge.alpha, tuple):
        return ""
    return ",".join(map(number, merge.alpha))


def _bounds(space: Space, point: Point) -> str:
    lines: dict[str, list[str]] = {}
    for knob in space.of_kind(*RATIOS):
        low, high = max(knob.low, point[knob.name] - NEAR), min(knob.high, point[knob.name] + NEAR)
        table = "space.blocks.bounds" if knob.kind == "block" else "space.second.bounds"
        block = knob.name.removeprefix("beta:")
        lines.setdefault(table, []).append(f"{block} = [{number(round(low, 3))}, {number(round(high, 3))}]")
    return "\n\n".join("\n".join([f"[{table}]", *rows]) for table, rows in lines.items())
