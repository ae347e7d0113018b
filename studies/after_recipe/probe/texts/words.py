"""A probe's result in words: the matrix as text, and what moves each measure most, in plain sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import ceil

import numpy as np
from scipy.stats import rankdata

from studies.after_recipe.probe.designs.plan import REACH
from studies.results.folklore import OPEN, Folklore
from studies.results.probe import ONE, TIMES_NOISE, EffectColumn, KnobEffect, ProbeMethod, ProbeResult

DOT = "·"
"""What stands for an effect that is not told from noise."""
UNKNOWN = "?"
"""What stands for an effect that could not be measured."""
FEWEST_RANKED = 4
"""Knobs that a rank correlation needs."""
NAMED = 3
"""Knobs that a sentence names at most."""
_WIDTH = 9
_SHORT = {"saturation": "satur.", "brightness": "bright.", "composition": "compos."}
_DOES: dict[str, tuple[str, str]] = {
    "style": ("raises the objective", "lowers the objective"),
    "fidelity": ("shows prompts better", "shows prompts worse"),
    "warmth": ("makes it warmer", "makes it cooler"),
    "saturation": ("makes colours stronger", "makes colours weaker"),
    "contrast": ("raises contrast", "lowers contrast"),
    "brightness": ("makes it brighter", "makes it darker"),
    "detail": ("adds detail", "takes detail away"),
}
"""What a knob does that goes up, where the effect is above and below 0."""


def matrix_lines(result: ProbeResult, method: ProbeMethod, room: int) -> list[str]:
    """Return the matrix of one method as text: each effect in times the noise of seeds, a dot where it is not told.

    Measures that a terminal of ``room`` characters has no room for beside the others stand below them.
    """
    width = max((len(knob.label) for knob in result.knobs), default=0) + 1
    count = len(result.columns)
    parts = ceil(count / max((room - width) // _WIDTH, 1))
    each = ceil(count / max(parts, 1))
    columns = [result.columns[at : at + each] for at in range(0, count, each)]
    return [line for part in columns for line in _matrix_part(result, method, part, width)]


def _matrix_part(
    result: ProbeResult, method: ProbeMethod, columns: Sequence[EffectColumn], width: int
) -> Iterator[str]:
    yield " " * width + "".join(f"{_SHORT.get(column.name, column.name):>{_WIDTH}}" for column in columns)
    for knob in result.knobs:
        cells = (f"{_cell(result.effect(knob.name, column.name, method)):>{_WIDTH}}" for column in columns)
        yield f"{knob.label:<{width}}" + "".join(cells)
    yield f"{'seeds':<{width}}" + "".join(f"{_size(column.seeds):>{_WIDTH}}" for column in columns)


def legend_lines(result: ProbeResult, method: ProbeMethod) -> list[str]:
    """Return what the numbers of a matrix mean."""
    how = (
        f"all others at {result.base.label}"
        if method == ONE
        else f"on average over the settings of the others{_reach(result)}"
    )
    false = f"{100 * result.level:g} % of the effects told on a measure may be false"
    return [
        f"{method}: every knob from its low to its high value (a block from 0 to 1), {how}; {len(result.shots)} shots",
        f"each number is the change in {TIMES_NOISE}; {DOT} is not told from noise ({false})",
        f"seeds: by how much two pictures of the base differ whose seeds alone differ; in {_units(result)}",
    ]


def _reach(result: ProbeResult) -> str:
    if all(knob.kind == "block" for knob in result.knobs):
        return ""
    return f" (multipliers and Adjust values went {REACH:g} of the way, and their effects are scaled back)"


def _units(result: ProbeResult) -> str:
    """The units of the measures, the one that most have first and without their names."""
    names: dict[str, list[str]] = {}
    for column in result.columns:
        names.setdefault(column.unit, []).append(column.name)
    first, *others = sorted(names, key=lambda unit: -len(names[unit]))
    more = [f"{' and '.join(names[unit])} in {unit}" for unit in others]
    return ", ".join([first, *more])


def sentences(result: ProbeResult, method: ProbeMethod) -> list[str]:
    """Return what moves every measure most, one sentence a measure; blocks first, then sites and Adjust values."""
    found: list[str] = []
    for title, kinds in (("block", ("block",)), ("multiplier or Adjust value", ("self", "adjust"))):
        knobs = {knob.name: knob.label for knob in result.knobs if knob.kind in kinds}
        ranked = [(column, result.ranked(column.name, method)) for column in result.columns]
        clear = [(column, [one for one in effects if one.knob in knobs and one.clear]) for column, effects in ranked]
        found += [_sentence(column, effects, knobs) for column, effects in clear if effects]
        nothing = [column.name for column, effects in clear if not effects]
        if knobs and nothing:
            found.append(f"no {title} is told from noise with {len(result.shots)} shots in {', '.join(nothing)}")
    return [*found, *_same(result, method)]


def _sentence(column: EffectColumn, effects: Sequence[KnobEffect], labels: Mapping[str, str]) -> str:
    first, *others = effects[:NAMED]
    then = ", ".join(f"{labels[one.knob]} ({_amount(one, column)})" for one in others)
    start = f"{labels[first.knob]} moves {column.name} most: {_amount(first, column)} {column.unit}{_does(first)}"
    return f"{start}; then {then}" if then else start


def folklore_lines(folklore: Folklore) -> list[str]:
    """Return what people say of blocks, and the pair's own answer; what cannot be told is only counted."""
    told = [one for one in folklore.answers if one.answer != OPEN]
    lines = [f"{one.claim} ({one.source}): {one.answer}; {one.reason}" for one in told]
    return ["what people say, and what this pair answers:", *lines, folklore.remark]


