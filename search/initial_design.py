"""The initial design of a search: FLAT mixes, random recipes that calibrate scorers, and recipes to begin with."""

from __future__ import annotations

import random
from collections.abc import Iterable

from search.plan import InitialRecipe, SearchPlan
from search.space.baselines import flat_name
from search.space.knob import TOLERANCE
from search.space.space import Space

CALIBRATION_REACH = 0.25
"""How far the knobs of a calibration recipe lie from FLAT_50 at most, as a part of their range."""


def initial_design(space: Space, plan: SearchPlan, seed: int) -> tuple[InitialRecipe, ...]:
    """Return what stage `flat` begins with: the calibration recipes, then those that the plan begins with."""
    begun = [InitialRecipe(label=one.label, point=space.checked(one.point)) for one in plan.initial_recipes]
    return _different(space, [*calibration_recipes(space, plan, seed), *begun])


def calibration_recipes(space: Space, plan: SearchPlan, seed: int) -> tuple[InitialRecipe, ...]:
    """Return the recipes that calibrate scorers: the plan's FLAT mixes, then random ones."""
    flat = [InitialRecipe(label=_label(space, ratio), point=space.flat(ratio)) for ratio in plan.flat]
    numbers = range(plan.calibration)
    drawn = [InitialRecipe(label=f"random {n + 1}", point=_random_point(space, seed, n)) for n in numbers]
    return _different(space, flat + drawn)


def _different(space: Space, recipes: Iterable[InitialRecipe]) -> tuple[InitialRecipe, ...]:
    """Return the recipes; where bounds make two of them equal, the first one stays."""
    kept: dict[tuple[float, ...], InitialRecipe] = {}
    for recipe in recipes:
        kept.setdefault(space.mark(recipe.point), recipe)
    return tuple(kept.values())


def _label(space: Space, ratio: float) -> str:
    """Return the usual name of a flat recipe, and say so when bounds or frozen blocks make it another one."""
    numbers = space.numbers(space.flat(ratio))
    unet = [numbers[block] for block in space.frame.blocks if block != "BASE"]
    name = flat_name(space, ratio)
    return name if all(abs(number - ratio) <= TOLERANCE for number in unet) else f"{name} within bounds"


def _random_point(space: Space, seed: int, n: int) -> dict[str, float]:
    """Return calibration recipe `n`: every knob at random round FLAT_50.

    Multipliers and Adjust values too: a scorer that sees only what they do would otherwise seem to see nothing.
    """
    rng, point = random.Random(f"{seed}:calibration:{n}"), space.flat(0.5)  # noqa: S311 - no secret
    for knob in space.free:
        reach = rng.uniform(-CALIBRATION_REACH, CALIBRATION_REACH) * (knob.high - knob.low)
        point[knob.name] = knob.tidy(point[knob.name] + reach)
    return point
