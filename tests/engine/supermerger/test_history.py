"""Rows of mergehistory.csv, in and out."""

from __future__ import annotations

import csv
import io
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.architecture.widths import FamilyName
from engine.errors import RecipeError
from engine.recipes.adjust import shift, to_seven
from engine.recipes.dialects import DIALECTS
from engine.recipes.recipe import Recipe
from engine.recipes.steps import Filter, MergeStep
from engine.supermerger.history import (
    CELLS,
    HistoryRow,
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
    assert recipe_of_row(row, None, "sd1").recipe.dialect == "2023"
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


def dated(time: str, step: MergeStep = STEP, dialect: str = "classic") -> HistoryRow:
    """A row of some day."""
    (row,) = parse_history(line(step, dialect).replace(TIME, time))
    return row


XL_STEP = MergeStep(alpha=(0.1,) * 20)


@pytest.mark.parametrize(
    ("time", "step", "family", "dialect", "reason"),
    [
        (
            "2024.03.11 12.00.00",
            XL_STEP,
            "sdxl",
            "classic",
            "is of 2024.03.11, and the dialect head came on 2025.11.27",
        ),
        (
            "2025.11.26 23.59.59",
            XL_STEP,
            "sdxl",
            "classic",
            "is of 2025.11.26, and the dialect head came on 2025.11.27",
        ),
        ("2025.11.27 00.00.00", XL_STEP, "sdxl", "head", "is of 2025.11.27, and the dialect head came on 2025.11.27"),
        ("2026.02.01 10.00.00", STEP, "sd1", "classic", "the dialect head, which came on 2025.11.27, cannot merge sd1"),
        (
            "2024.03.11 12.00.00",
            STEP,
            "sd1",
            "classic",
            "of 2024.03.11, and the dialect head came on 2025.11.27",
        ),
        ("yesterday", XL_STEP, "sdxl", "head", "the row has no date, and head is the usual one of sdxl"),
        (
            "2023.09.02 10.00.00",
            STEP,
            "sd1",
            "classic",
            "the row is of 2023.09.02, and the dialect head came on 2025.11.27",
        ),  # it has the cells of November 2023
    ],
)
def test_a_row_is_read_in_the_dialect_of_its_time(
    time: str, step: MergeStep, family: FamilyName, dialect: str, reason: str
) -> None:
    found = recipe_of_row(dated(time, step), None, family)
    assert found.recipe.dialect == dialect
    assert found.notes[0].startswith(f"read in the dialect {dialect}: ")
    assert found.notes[0].endswith(f"{reason}; --read-as chooses another")
    asked = recipe_of_row(dated(time, step), DIALECTS["head_patched"], family)
    assert asked.recipe.dialect == "head_patched"
    assert not any(note.startswith("read in the dialect") for note in asked.notes)


def test_a_short_row_is_of_2023_whatever_its_date() -> None:
    row = dated("2024.03.11 12.00.00", MergeStep(alpha=0.5, adjust=(0, 0, 0, -1, 1, 1, 1)), "2023")
    found = recipe_of_row(row, None, "sd1")
    assert found.recipe.dialect == "2023"
    assert "rows have had more cells since 2023.11.10" in found.notes[0]


@pytest.mark.parametrize("family", ["sd1", "sdxl"])
def test_eight_adjust_fields_of_october_2023_do_what_they_did(family: FamilyName) -> None:
    plain = MergeStep(alpha=0.5, adjust=(1, 2, 3, -1, 1, 1, 1))
    for time, text in (("2023.10.20 1.0.0", "1,2,3,-1,0.5,1,2,-3"), ("2023.10.01 1.0.0", "1,2,3,-1,0.5,1,2,-3")):
        (row,) = parse_history(line(plain, "2023").replace(TIME, time).replace("1,2,3,-1,1,1,1", text))
        found = recipe_of_row(row, None, family)
        (step,) = found.recipe.runs
        assert step.adjust[:4] == (1, 2, 3, -1)
        assert shift(step.adjust, family) == pytest.approx(shift((1, 2, 3, -1, 0.5, 1, 2, -3), family))
        assert any("is of eight fields, which came on 2023.10.15" in note for note in found.notes)
    seven = recipe_of_row(dated("2023.10.20 1.0.0", plain, "2023"), None, family)
    assert seven.recipe.runs[0].adjust == pytest.approx(to_seven((1, 2, 3, -1, 1, 1, 1, 0), family))
    before = recipe_of_row(dated("2023.10.01 1.0.0", plain, "2023"), None, family)
    assert before.recipe.runs[0].adjust == plain.adjust


def test_the_family_is_seen_in_the_weights_and_said() -> None:
    found = recipe_of_row(dated("2024.03.11 12.00.00", XL_STEP), None, None)
    assert found.recipe.family == "sdxl"
    assert any("sdxl is taken, by the number of its weights (--family chooses" in note for note in found.notes)
    other = recipe_of_row(dated("2024.03.11 12.00.00", MergeStep(alpha=0.5)), None, None)
    assert other.recipe.family == "sd1"
    assert any("a row of mergehistory.csv does not name the family" in note for note in other.notes)


ATTENTIVE = ["IN04", "IN05", "IN07", "IN08", "M00", *(f"OUT{number:02d}" for number in range(6))]
"""The blocks of SDXL that have transformers."""
WEIGHTS = (0.3, 0.0, 0.4, *(0.5,) * 17)


@pytest.mark.parametrize(
    ("chosen", "alpha", "lost"),
    [
        (Filter(kind="exclude", elements=("attn1",)), (0.3, *(0.5,) * 4, 0.0, *(0.5,) * 14), "IN04"),
        (Filter(kind="exclude", blocks=("IN00",)), WEIGHTS, ""),  # all of its keys are skipped, whatever its weight
        (Filter(kind="exclude", elements=("attn1",)), WEIGHTS, ""),  # IN00 has none
        (Filter(kind="exclude", blocks=("Adjust",)), WEIGHTS, "IN00"),
        (Filter(kind="include", elements=("attn2",)), (0.0,) * 20, ", ".join(ATTENTIVE)),
        (Filter(kind="exclude", elements=("attn1",)), (0.5,) * 20, ""),
    ],
)
def test_weights_that_head_replaces_by_0_are_said_to_be_lost(
    chosen: Filter, alpha: tuple[float, ...], lost: str
) -> None:
    row = dated("2026.03.11 12.00.00", MergeStep(alpha=alpha, filter=chosen))
    notes = [note for note in recipe_of_row(row, None, "sdxl").notes if "this row cannot be rebuilt" in note]
    assert len(notes) == bool(lost)
    assert all(f"and in {lost} other keys were merged with the weight that is lost" in note for note in notes)
    assert not any("cannot be rebuilt" in note for note in recipe_of_row(row, CLASSIC, "sdxl").notes)


def test_lost_weights_of_beta_and_of_110_blocks() -> None:
    chosen = Filter(kind="exclude", elements=("attn1",))
    twice = MergeStep(models=("A", "B", "C"), mode="sum Twice", alpha=(0.5,) * 20, beta=(0.0,) * 20, filter=chosen)
    (note,) = [n for n in recipe_of_row(dated("2026.03.11 1.0.0", twice), None, "sdxl").notes if "rebuilt" in n]
    assert "of the beta weight of every block" in note
    many = MergeStep(alpha=(0.0,) * 110, filter=chosen)
    (note,) = [n for n in recipe_of_row(dated("2026.03.11 1.0.0", many), None, "sdxl").notes if "rebuilt" in n]
    assert "in IN410, IN411, IN510" in note


@pytest.mark.parametrize(
    ("time", "step", "what"),
    [
        ("2023.11.20 1.0.0", MergeStep(models=("A", "B", "C"), mode="Add difference", alpha=0.5), "its result is A"),
        ("2023.11.20 1.0.0", MergeStep(elemental="IN01::1,IN01:attn:0"), "only the first elemental rule"),
        ("2023.11.11 1.0.0", MergeStep(models=("A", "B", "C"), mode="Triple sum", alpha=0.5), "the models' own dtype"),
        ("2023.11.18 1.0.0", MergeStep(models=("A", "A"), calculation="self", alpha=0.5), "added the factor"),
        (
            "2025.01.20 1.0.0",
            MergeStep(models=("A", "B", "C"), mode="Add difference", alpha=0.5),
            "A minus alpha times C",
        ),
    ],
)
def test_errors_of_some_weeks_are_said(time: str, step: MergeStep, what: str) -> None:
    notes = recipe_of_row(dated(time, step), None, "sd1").notes
    assert any("this row may not be rebuilt" in note and what in note for note in notes)
    assert not any("may not be rebuilt" in n for n in recipe_of_row(dated("2024.06.01 1.0.0", step), None, "sd1").notes)


def test_time_embed_belonged_elsewhere_until_july_2023() -> None:
    step = MergeStep(alpha=(0.1,) * 26)
    notes = recipe_of_row(dated("2023.07.10 1.0.0", step, "2023"), None, "sd1").notes
    assert any("time_embed belonged to IN00" in note for note in notes)
    later = recipe_of_row(dated("2023.08.10 1.0.0", step, "2023"), None, "sd1").notes
    assert not any("time_embed" in note for note in later)


def test_what_a_row_does_not_keep_is_said() -> None:
    step = MergeStep(alpha=(0.1,) * 20, elemental="IN01:attn:X", seed=3)
    text = line(step).replace(TIME, "2026.03.11 1.0.0").replace("'fp16'", "'fp16', 'prune', 'Reset CLIP ids'")
    notes = " ".join(recipe_of_row(parse_history(text)[0], None, "sdxl").notes)
    assert '"use extended XL"' in notes
    assert "a VAE that was baked in" in notes
    assert "limits of random ratios; those of X are taken as 0 and 1" in notes
    assert "recipe-search merge has as --prune --reset-clip-ids" in notes


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


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        (",False,", ",maybe,", r"cell 11 \(use MBW\) is 'maybe'; True or False belongs there"),
        (",False,", ",,", r"cell 11 \(use MBW\) is ''"),
        (",0.25,", ",,", r"cell 8 \(alpha\) is ''; a number belongs there"),
    ],
)
def test_what_decides_the_weights_is_not_guessed(before: str, after: str, message: str) -> None:
    text = line(MergeStep(alpha=0.25))
    assert before in text
    (row,) = parse_history(text.replace(before, after, 1))
    with pytest.raises(RecipeError, match=message):
        recipe_of_row(row, CLASSIC, "sd1")
