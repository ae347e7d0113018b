"""Recipes that every target is tried with: what users merge, corners of the field's forms, and drawn ones."""

from __future__ import annotations

import random
from collections.abc import Iterator

from engine.architecture.widths import FamilyName
from engine.recipes.blocks import BLOCKS, XL_BLOCKS
from engine.recipes.recipe import AdjustStep, MergeStep, Recipe, Step
from engine.recipes.steps import Filter

RISING = (0.35, *(round(0.02 + 0.037 * place, 3) for place in range(25)))
"""26 weights of which no two are equal: a block that is taken for another shows."""
RISING_XL = (0.3, *(round(0.05 + 0.045 * place, 3) for place in range(19)))
_BEYOND = tuple(round(-0.4 + 0.07 * place, 2) for place in range(26))
_SELF = "OUT05 OUT08:attn1:0.88"
_SELF_RUN = MergeStep(models=("previous", "previous"), alpha=1.0, calculation="self", elemental=_SELF)
_ALL_ADJUST = (2.0, -1.0, 3.0, -1.0, 4.0, 7.0, 1.0, -2.0)

SD1: dict[str, Recipe] = {
    "worked": Recipe(
        steps=(MergeStep(alpha=RISING), _SELF_RUN, AdjustStep(values=(0.0, 0.0, 0.0, -1.0, 7.0, 1.0, 1.0, 0.0)))
    ),
    "one ratio": Recipe(steps=(MergeStep(alpha=0.4),)),
    "one ratio, UNet alone": Recipe.flat(0.4),
    "blocks": Recipe(steps=(MergeStep(alpha=RISING),)),
    "beyond 0 and 1": Recipe(steps=(MergeStep(alpha=_BEYOND),)),
    "elements": Recipe(steps=(MergeStep(alpha=RISING, elemental="OUT05 OUT08:attn1 ff:0.88,IN04::0.1,:attn2:0.7"),)),
    "self": Recipe(steps=(_SELF_RUN,)),
    "adjust": Recipe(steps=(AdjustStep(values=_ALL_ADJUST),)),
    "blocks and all adjust": Recipe(steps=(MergeStep(alpha=RISING, adjust=_ALL_ADJUST),)),
    "add difference": Recipe(steps=(MergeStep(models=("A", "B", "C"), alpha=RISING, mode="Add difference"),)),
    "triple sum": Recipe(
        steps=(MergeStep(models=("A", "B", "C"), alpha=RISING, beta=tuple(0.3 for _ in BLOCKS), mode="Triple sum"),)
    ),
    "sum twice": Recipe(steps=(MergeStep(models=("A", "B", "C"), alpha=0.3, beta=0.6, mode="sum Twice"),)),
    "include": Recipe(steps=(MergeStep(alpha=0.6, filter=Filter(kind="include", blocks=("IN04", "OUT05", "VAE"))),)),
    "chain": Recipe(
        steps=(
            MergeStep(models=("A", "B"), alpha=RISING, name="first"),
            MergeStep(models=("C", "B"), alpha=0.25, name="second"),
            MergeStep(models=("first", "second"), alpha=tuple(reversed(RISING))),
            _SELF_RUN,
        )
    ),
}
"""Linear recipes for SD1, by what they are of."""
SDXL: dict[str, Recipe] = {
    "twenty": Recipe(steps=(MergeStep(alpha=RISING_XL),), dialect="head", family="sdxl"),
    "twenty, classic": Recipe(steps=(MergeStep(alpha=RISING_XL),), dialect="classic", family="sdxl"),
    "twenty and adjust": Recipe(steps=(MergeStep(alpha=RISING_XL, adjust=_ALL_ADJUST),), dialect="head", family="sdxl"),
}
"""Linear recipes for SDXL."""
NONLINEAR: dict[str, Recipe] = {
    "cosine": Recipe(steps=(MergeStep(alpha=0.4, calculation="cosineA"),)),
    "trainDifference": Recipe(
        steps=(MergeStep(models=("A", "B", "C"), alpha=0.7, mode="Add difference", calculation="trainDifference"),)
    ),
}
"""Recipes that no weighted sum of the models is."""


def drawn(count: int, seed: int = 1) -> Iterator[Recipe]:
    """Yield linear recipes for SD1 and SDXL of one to three steps, drawn at random."""
    rng = random.Random(seed)
    for _ in range(count):
        family: FamilyName = rng.choice(("sd1", "sd1", "sd1", "sdxl"))
        yield Recipe(
            steps=tuple(_drawn_steps(rng, family)), dialect="head" if family == "sdxl" else "classic", family=family
        )


def _drawn_steps(rng: random.Random, family: FamilyName) -> Iterator[Step]:
    blocks = XL_BLOCKS if family == "sdxl" else BLOCKS

    def number(low: float = -0.2, high: float = 1.2) -> float:
        return round(rng.uniform(low, high), 3)

    def ratio() -> float | tuple[float, ...]:
        return rng.choice((number(), tuple(number() for _ in blocks)))

    kind = rng.choice(("Weight sum", "Weight sum", "Add difference", "Triple sum"))
    alpha = ratio()
    beta = tuple(number() for _ in blocks) if isinstance(alpha, tuple) else number()
    elemental = rng.choice(("", "", f"OUT03 OUT05:attn2:{number()}"))
    if kind == "Weight sum":
        yield MergeStep(alpha=alpha, elemental=elemental)
    else:
        yield MergeStep(models=("A", "B", "C"), alpha=alpha, beta=beta if kind == "Triple sum" else 0.0, mode=kind)
    if rng.random() < 0.5:
        sites = (
            f"{rng.choice(('OUT05 OUT07', 'IN05', 'M00'))}:{rng.choice(('attn1', 'attn2', 'ff'))}:{number(0.7, 1.3)}"
        )
        yield MergeStep(models=("previous", "previous"), alpha=1.0, calculation="self", elemental=sites)
    if rng.random() < 0.5:
        yield AdjustStep(values=tuple(number(-4, 4) for _ in range(8)))
