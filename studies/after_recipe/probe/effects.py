"""From measures of pictures to effects of knobs, with their errors, and which of them are told from noise.

An effect is the mean over the shots; its standard error is that of the mean, so it is for other prompts and seeds of
the same kind. An effect with a sign is told from 0 by Student's t. A distance is never below 0, so it is told from what
a change that means nothing comes to at the same shots: one step of the grids, or the unused columns of a screening.

A matrix has hundreds of effects, and of so many some look large by chance. Those are called clear that keep the share
of false ones among them at the level (Benjamini and Hochberg 1995, Controlling the false discovery rate). Each measure
keeps it by itself: nearly every block moves pixels, and these true effects would pay for false ones on contrast.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import stdtr

from studies.after_recipe.probe.designs.design import ProbeDesign, Readings
from studies.after_recipe.probe.picture_measures import MEASURES, Measure, Numbers, length
from studies.results.probe import KnobEffect, ProbeMethod

LEVEL = 0.05
"""Share of false ones that is accepted among the effects called clear."""
FEWEST_SHOTS = 3
"""Shots that an effect must have to have an error that means something."""

ROUNDING = 1e-9
"""What an effect of nothing may come to by rounding, in any unit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Everything that was measured of a design's recipes."""

    design: ProbeDesign
    made: tuple[int, ...]
    """Places of the recipes that gave pictures."""
    signed: Mapping[str, Numbers]
    """By measure, ``(recipes made, shots)``; NaN where a picture is broken."""
    products: Sequence[Mapping[str, Numbers]]
    """For each shot, by measure, the inner products of the recipes made."""


def effects_of(measured: Measured, seeds: Mapping[str, float]) -> list[KnobEffect]:
    """Return the effect of every knob on every measure that was taken.

    Args:
        measured: the pictures.
        seeds: by measure, the noise of seeds.
    """
    found: list[KnobEffect] = []
    reach = measured.design.readings(measured.made).reach
    for measure in MEASURES:
        if measure.signed and measure.name not in measured.signed:
            continue
        effect, low, high, floor = _by_shot(measure, measured)
        noise = floor / reach[:, None]
        column: list[KnobEffect] = []
        for place, knob in enumerate(measured.design.knobs):
            beyond = effect[place] if measure.signed else effect[place] - noise[place]
            column.append(
                _estimated(
                    knob, measure, measured.design.method, effect[place], low[place], high[place], beyond,
                    seeds.get(measure.name),
                )
            )  # fmt: skip
        found += _marked(column)
    return found


def floor_of(measured: Measured) -> dict[str, float]:
    """Return what a change that means nothing comes to, by measure: the mean size over the shots."""
    taken = [measure for measure in MEASURES if not measure.signed or measure.name in measured.signed]
    floors = {measure.name: _by_shot(measure, measured)[3] for measure in taken}
    return {name: float(np.mean(floor)) for name, floor in floors.items() if np.isfinite(floor).all()}


def _by_shot(measure: Measure, measured: Measured) -> tuple[Numbers, Numbers, Numbers, Numbers]:
    """Effect, low, high ``(knobs, shots)`` and floor ``(shots,)`` of one measure."""
    if measure.signed:
        shots = [_signed_readings(measured, numbers) for numbers in measured.signed[measure.name].T]
    else:
        readings = measured.design.readings(measured.made)
        products = [shot[measure.name] for shot in measured.products]
        shots = [tuple(length(rows, one) for rows in _rows_of(readings)) for one in products]
    effect, low, high, floor = (np.stack(values, axis=1) for values in zip(*shots, strict=True))
    return effect, low, high, np.sqrt(np.square(floor).mean(0))


def _signed_readings(measured: Measured, numbers: Numbers) -> tuple[Numbers, ...]:
    """What is read out of the numbers of one shot, of those recipes whose pictures of it are whole."""
    whole = np.flatnonzero(np.isfinite(numbers))
    readings = measured.design.readings([measured.made[place] for place in whole])
    return tuple(rows @ numbers[whole] for rows in _rows_of(readings))


def _rows_of(readings: Readings) -> tuple[Numbers, Numbers, Numbers, Numbers]:
    return readings.effect, readings.low, readings.high, readings.floor


def _estimated(
    knob: str,
    measure: Measure,
    method: ProbeMethod,
    effect: Numbers,
    low: Numbers,
    high: Numbers,
    beyond: Numbers,
    seeds: float | None,
) -> KnobEffect:
    """The effect of one knob on one measure, out of its values by shot."""
    mean, error = _mean_and_error(effect)
    return KnobEffect(
        knob=knob,
        column=measure.name,
        method=method,
        low=_mean_and_error(low)[0],
        high=_mean_and_error(high)[0],
        effect=mean,
        standard_error=error,
        ratio=abs(mean) / seeds if seeds and mean is not None else None,
        p=_chance(beyond, both_sides=measure.signed),
        clear=False,
    )


def _mean_and_error(values: Numbers) -> tuple[float | None, float | None]:
    known = values[np.isfinite(values)]
    if not len(known):
        return None, None
    error = float(known.std(ddof=1) / np.sqrt(len(known))) if len(known) >= FEWEST_SHOTS else None
    return float(known.mean()), error


def _chance(beyond: Numbers, *, both_sides: bool) -> float | None:
    """The chance of so large a mean where there is no effect; None with too few shots."""
    known = beyond[np.isfinite(beyond)]
    if len(known) < FEWEST_SHOTS:
        return None
    known = np.where(np.abs(known) < ROUNDING, 0.0, known)
    mean, error = float(known.mean()), float(known.std(ddof=1) / np.sqrt(len(known)))
    if error == 0:
        return 1.0 if mean == 0 or (mean < 0 and not both_sides) else 0.0
    t = mean / error
    return float(2 * stdtr(len(known) - 1, -abs(t)) if both_sides else stdtr(len(known) - 1, -t))


def _marked(effects: Sequence[KnobEffect]) -> list[KnobEffect]:
    """The effects on one measure, those marked that are told from noise."""
    chances = sorted(one.p for one in effects if one.p is not None)
    below = [p for rank, p in enumerate(chances, start=1) if p <= LEVEL * rank / len(chances)]
    limit = max(below, default=-1.0)
    return [replace(one, clear=one.p is not None and one.p <= limit) for one in effects]


def seed_noise(pairs: Mapping[str, Numbers]) -> dict[str, float]:
    """Return the noise of seeds by measure, from differences between pictures that differ by seed alone.

    Args:
        pairs: by measure, ``(shots,)``: differences or distances; NaN where a picture is broken.

    The root mean square, so that it can be compared with an effect.
    """
    known = {name: values[np.isfinite(values)] for name, values in pairs.items()}
    return {name: float(np.sqrt(np.square(values).mean())) for name, values in known.items() if len(values)}


def standard_errors(effects: Sequence[KnobEffect], seeds: Mapping[str, float]) -> Numbers:
    """Return the standard errors of effects in units of the noise of seeds, those that are known."""
    return np.array(
        [
            one.standard_error / seeds[one.column]
            for one in effects
            if one.standard_error is not None and seeds.get(one.column)
        ]
    )
