"""How two recipes differ, as numbers and in stretches of blocks."""

from __future__ import annotations

from dataclasses import replace

from engine.recipes.blocks import BLOCKS, Site
from engine.recipes.recipe import AdjustStep, MergeStep, Recipe, SelfStep
from studies.pages.reading.recipe_contrast import contrast


def row(**blocks: float) -> MergeStep:
    """A row of 0.5 but for some blocks; BASE is 0."""
    return MergeStep(alpha=tuple(blocks.get(block, 0.0 if block == "BASE" else 0.5) for block in BLOCKS))


def test_only_numbers_that_differ_the_largest_first() -> None:
    second = Recipe(steps=(row(OUT03=0.1, IN00=0.6, OUT11=0.75),))
    found = contrast(Recipe.flat(0.5), second)
    assert [(one.name, one.first, one.second) for one in found.numbers] == [
        ("OUT03", 0.5, 0.1),
        ("OUT11", 0.5, 0.75),
        ("IN00", 0.5, 0.6),
    ]
    assert found.others == ()


def test_neighbours_that_move_the_same_way_are_one_stretch() -> None:
    found = contrast(Recipe.flat(0.5), Recipe(steps=(row(OUT03=0.1, OUT04=0.4, OUT05=0.8, IN00=0.502),)))
    assert [(one.first, one.last, round(one.low, 3), round(one.high, 3), one.more) for one in found.shifts] == [
        ("OUT03", "OUT04", 0.1, 0.4, False),
        ("OUT05", "OUT05", 0.3, 0.3, True),
    ]


def test_self_and_adjust_that_one_lacks_are_measured_from_rest() -> None:
    steps = (
        row(),
        SelfStep(factors=((Site.parse("OUT05:attn1"), 0.9),)),
        AdjustStep(values=(0, 0, 0, 2.5, 0, 0, 0, 0)),
    )
    found = contrast(Recipe.flat(0.5), Recipe(steps=steps))
    assert [(one.kind, one.name, one.first, one.second) for one in found.numbers] == [
        ("self", "OUT05:attn1", 1.0, 0.9),
        ("adjust", "CONT", 0.0, 2.5),
    ]
    assert found.others == ()
    assert [-one.size for one in contrast(Recipe(steps=steps), Recipe.flat(0.5)).numbers] == [
        one.size for one in found.numbers
    ]


def test_one_ratio_for_all_is_the_same_as_a_row_of_it() -> None:
    first, second = Recipe(steps=(MergeStep(alpha=0.5),)), Recipe.flat(0.5, base=0.5)
    assert contrast(first, second).numbers == ()
    assert contrast(second, second).is_equal


def test_modes_are_named_as_they_are() -> None:
    found = contrast(Recipe.flat(0.5), Recipe(steps=(replace(row(), calculation="cosineA"),)))
    assert [(one.what, one.first, one.second) for one in found.others] == [("calculation", "normal", "cosineA")]
    assert not found.is_equal