def agreement(result: ProbeResult) -> str:
    """Return how alike the two methods rank the knobs, measure by measure; "" where there is one method alone."""
    if len(result.methods) < 2:
        return ""
    found: list[str] = []
    for column in result.columns:
        pairs = [[result.effect(knob.name, column.name, method) for method in result.methods] for knob in result.knobs]
        sizes = [[abs(one.effect) for one in pair if one and one.effect is not None] for pair in pairs]
        whole = np.array([pair for pair in sizes if len(pair) == len(result.methods)])
        if len(whole) >= FEWEST_RANKED and (np.ptp(whole, axis=0) > 0).all():
            first, second = rankdata(whole, axis=0).T
            found.append(f"{column.name} {np.corrcoef(first, second)[0, 1]:.2f}")
    return f"rank correlation of the two ways to measure: {', '.join(found)}" if found else ""


def _does(effect: KnobEffect) -> str:
    """What a knob does that goes up, and how that compares with another seed."""
    seeds = "" if effect.ratio is None else f"{effect.ratio:.2g} {TIMES_NOISE}"
    words = _DOES.get(effect.column)
    more = words[0] if words and (effect.effect or 0) > 0 else words[1] if words else ""
    return f" ({', '.join(part for part in (more, seeds) if part)})"


def _same(result: ProbeResult, method: ProbeMethod) -> Iterator[str]:
    """Knobs that change no pixel at all."""
    still = [one.knob for one in result.ranked("pixels", method) if one.effect == 0]
    if still and method == ONE:
        names = ", ".join(result.knob(name).label for name in still)
        yield f"no pixel changes with {names}: the models are the same there"


def _cell(effect: KnobEffect | None) -> str:
    if effect is None or effect.effect is None:
        return UNKNOWN
    if not effect.clear:
        return DOT
    sign = "-" if effect.effect < 0 else ""
    return f"{effect.effect:.3g}" if effect.ratio is None else f"{sign}{effect.ratio:.2f}"


def _amount(effect: KnobEffect, column: EffectColumn) -> str:
    return f"{effect.effect:+.3g}" if column.signed else f"{effect.effect:.3g}"


def _size(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.3g}"
