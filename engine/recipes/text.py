"""The text of a recipe: TOML, written and read. Recipe files are this text with ``[models]`` in it.

What a step does not say has its default: Weight sum, normal, alpha and beta 0. Numbers are written in the shortest form
that reads back as the same number, so the text of equal recipes is equal.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from engine.errors import Problems, RecipeError
from engine.recipes.dialects import EIGHT_FIELDS, SEVEN_FIELDS
from engine.recipes.steps import FORMS, AdjustStep, Filter, MergeStep, Ratio, SelfStep, Step, number
from engine.recipes.tables import FORMAT, read_recipe
from engine.recipes.toml_text import parse_toml

if TYPE_CHECKING:
    from engine.architecture.widths import FamilyName

_DEFAULT = MergeStep()
_NUMBERS_A_LINE = 12  # numbers to a line where they are laid out for people


def write(dialect: str, family: FamilyName, save: str, steps: Sequence[Step]) -> str:
    """The canonical text; no newline at the end."""
    return "\n".join([*head_lines(dialect, family, save), *(line for step in steps for line in step_lines(step))])


def read(text: str) -> dict[str, Any]:
    """The fields of a recipe, from its text.

    Raises:
        RecipeError: every problem at once, each with its place, the value seen and what should stand there.
    """
    problems = Problems()
    fields = read_recipe(parse_toml(text, "the recipe", RecipeError), None, problems)
    problems.raise_as(RecipeError, "the recipe")
    return fields


def head_lines(dialect: str, family: FamilyName, save: str) -> list[str]:
    """Format, dialect, family, and ``save`` where it is not the usual one."""
    lines = [f"format = {FORMAT}", f"dialect = {quoted(dialect)}", f"family = {quoted(family)}"]
    return lines if save == "fp16" else [*lines, f"save = {quoted(save)}"]


def step_lines(step: Step, *, notes: bool = False) -> list[str]:
    """One step.

    Args:
        step: any step.
        notes: whether to lay long rows of numbers out and to say what they are.
    """
    name = [f"name = {quoted(step.name)}"] if step.name else []
    if isinstance(step, SelfStep):
        factors = ", ".join(f"{quoted(str(site))} = {number(factor)}" for site, factor in step.factors)
        return ["", "[[steps]]", 'kind = "self"', *name, f"factors = {{ {factors} }}" if factors else "factors = {}"]
    if isinstance(step, AdjustStep):
        return ["", "[[steps]]", 'kind = "adjust"', *name, f"values = {_adjust_text(step.values, notes=notes)}"]
    return ["", "[[steps]]", 'kind = "merge"', *name, *_merge_lines(step, notes=notes)]


def _merge_lines(step: MergeStep, *, notes: bool) -> Iterator[str]:
    if step.models != _DEFAULT.models:
        yield f"models = [{', '.join(map(quoted, step.models))}]"
    for field in ("mode", "calculation"):
        if (value := getattr(step, field)) != getattr(_DEFAULT, field):
            yield f"{field} = {quoted(value)}"
    yield from _ratio_lines("alpha", step.alpha, notes=notes)
    if step.beta != _DEFAULT.beta:
        yield from _ratio_lines("beta", step.beta, notes=notes)
    if step.elemental:
        yield f"elemental = {quoted(step.elemental)}"
    if step.adjust:
        yield f"adjust = {_adjust_text(step.adjust, notes=notes)}"
    if step.filter:
        yield _filter_line(step.filter)
    if step.gamma != _DEFAULT.gamma:
        yield f"gamma = {number(step.gamma)}"
    if step.seed is not None:
        yield f"seed = {step.seed}"
    for field in ("extended", "old_arithmetic"):
        if getattr(step, field):
            yield f"{field} = true"


def _ratio_lines(name: str, ratio: Ratio, *, notes: bool) -> Iterator[str]:
    if not isinstance(ratio, tuple):
        yield f"{name} = {number(ratio)}"
    elif not notes:
        yield f"{name} = [{', '.join(map(number, ratio))}]"
    else:
        yield f"{name} = ["
        yield from (f"    {row}" for row in _ratio_rows(ratio))
        yield "]"


def _ratio_rows(ratio: tuple[float, ...]) -> Iterator[str]:
    """Rows of blocks of one kind, each with the names of its first and last block."""
    names, start = FORMS[len(ratio)], 0
    while start < len(names):
        kind = names[start].rstrip("0123456789")
        end = start + 1
        while end < len(names) and end - start < _NUMBERS_A_LINE and names[end].rstrip("0123456789") == kind:
            end += 1
        label = names[start] if end == start + 1 else f"{names[start]}..{names[end - 1]}"
        yield f"{', '.join(map(number, ratio[start:end]))},  # {label}"
        start = end


def _adjust_text(values: tuple[float, ...], *, notes: bool) -> str:
    names = SEVEN_FIELDS if len(values) == len(SEVEN_FIELDS) else EIGHT_FIELDS
    row = f"[{', '.join(map(number, values))}]"
    return f"{row}  # {', '.join(names)}" if notes else row


def _filter_line(chosen: Filter) -> str:
    blocks = f"blocks = [{', '.join(map(quoted, chosen.blocks))}]"
    elements = f"elements = [{', '.join(map(quoted, chosen.elements))}]"
    return f"{chosen.kind} = {{ {blocks}, {elements} }}"


def quoted(text: str) -> str:
    """A TOML string."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
