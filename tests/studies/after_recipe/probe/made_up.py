"""Made-up results of a probe, for tests of what is drawn and told of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from engine.recipes.blocks import BLOCKS
from engine.recipes.recipe import Recipe
from studies.results.probe import (
    ONE,
    SCREEN,
    EffectColumn,
    KnobEffect,
    ProbeBase,
    ProbedKnob,
    ProbedModel,
    ProbedRecipe,
    ProbedShot,
    ProbeMethod,
    ProbeResult,
    ProbeRun,
)

UNITS: Mapping[str, str] = {
    "pixels": "8-bit steps", "style": "distance", "fidelity": "score", "colour": "distance", "warmth": "R - B",
    "saturation": "0 to 1", "contrast": "0 to 1", "brightness": "0 to 1", "detail": "share", "composition": "distance",
}  # fmt: skip
"""The measures of a probe, with their units."""
DISTANCES = ("pixels", "style", "colour", "composition")
"""The measures that have no sign."""
Strength = Callable[[str, str], tuple[float, float]]
"""For a knob and a measure: effect over the noise of seeds, and the standard error of that."""


def knobs_of(
    blocks: tuple[str, ...] = BLOCKS,
    sites: tuple[str, ...] = ("OUT09:attn1", "OUT09:attn2"),
    fields: tuple[str, ...] = ("CONT", "COL1"),
) -> tuple[ProbedKnob, ...]:
    """Return knobs in the order of the UNet."""
    found = [
        ProbedKnob(name=b, kind="block", block=b, element="", group="", low=0.0, base=0.5, high=1.0) for b in blocks
    ]
    for site in sites:
        block, _, element = site.partition(":")
        found.append(
            ProbedKnob(
                name=f"self:{site}", kind="self", block=block, element=element, group="", low=0.8, base=1.0, high=1.2
            )
        )
    found += [
        ProbedKnob(name=f"adjust:{f}", kind="adjust", block="", element=f, group="", low=-5.0, base=0.0, high=5.0)
        for f in fields
    ]
    return tuple(found)


def by_chance(knob: str, column: str) -> tuple[float, float]:
    """Return an effect that is anything from nothing to a lot; always the same for the same names."""
    draw = np.random.default_rng([*knob.encode(), *column.encode()])
    return float(draw.normal() * draw.choice([0.02, 0.3, 2.5])), 0.1


def made_up(
    strength: Strength = by_chance,
    *,
    knobs: tuple[ProbedKnob, ...] | None = None,
    names: tuple[str, ...] = tuple(UNITS),
    methods: tuple[ProbeMethod, ...] = (ONE, SCREEN),
) -> ProbeResult:
    """Return a result with these effects; the noise of seeds is 2 in every measure's units."""
    knobs = knobs_of() if knobs is None else knobs
    columns = tuple(
        EffectColumn(
            name=name, unit=UNITS[name], signed=name not in DISTANCES, seeds=2.0, floor=dict.fromkeys(methods, 0.0)
        )
        for name in names
    )
    effects = tuple(
        _effect(knob.name, column, method, *strength(knob.name, column.name))
        for method in methods
        for knob in knobs
        for column in columns
    )
    return ProbeResult(
        study="made-up",
        family="sd1",
        models=(
            ProbedModel(letter="A", name="closeups.safetensors", sha256="0" * 64),
            ProbedModel(letter="B", name="lamplight.safetensors", sha256="1" * 64),
        ),
        base=ProbeBase(label="FLAT_50", recipe=Recipe.flat(0.5).text),
        knobs=knobs,
        columns=columns,
        effects=effects,
        shots=tuple(ProbedShot(prompt=f"a cat {n}", seed=n) for n in range(8)),
        runs=tuple(
            ProbeRun(method=method, recipes=2 * len(knobs), shots=8, pictures=16 * len(knobs)) for method in methods
        ),
        recipes=(ProbedRecipe(label="base", recipe=Recipe.flat(0.5).text, vae="", value=0.5, standard_error=0.1),),
        strips={},
        level=0.05,
        drawn=16,
        seconds=3.0,
    )


def _effect(knob: str, column: EffectColumn, method: ProbeMethod, ratio: float, error: float) -> KnobEffect:
    if not column.signed:
        ratio = abs(ratio)
    return KnobEffect(
        knob=knob,
        column=column.name,
        method=method,
        low=-ratio,
        high=ratio,
        effect=2 * ratio,
        standard_error=2 * error,
        ratio=abs(ratio),
        p=0.5 if abs(ratio) < 3 * error else 1e-4,
        clear=abs(ratio) >= 3 * error,
    )
