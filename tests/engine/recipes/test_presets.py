from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import RecipeError
from engine.recipes.presets import PRESETS, OwnPresets, parse_presets, preset_line, preset_weights, read_presets

HALF, WHOLE = 0.5, 1.0


def test_all_shipped_names_and_flat_50() -> None:
    assert len(PRESETS) == 38 + 1
    assert "FLAT_50" in PRESETS
    assert all(len(weights) == 26 for weights in PRESETS.values())
    assert {name for name, weights in PRESETS.items() if weights[0]} == {"ALL_B"}


@pytest.mark.parametrize(
    ("name", "places"),
    [
        # the numbers at some of IN00 (1) .. M00 (13) .. OUT11 (25)
        ("GRAD_V", {1: 1, 2: 0.9166666667, 13: 0, 25: 1}),
        ("GRAD_A", {1: 0, 2: 0.0833333333, 13: 1, 25: 0}),
        ("WRAP08", {4: 1, 5: 0, 21: 0, 22: 1}),
        ("WRAP16", {8: 1, 9: 0, 17: 0, 18: 1}),
        ("MID12_50", {5: 0, 6: HALF, 19: HALF, 20: 0}),
        ("OUT07", {18: 0, 19: 1}),
        ("OUT12_5", {12: 0, 13: HALF, 14: 1}),
        ("RING08_SOFT", {5: 0, 6: HALF, 7: 1, 9: 1, 10: HALF, 11: 0, 16: HALF, 20: HALF, 21: 0}),
        ("RING10_3", {6: 0, 7: 1, 11: 1, 12: 0, 14: 0, 15: 1, 19: 1, 20: 0}),
        ("SMOOTHSTEP", {1: 0, 2: 0.00506365740, 13: HALF, 25: 1}),
        ("SMOOTHSTEP*2", {1: 0, 2: 0.0101273148, 13: 1, 25: 0}),
        ("SMOOTHSTEP/2", {1: 0, 2: 0.0196759259, 13: 1, 25: 0}),
        ("COSINE", {1: 1, 13: HALF, 25: 0}),
        ("FAKE_CUBIC_HERMITE", {1: 0, 2: 0.157576195987654, 13: HALF, 25: 1}),
        ("TRUE_CUBIC_HERMITE", {1: 0, 2: 0.199031876929012, 13: 0.5208354499, 25: 1}),
    ],
)
def test_presets_are_supermergers(name: str, places: dict[int, float]) -> None:
    for place, weight in places.items():
        assert preset_weights(name)[place] == pytest.approx(weight, abs=2e-5), place


def test_reverses_mirror() -> None:
    pairs = [("SMOOTHSTEP", "REVERSE-SMOOTHSTEP"), ("COSINE", "REVERSE_COSINE"), ("SMOOTHSTEP*3", "R_SMOOTHSTEP*3")]
    for name, reverse in pairs:
        sums = {round(a + b, 9) for a, b in zip(PRESETS[name][1:], PRESETS[reverse][1:], strict=True)}
        assert sums == {WHOLE}


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(RecipeError, match="there is no preset 'FLAT_26'; did you mean FLAT_25"):
        preset_weights("FLAT_26")
    with pytest.raises(RecipeError, match="known here: GRAD_V, GRAD_A"):
        preset_weights("?")


def test_a_file_of_ones_own_comes_first(tmp_path: Path) -> None:
    path = tmp_path / "mbwpresets.txt"
    path.write_text("preset_name\tpreset_weights\nFLAT_25\t0,1\nMine:0,0.5\n\n")
    own = read_presets(path)
    assert own == OwnPresets(rows={"FLAT_25": ((0, 1),), "Mine": ((0, 0.5),)})
    assert preset_weights("FLAT_25", own) == (0, 1)
    assert preset_weights(" GRAD_V ", own)[1] == 1


def test_lines_that_are_no_presets_are_passed_over_with_a_note() -> None:
    found = parse_presets("A\t0,1\nB\t0,x\nC 0,1\n", "mine.txt")
    assert found.rows == {"A": ((0, 1),)}
    assert [note.partition(";")[0] for note in found.notes] == [
        "mine.txt: line 2: 'B\\t0,x' has something that is no number",
        "mine.txt: line 3: 'C 0,1' has no tab or colon behind the name",
    ]
    assert all(note.endswith("it is passed over, as SuperMerger does") for note in found.notes)


def test_a_text_without_any_preset_is_refused_with_all_its_lines() -> None:
    with pytest.raises(RecipeError) as caught:
        parse_presets("B\t0,x\nC 0,1\n", "mine.txt")
    assert "  line 1: 'B\\t0,x' has something that is no number" in str(caught.value)
    assert "  line 2: 'C 0,1' has no tab or colon" in str(caught.value)


def test_a_line_with_colon_and_tab_is_read_both_ways() -> None:
    assert parse_presets("SDXL: MINE\t0,0.5").rows == {"SDXL: MINE": ((0, 0.5),)}
    assert parse_presets("MINE:0, 0.5\t").rows == {"MINE": ((0, 0.5),)}


def test_equal_names_stay_side_by_side() -> None:
    rows = {count: tuple(n / 100 for n in range(count)) for count in (26, 20)}
    text = "\n".join(preset_line("MINE", row) for row in rows.values())
    own = parse_presets(f"{text}\nMINE\t{','.join(['1'] * 26)}")
    assert preset_weights("MINE", own, "sdxl") == rows[20]
    assert preset_weights("MINE", own, "sd1") == (1,) * 26  # the last one of that length, as in SuperMerger
    assert preset_weights("GRAD_V", own, "sdxl") == PRESETS["GRAD_V"]


def test_presets_with_letters_are_no_plain_numbers() -> None:
    own = parse_presets("MINE\t0,R,ER,0.5")
    with pytest.raises(RecipeError, match=r"the preset 'MINE' has random numbers \(R, ER\) in it; draw them"):
        preset_weights("MINE", own)


def test_a_byte_order_mark_is_no_part_of_a_name(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_bytes("\ufeffMINE\t0,1\n".encode())
    assert [*read_presets(tmp_path / "x.txt").rows] == ["MINE"]


def test_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="cannot be read"):
        read_presets(tmp_path / "none.txt")
    (tmp_path / "x.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(RecipeError, match="is not UTF-8 text"):
        read_presets(tmp_path / "x.txt")


@given(st.lists(st.floats(-3, 3, allow_nan=False), min_size=1, max_size=26))
def test_a_line_reads_back(weights: list[float]) -> None:
    assert parse_presets(preset_line("MINE", tuple(weights))).rows == {"MINE": (tuple(weights),)}


@given(st.one_of(st.text(), st.text(alphabet="AB\t:,0.5x\n")))
def test_any_text_is_presets_or_refused(text: str) -> None:
    try:
        found = parse_presets(text)
    except RecipeError as error:
        assert "line " in str(error)  # noqa: PT017 - texts that are presets are fine too
        return
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("preset_name")]
    count = sum(len(rows) for rows in found.rows.values())
    assert len(found.notes) + count >= len(lines)
    assert all(word for rows in found.rows.values() for row in rows for word in map(str, row))
