"""Whatever stands in a text, it is read or refused in one sentence."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from engine.errors import CheckpointError, RecipeError
from engine.recipes.elemental import parse_elemental
from engine.recipes.recipe import Recipe
from engine.recipes.steps import MergeStep
from engine.supermerger.fields import RunFields
from studies.errors import StudyError
from studies.recipes.inputs import KINDS, STDIN, InputOptions, RecipeInput, read_input
from studies.recipes.outputs import TextOptions, text_of
from tests.engine.merging.supermerger_steps import recipes

pieces = st.sampled_from(
    ["OUT05", ":", "attn1", "0.5", ",", " ", "\n", "-", "IN0", "NOT ", "R", '"', "{", "}", "\t", "ID"]
)
texts = st.one_of(st.text(), st.lists(pieces).map("".join))


@given(st.sampled_from(KINDS), texts, st.sampled_from(["2023", "classic", "head_patched"]))
def test_any_text_is_read_or_refused(kind: str, text: str, dialect: str) -> None:
    assume(text != STDIN)
    with suppress(RecipeError, StudyError, CheckpointError):
        read_input(text, InputOptions(kind=kind, dialect=dialect, settings=RunFields(seed=1)))


@given(st.sampled_from(["weights", "elemental", "adjust"]), recipes())
def test_single_texts_read_back_as_they_were_printed(kind: str, recipe: Recipe) -> None:
    (step,) = recipe.steps
    assert isinstance(step, MergeStep)
    try:
        text = text_of(RecipeInput(recipe=recipe), "-", TextOptions(kind=kind), lambda _: {})
    except StudyError:  # it has no such text
        return
    wanted = InputOptions(
        kind=kind, dialect=recipe.dialect, family=recipe.family, settings=RunFields(seed=step.seed or 1)
    )
    if kind == "elemental" and not parse_elemental(step.elemental, step.calculation):
        return
    (found,) = read_input(text, wanted).recipe.steps
    assert isinstance(found, MergeStep)
    name = {"weights": "alpha"}.get(kind, kind)
    assert getattr(found, name) == getattr(step, name)


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        ("elemental", "IN00::0.5,IN01-IN99::1", r"elemental segment 2, 'IN01-IN99::1': 'IN01-IN99' is no range"),
        ("elemental", "IN00::0.5\nIN01::half", "elemental segment 2, 'IN01::half': 'half' is no ratio"),
        ("adjust", "0,0,0,inf", "has a field that is not finite"),
        ("preset", "ONE\t\nTWO\t0,x", r"line 2: 'TWO\\t0,x' has something that is no number"),
        ("metadata", '{\n "type": }', "line 2 column 10"),
        ("history", "1,2\n", "line 1: a row of mergehistory.csv has 23 cells"),
        ("toml", "format = 1\nfamily sd1", "line 2, column 8"),
    ],
)
def test_problems_have_their_place(kind: str, text: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        read_input(text, InputOptions(kind=kind))


def test_seven_adjust_numbers_in_a_dialect_of_eight_are_noted() -> None:
    (note,) = read_input("0,0,0,-1,1,1,1", InputOptions(kind="adjust")).notes
    assert "seven numbers from before October 2023 belong to the dialect 2023" in note
    assert read_input("0,0,0,-1,1,1,1", InputOptions(kind="adjust", dialect="2023")).notes == ()


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b""])
def test_files_that_are_no_text(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "weights.txt"
    path.write_bytes(content)
    wanted: Any = InputOptions(kind="weights")
    with pytest.raises((StudyError, RecipeError), match=r"not UTF-(8|16)|there is no preset"):
        read_input(str(path), wanted)
