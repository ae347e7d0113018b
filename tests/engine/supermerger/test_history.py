"""Rows of mergehistory.csv, in and out."""

from __future__ import annotations

import csv
import io
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import RecipeError
from engine.recipes.dialects import DIALECTS
from engine.recipes.recipe import Recipe
from engine.recipes.steps import Filter, MergeStep
from engine.supermerger.history import (
    CELLS,
    dialect_name,
    header_line,
    history_line,
    parse_history,
    recipe_of_row,
    row_of,
)
from tests.engine.merging.supermerger_steps import recipes

HASHES = {"A": "a" * 64, "B": "b" * 64, "C": "c" * 64}
CLASSIC = DIALECTS["classic"]
TIME = "2025.11.02 21.03.04"
ROW = ",".join(["0.1"] * 26)
STEP = MergeStep(
    alpha=(0.1,) * 26,
    elemental="OUT05:attn1:0.88\nM00::R",
    adjust=(0, 0, 0, -1, 1, 1, 1, 0),
    seed=7,
    filter=Filter(kind="exclude", blocks=("BASE", "VAE"), elements=("attn", "bias")),
)


def line(step: MergeStep, dialect: str = "classic", number: int = 1) -> str:
    return history_line(
        step, DIALECTS[dialect], "sd1", HASHES, number_of_row=number, time=TIME, name="A x B", half=True
    )


def test_a_row_is_supermergers_cell_for_cell() -> None:
    expected = (
        f'1,{TIME},A x B,"{ROW}",,aaaaaaaaaa,bbbbbbbbbb,aaaaaaaaaa,0.1,0.0,Weight sum:A*(1-alpha)+B*alpha,True,A x B,'
        '"[\'safetensors\', \'fp16\']",[],"OUT05:attn1:0.88\nM00::R",normal,7,"0,0,0,-1,1,1,1,0",0.3,Exclude,'
        "\"['BASE', 'VAE']\",\"attn,bias\"\n"
    )
    assert line(STEP) == expected


def test_the_header_has_16_names_and_rows_have_23_cells() -> None:
    assert header_line().startswith("ID,time,name,weights alpha,weights beta,model A")
    assert header_line().count(",") == 15
    assert len(CELLS) == 23
    (cells,) = csv.reader(io.StringIO(line(STEP)))
    assert len(cells) == 23


def test_rows_of_2023_end_with_adjust() -> None:
    step = MergeStep(alpha=0.5, adjust=(0, 0, 0, -1, 1, 1, 1))
    (cells,) = csv.reader(io.StringIO(line(step, "2023")))
    assert len(cells) == 19
    assert cells[-1] == "0,0,0,-1,1,1,1"
    (row,) = parse_history(line(step, "2023"))
    assert dialect_name(row, "sd1") == "2023"
    assert recipe_of_row(row, DIALECTS["2023"], "sd1").recipe.steps == (step,)


@given(recipes())
def test_a_row_reads_back_as_its_run(recipe: Recipe) -> None:
    text = header_line() + history_line(
        recipe.runs[0], recipe.rules, recipe.family, HASHES, number_of_row=1, time=TIME, half=True
    )
    (row,) = parse_history(text)
    found = recipe_of_row(row, recipe.rules, recipe.family)
    assert found.recipe == recipe


def test_the_same_hash_is_the_same_model() -> None:
    (row,) = parse_history(line(MergeStep(models=("A", "A"), alpha=1.0, calculation="self")))
    found = recipe_of_row(row, CLASSIC, "sd1")
    assert found.recipe.models == ("A",)
    assert found.sources == {"A": "sha256 aaaaaaaaaa.."}


def test_rows_are_found_by_id_and_from_the_end() -> None:
    text = header_line() + line(STEP) + line(MergeStep(alpha=0.25), number=3) + line(MergeStep(alpha=0.75), number=4)
    rows = parse_history(text)
    assert [row.line for row in rows] == [2, 4, 5]
    assert row_of(rows, 3).cell("alpha") == "0.25"
    assert row_of(rows, -1).cell("alpha") == "0.75"
    assert row_of(rows, -3).cell("seed") == "7"
    for wanted in (2, 0, -4):
        with pytest.raises(RecipeError, match="there are IDs 1 to 4, or -1 to -3"):
            row_of(rows, wanted)


def test_a_missing_hash_is_named() -> None:
    with pytest.raises(RecipeError, match="that of step1 is not known"):
        line(MergeStep(models=("step1", "B"), alpha=0.5))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("\"['safetensors'", '"[safetensors', r"line 1, ID 1: cell 13 \(save settings\) is .*a list such as"),
        ("Exclude", "Without", r"cell 20 \(include/exclude\) is 'Without'"),
        (",0.3,", ",much,", r"cell 19 \(gamma\) is 'much'"),
        ("Weight sum:", "Weird sum:", "there is no merge mode 'Weird sum'"),
        (":attn1:0.88", ":attn1:lots", "elemental segment 1"),
        ("normal,7", "magic,7", "there is no calculation mode 'magic'"),
    ],
)
def test_a_wrong_cell_is_named(old: str, new: str, message: str) -> None:
    text = line(STEP)
    assert old in text
    with pytest.raises(RecipeError, match=message):
        recipe_of_row(parse_history(text.replace(old, new))[0], CLASSIC, "sd1")


def test_half_a_row_is_refused() -> None:
    with pytest.raises(RecipeError, match=r"line 2: a row of mergehistory.csv has 23 cells .* this one has 3"):
        parse_history(header_line() + "1,2,3\n")


def test_what_is_said_in_vain_is_noted() -> None:
    text = line(STEP).replace("M00::R", "M00:R").replace("0,0,0,-1,1,1,1,0", "0,0,0,-1,1,1,1")
    notes = " ".join(recipe_of_row(parse_history(text)[0], CLASSIC, "sd1").notes)
    assert "'M00:R' is no rule" in notes
    assert "Adjust has 7 numbers" in notes


@given(st.one_of(st.text(), st.text(alphabet="1a,.\"\n[]'", max_size=80)))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(RecipeError):
        for row in parse_history(text):
            recipe_of_row(row, CLASSIC, "sd1")


@given(st.integers(0, 22), st.text(max_size=20))
def test_any_cell_is_read_or_refused(place: int, text: str) -> None:
    (cells,) = csv.reader(io.StringIO(line(STEP)))
    cells[place] = text
    written = io.StringIO()
    csv.writer(written).writerow(cells)
    with suppress(RecipeError):
        for row in parse_history(written.getvalue()):
            recipe_of_row(row, CLASSIC, "sd1")
