"""Runs of every kind, as hypothesis draws them, for texts that must read back the same."""

from __future__ import annotations

from typing import Any, Literal

from hypothesis import strategies as st

from engine.architecture.widths import FamilyName
from engine.errors import RecipeError
from engine.modes.pair import pair_of
from engine.modes.registry import MERGE_MODES
from engine.recipes.blocks import EXTENDED_BLOCKS, XL_BLOCKS
from engine.recipes.dialects import DIALECTS, Dialect
from engine.recipes.recipe import Recipe
from engine.recipes.steps import Filter, MergeStep

numbers = st.one_of(st.sampled_from([0.0, 1.0, 0.35, -0.2, 1.5]), st.floats(-10, 10).map(lambda x: x + 0.0))
RULES = ("OUT05 OUT08:attn1:0.88", "NOT BASE::0.2", "IN00-IN04:ff.net bias:-1", "M00::R", "OUT01:NOT attn:X", "junk")


def ratios(family: FamilyName, dialect: Dialect) -> st.SearchStrategy[float | tuple[float, ...]]:
    """One number or a row that fits."""
    counts = [26]
    if family == "sdxl":
        counts += [len(XL_BLOCKS)] + ([len(EXTENDED_BLOCKS)] if dialect.extended else [])
    rows = st.sampled_from(counts).flatmap(lambda n: st.lists(numbers, min_size=n, max_size=n)).map(tuple)
    return st.one_of(numbers, rows)


@st.composite
def recipes(draw: st.DrawFn) -> Recipe:
    """Recipes of one run on models A, B and C, with nothing in them that the mode does not use."""
    family: FamilyName = draw(st.sampled_from(["sd1", "sd2", "sdxl"]))
    dialect = draw(st.sampled_from([d for d in DIALECTS.values() if family in d.families]))
    mode, calculation = draw(st.sampled_from([*MERGE_MODES])), draw(st.sampled_from(dialect.calculations))
    if calculation in {"trainDifference", "extract"}:
        mode = "Add difference"
    share = st.floats(0, 1) if calculation == "extract" else None
    alpha = draw(ratios(family, dialect) if share is None else share)
    beta = draw(_like(alpha) if share is None else share) if pair_of(mode, calculation).uses_beta else 0.0
    rules = draw(st.lists(st.sampled_from(RULES if share is None else RULES[:2]), max_size=3))
    elemental = draw(st.sampled_from([",", "\n"])).join(rules)
    random = calculation == "plus random" or any(rule.endswith((":R", ":X")) for rule in rules)
    settings: dict[str, Any] = {
        "models": draw(st.sampled_from([("A", "B"), ("A", "A")])) + (("C",) if MERGE_MODES[mode].models == 3 else ()),
        "mode": mode,
        "calculation": calculation,
        "alpha": alpha,
        "beta": beta,
        "elemental": elemental,
        "adjust": draw(st.sampled_from([(), tuple(draw(numbers) for _ in dialect.adjust_fields)])),
        "filter": draw(filters()) if dialect.filters else None,
        "gamma": draw(st.floats(0, 3)) if calculation == "extract" else 0.3,
        "seed": draw(st.integers(0, 2**32 - 1)) if random else None,
        "old_arithmetic": draw(st.booleans()) and not dialect.native_dtype,
    }
    return Recipe(steps=(_valid(settings),), dialect=dialect.name, family=family)


def _valid(settings: dict[str, Any]) -> MergeStep:
    """Adjust of nothing but noughts is "off" in texts."""
    if not any(settings["adjust"]):
        settings["adjust"] = ()
    try:
        return MergeStep(**settings)
    except RecipeError:
        settings["elemental"] = ""
        return MergeStep(**settings)


@st.composite
def _like(draw: st.DrawFn, alpha: Any) -> Any:
    """Beta in the shape of alpha, since one switch holds for both."""
    if isinstance(alpha, tuple):
        return tuple(draw(st.lists(numbers, min_size=len(alpha), max_size=len(alpha))))
    return draw(numbers)


@st.composite
def filters(draw: st.DrawFn) -> Filter | None:
    """Include and Exclude, or neither."""
    kinds: list[Literal["include", "exclude"] | None] = [None, "include", "exclude"]
    kind = draw(st.sampled_from(kinds))
    if kind is None:
        return None
    blocks = tuple(draw(st.lists(st.sampled_from(["BASE", "IN03", "OUT11", "Adjust", "VAE"]), max_size=3, unique=True)))
    elements = draw(st.lists(st.sampled_from(["attn", "ff.net", "bias"]), max_size=2, unique=True))
    return Filter(kind=kind, blocks=blocks, elements=tuple(elements if blocks else elements or ["attn"]))
