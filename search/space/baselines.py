"""What a search is measured against: the models as they are, and mixes of one ratio for all blocks."""

from __future__ import annotations

from dataclasses import replace

from engine.recipes.dialects import DIFFERENCE_CALCULATIONS
from engine.recipes.recipe import MergeStep, Recipe
from search.plan import flat_label, mix_label
from search.space.frame import RecipeFrame
from search.space.space import Space

MIXES = (0.25, 0.5, 0.75)
"""The ratios of the FLAT mixes that every search is measured against."""


def parents(space: Space) -> dict[str, Recipe]:
    """Return every model as it is on all blocks of the UNet, by name, whatever bounds there are.

    BASE is as in stage `flat`: frozen where the space freezes it, else of the same model.
    """
    plain = replace(space.frame, mode="Weight sum", calculation="normal", beta=0.0)
    first, *others = plain.models
    found = {first: _recipe(plain, plain.run(_flat(space, 0.0), {}, {}))}
    for name in others:
        pair = replace(plain, models=(first, name))
        found[name] = _recipe(plain, pair.run(_flat(space, 1.0), {}, {}))
    return found


def flats(space: Space) -> dict[str, Recipe]:
    """Return the FLAT mixes: one ratio on every block of the UNet, whatever bounds there are, all other knobs at rest.

    What a ratio means is the mode's: in Add difference, FLAT_50 is A + 0.5 (B - C).
    """
    return {flat_label(ratio): _flat_recipe(space, ratio) for ratio in MIXES}


def flat_name(space: Space, ratio: float) -> str:
    """Return what a merger calls a ratio on every block: A or B where it makes that model, else FLAT_25 and so on."""
    words = space.words(space.flat(ratio))
    mode, calculation = (words.get(name, getattr(space.frame, name)) for name in ("mode", "calculation"))
    plain = calculation == "normal" and not any(_seconds(space).values()) and not space.frame.beta
    is_difference = mode == "Add difference" or calculation in DIFFERENCE_CALCULATIONS
    if ratio in (0.0, 1.0) and not (plain and (ratio == 0 or not is_difference)):
        return mix_label(ratio)
    return flat_label(ratio)


def _flat(space: Space, ratio: float) -> dict[str, float]:
    base = next(knob for knob in space.knobs if knob.name == "BASE")
    return dict.fromkeys(space.frame.blocks, ratio) | {"BASE": base.clip(ratio)}


def _flat_recipe(space: Space, ratio: float) -> Recipe:
    seconds = _seconds(space)
    beta = dict.fromkeys(space.frame.blocks, 0.0) | seconds if seconds else {}
    return _recipe(space.frame, space.frame.run(_flat(space, ratio), beta, space.words(space.neutral)))


def _seconds(space: Space) -> dict[str, float]:
    """Return the second ratio of every block at rest."""
    numbers = space.numbers(space.neutral)
    return {k.name.removeprefix("beta:"): numbers[k.name] for k in space.knobs if k.kind == "second"}


def _recipe(frame: RecipeFrame, step: MergeStep) -> Recipe:
    return Recipe(steps=(step,), family=frame.family, dialect=frame.dialect)
