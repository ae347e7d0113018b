"""What foreign texts say in vain, or leave open: the notes on a reading."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace

from engine.architecture.widths import FamilyName
from engine.merging.ratios import RunSettings
from engine.recipes.adjust import parse_adjust
from engine.recipes.blocks import EXTENDED_BLOCKS, place_of
from engine.recipes.dialects import Dialect
from engine.recipes.elemental import ignored_segments
from engine.recipes.recipe import Recipe
from engine.recipes.steps import FORMS, MergeStep
from engine.recipes.unmet import unmet_names
from engine.supermerger.effects import known_keys
from engine.supermerger.fields import RunFields


def family_note(family: FamilyName, subject: str) -> str:
    """That a text does not name the family of its models."""
    why = ", by the number of its weights" if family == "sdxl" else ""
    return f"{subject} not name the family of the models; {family} is taken{why} (--family chooses another)"


def notes_on(fields: RunFields, dialect: Dialect) -> tuple[str, ...]:
    """What the texts of a run say in vain: segments that are no rules, Adjust fields too many or too few."""
    found = [f"elemental: {segment!r} is no rule (two colons are needed) and is ignored, as SuperMerger does"
             for segment in ignored_segments(fields.elemental, fields.calculation)]  # fmt: skip
    count = len(fields.adjust.split(",")) if parse_adjust(fields.adjust, dialect) else 0
    if count and count != len(dialect.adjust_fields):
        found.append(
            f"Adjust has {count} numbers; the dialect {dialect.name} reads {len(dialect.adjust_fields)} "
            f"({', '.join(dialect.adjust_fields)}), so their meaning is that; seven numbers from before October 2023 "
            "belong to the dialect 2023"
        )
    return tuple(found)


def unmet_notes(recipe: Recipe) -> tuple[str, ...]:
    """Names in the rules and filters of a recipe that no tensor has, as sentences."""
    several = len(recipe.steps) > 1
    problems = [
        problem.under("steps", number) if several else problem
        for number, step in enumerate(recipe.steps)
        if isinstance(step, MergeStep)
        for problem in unmet_names(step, recipe.family, recipe.rules)
    ]
    return tuple(map(str, problems))


def weights_lost(run: MergeStep, dialect: Dialect, family: FamilyName) -> Mapping[str, list[str]]:
    """The blocks whose weight is not known from a row of the dialect head, by side (alpha, beta).

    It writes 0 for every block of which a filter skipped a key, though other keys of the block may be merged.
    """
    if dialect.filter_toggles or run.filter is None or not run.filter.chooses:
        return {}
    keys = known_keys(family)
    settings = RunSettings(replace(run, elemental=""), family, dialect, keys)
    touched: dict[tuple[str, str], set[bool]] = defaultdict(set)
    for key in keys:
        if place := place_of(key, family, dialect):
            touched[place].add(settings.touches(key))
    found: dict[str, list[str]] = {}
    for side, ratio in (("alpha", run.alpha), ("beta", run.beta)):
        if isinstance(ratio, tuple):
            weights = dict(zip(FORMS[len(ratio)], ratio, strict=True))
            by_extended = len(ratio) == len(EXTENDED_BLOCKS)
            kinds: dict[str, set[bool]] = defaultdict(set)
            for (block, extended), both in touched.items():
                kinds[extended if by_extended else block] |= both
            found[side] = [name for name, weight in weights.items() if weight == 0 and len(kinds[name]) > 1]
    return {side: names for side, names in found.items() if names}
