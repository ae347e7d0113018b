"""How two recipes differ, row by row."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from itertools import zip_longest

from engine.architecture.widths import FamilyName
from engine.recipes.blocks import blocks_of
from engine.recipes.dialects import EIGHT_FIELDS, SEVEN_FIELDS
from engine.recipes.recipe import Recipe
from engine.recipes.steps import FORMS, AdjustStep, Filter, MergeStep, Ratio, SelfStep, Step, number

NOTHING = "-"
"""Stands for a value that one of the two lacks."""

_ONE_BY_ONE = ("alpha", "beta", "elemental", "adjust")


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeDifference:
    """One thing that differs.

    Attributes:
        step: its number; 0 for the recipe as a whole.
        what: a field, a block, a rule, a site.
        first: what the first recipe has.
        second: what the second has.
    """

    step: int
    what: str
    first: str
    second: str


def differences(first: Recipe, second: Recipe) -> tuple[RecipeDifference, ...]:
    """Every difference between two recipes; empty exactly where they are equal."""
    return tuple(_differences(first, second))


def _differences(first: Recipe, second: Recipe) -> Iterator[RecipeDifference]:
    for what in ("dialect", "family", "save"):
        yield from _if_different(0, what, getattr(first, what), getattr(second, what))
    for place, (one, other) in enumerate(zip_longest(first.steps, second.steps), start=1):
        yield from _step_differences(place, one, other, first.family)


def _if_different(step: int, what: str, first: str, second: str) -> Iterator[RecipeDifference]:
    if first != second:
        yield RecipeDifference(step=step, what=what, first=first, second=second)


def _kind(step: Step | None) -> str:
    if step is None:
        return NOTHING
    return {MergeStep: "merge", SelfStep: "self", AdjustStep: "adjust"}[type(step)]


def _step_differences(
    place: int, first: Step | None, second: Step | None, family: FamilyName
) -> Iterator[RecipeDifference]:
    if isinstance(first, MergeStep) and isinstance(second, MergeStep):
        yield from _merge_differences(place, first, second, family)
    elif isinstance(first, SelfStep) and isinstance(second, SelfStep):
        yield from _if_different(place, "name", first.name or NOTHING, second.name or NOTHING)
        yield from _by_name(place, _factor_texts(first), _factor_texts(second))
    elif isinstance(first, AdjustStep) and isinstance(second, AdjustStep):
        yield from _if_different(place, "name", first.name or NOTHING, second.name or NOTHING)
        yield from _by_name(place, _adjust_texts(first.values), _adjust_texts(second.values))
    else:
        yield from _if_different(place, "kind", _kind(first), _kind(second))


def _by_name(place: int, first: dict[str, str], second: dict[str, str]) -> Iterator[RecipeDifference]:
    for what in dict.fromkeys([*first, *second]):
        yield from _if_different(place, what, first.get(what, NOTHING), second.get(what, NOTHING))


def _merge_differences(
    place: int, first: MergeStep, second: MergeStep, family: FamilyName
) -> Iterator[RecipeDifference]:
    for field in fields(MergeStep):
        if field.name not in _ONE_BY_ONE:
            yield from _if_different(
                place, field.name, _value_text(getattr(first, field.name)), _value_text(getattr(second, field.name))
            )
    for what in ("alpha", "beta"):
        yield from _ratio_differences(place, what, getattr(first, what), getattr(second, what), family)
    yield from _rule_differences(place, first.elemental, second.elemental)
    yield from _by_name(place, _adjust_texts(first.adjust), _adjust_texts(second.adjust))


def _value_text(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    if isinstance(value, Filter):
        return f"{value.kind} {', '.join([*value.blocks, *value.elements])}"
    if isinstance(value, float):
        return number(value)
    return NOTHING if value is None or value == "" else str(value)


def _ratio_differences(
    place: int, what: str, first: Ratio, second: Ratio, family: FamilyName
) -> Iterator[RecipeDifference]:
    """By block where one of them is by block; where both are, but of different lengths, as texts."""
    if not isinstance(first, tuple) and not isinstance(second, tuple):
        yield from _if_different(place, what, number(first), number(second))
        return
    if isinstance(first, tuple) and isinstance(second, tuple) and len(first) != len(second):
        yield from _if_different(place, what, _ratio_line(first), _ratio_line(second))
        return
    rows = [_texts_by_block(one, other, family) for one, other in ((first, second), (second, first))]
    before = len(rows[0])
    found = [*_by_name(place, *({f"{what} {name}": text for name, text in row.items()} for row in rows))]
    if not found and first != second:  # one number for every block is not the same text
        found = [*_if_different(place, what, _ratio_text(first), _ratio_text(second))]
    same = {(one.first, one.second) for one in found}
    if len(found) == before > 1 and len(same) == 1:
        found = [
            RecipeDifference(step=place, what=f"{what} of every block", first=found[0].first, second=found[0].second)
        ]
    yield from found


def _texts_by_block(ratio: Ratio, other: Ratio, family: FamilyName) -> dict[str, str]:
    if isinstance(ratio, tuple):
        return dict(zip(FORMS[len(ratio)], map(number, ratio), strict=True))
    names = FORMS[len(other)] if isinstance(other, tuple) else blocks_of(family)
    return dict.fromkeys(names, number(ratio))


def _ratio_text(ratio: Ratio) -> str:
    return _ratio_line(ratio) if isinstance(ratio, tuple) else f"{number(ratio)} everywhere"


def _ratio_line(ratio: tuple[float, ...]) -> str:
    return ",".join(map(number, ratio))


def _rule_differences(place: int, first: str, second: str) -> Iterator[RecipeDifference]:
    """Rule by rule, in their order."""
    if first == second:
        return
    rules = [text.replace("\n", ",").split(",") if text else [] for text in (first, second)]
    pairs = [*zip_longest(*rules, fillvalue=NOTHING)]
    for count, (one, other) in enumerate(pairs, start=1):
        yield from _if_different(place, f"rule {count}", one, other)
    if all(one == other for one, other in pairs):  # commas against new lines
        yield from _if_different(place, "elemental", repr(first), repr(second))


def _factor_texts(step: SelfStep) -> dict[str, str]:
    return {f"factor of {site}": number(factor) for site, factor in step.factors}


def _adjust_texts(values: tuple[float, ...]) -> dict[str, str]:
    names = SEVEN_FIELDS if len(values) == len(SEVEN_FIELDS) else EIGHT_FIELDS
    return {f"Adjust {name}": number(value) for name, value in zip(names, values, strict=False)}
