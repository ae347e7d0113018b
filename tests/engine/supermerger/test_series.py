"""Recipes that differ in one respect, as an axis; the plot makes the same recipes again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.errors import RecipeError
from engine.recipes.blocks import Site
from engine.recipes.dialects import DIALECTS
from engine.recipes.recipe import Recipe
from engine.recipes.steps import AdjustStep, MergeStep, SelfStep
from engine.supermerger.plot import Plot, expand
from engine.supermerger.runs import joined_runs
from engine.supermerger.series import Series, series_of

FLAT = MergeStep(alpha=(0.0, *(0.35,) * 25))
TWICE = MergeStep(models=("A", "B", "C"), mode="sum Twice", alpha=0.1, beta=0.2)


def one_step(*steps: MergeStep) -> list[Recipe]:
    return [Recipe(steps=(step,)) for step in steps]


def adjusted(*rows: tuple[float, ...]) -> list[Recipe]:
    return [Recipe(steps=(FLAT, AdjustStep(values=row))) for row in rows]


def row(**values: float) -> tuple[float, ...]:
    names = ("IN", "OUT", "OUT2", "CONT", "BRI", "COL1", "COL2", "COL3")
    return tuple(values.get(name, 0.0) for name in names)


def again(found: Series) -> list[MergeStep]:
    return [*expand(Plot(fields=found.fields, x=found.x, y=found.y), DIALECTS["classic"], "sd1")]


CASES = {
    "alpha": (one_step(MergeStep(alpha=0.25), MergeStep(alpha=0.5)), "alpha", "0.25,0.5"),
    "alpha and beta": (one_step(TWICE, replace(TWICE, alpha=0.3, beta=0.4)), "alpha and beta", "0.1 0.2,0.3 0.4"),
    "beta": (one_step(TWICE, replace(TWICE, beta=0.4)), "beta", "0.2,0.4"),
    "weights": (
        [Recipe.flat(0.25), Recipe.flat(0.5)],
        "mbw alpha ",
        "0" + ",0.25" * 25 + "\n0" + ",0.5" * 25,
    ),
    "elemental": (
        one_step(
            FLAT, replace(FLAT, elemental="OUT05:attn1:0.9"), replace(FLAT, elemental="OUT05:attn1:0.8\nM00::0.1")
        ),
        "elemental",
        "\n\nOUT05:attn1:0.9\n\nOUT05:attn1:0.8\nM00::0.1",
    ),
    "calculation": (one_step(FLAT, replace(FLAT, calculation="cosineA")), "calcmode", "normal,cosineA"),
    "model": (one_step(FLAT, replace(FLAT, models=("A", "C"))), "model_B", "B,C"),
    "adjust": (
        adjusted(row(CONT=5, COL1=1), row(CONT=7, COL1=1, COL2=2)),
        "adjust",
        "0,0,0,5,0,1,0,0\n0,0,0,7,0,1,2,0",
    ),
}


@pytest.mark.parametrize(("recipes", "kind", "text"), CASES.values(), ids=CASES)
def test_what_differs_becomes_an_axis(recipes: list[Recipe], kind: str, text: str) -> None:
    found = series_of(recipes)
    assert (found.x.kind, found.x.text, found.y.kind) == (kind, text, "none")
    assert again(found) == [joined_runs(recipe)[-1].step for recipe in recipes]


def test_single_adjust_fields_become_pinpoint_adjust() -> None:
    rows = [row(**{name: value}) for name in ("IN", "OUT", "CONT") for value in (-5.0, 0.0, 5.0)]
    found = series_of([Recipe(steps=(replace(FLAT, adjust=values),)) for values in rows])
    assert (found.x.kind, found.x.text) == ("alpha", "-5,0,5")
    assert (found.y.kind, found.y.text) == ("pinpoint adjust", "IN,OUT,CONT")
    assert [run.adjust or row() for run in again(found)] == rows


def test_the_differing_run_of_a_chain_is_named() -> None:
    chains = [
        Recipe(steps=(FLAT, SelfStep(factors=((Site(block="OUT05", element="attn1"), factor),))))
        for factor in (0.9, 0.85, 0.88)
    ]
    found = series_of(chains)
    assert found.run == 2
    assert found.x.text == "OUT05:attn1:0.9\n\nOUT05:attn1:0.85\n\nOUT05:attn1:0.88"


@pytest.mark.parametrize(
    ("recipes", "message"),
    [
        (one_step(FLAT, FLAT), "differ in no run"),
        (one_step(FLAT, replace(FLAT, elemental="M00::0", calculation="cosineA")), "differ in calculation, elemental"),
        ([Recipe(steps=(FLAT,)), Recipe(steps=(FLAT, replace(TWICE, models=("step1", "B", "C"))))],
         "different numbers of runs"),
        ([Recipe.flat(0.1), Recipe(steps=Recipe.flat(0.2).steps, dialect="2023")], "one dialect"),
        (one_step(FLAT, replace(FLAT, models=("B", "A"))), "differ in models A, B"),
        (one_step(replace(FLAT, elemental="M00::0"), FLAT), "one without rules must come first"),
    ],
)  # fmt: skip
def test_what_no_axis_holds_is_refused(recipes: list[Recipe], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        series_of(recipes)
