"""Grids, measured against the WebUI's rules worked by hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from PIL import ImageFont

from studies.drawing.grids import PALE, Grid, GridLabel, LabelledCells, fitting, wrapped
from studies.drawing.lettering import BUNDLED, Lettering
from studies.drawing.sheets import RgbPicture

CELL = (100, 150)  # letters of 250 // 25 = 10 pixels, gaps of 5, 75 pixels for the labels of rows
LETTERING = Lettering()


def plain(level: int, width: int = CELL[0], height: int = CELL[1]) -> RgbPicture:
    return np.full((height, width, 3), level, np.uint8)


def labels(*texts: str) -> list[GridLabel]:
    return [GridLabel(text=text) for text in texts]


def ink_height(text: str, size: int = 10) -> int:
    """Measured with Pillow alone."""
    font = ImageFont.truetype(str(BUNDLED), size, layout_engine=ImageFont.Layout.BASIC)
    _, top, _, bottom = font.getbbox(text)
    return int(bottom - top)


def places(grid: Grid) -> Iterator[tuple[int, int, int]]:
    """Column, row and part of every cell, in the order of pictures."""
    for z in range(len(grid.parts)):
        for y in range(len(grid.rows)):
            yield from ((x, y, z) for x in range(len(grid.columns)))


def draw_grid(grid: Grid, pictures: Sequence[RgbPicture]) -> RgbPicture:
    """The whole picture; X runs fastest, then Y, then Z."""
    sheet = grid.blank()
    for place, picture in zip(places(grid), pictures, strict=True):
        grid.put(sheet, place, picture)
    return np.asarray(sheet)


def ink(picture: RgbPicture) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of what is not white; the ends are past it."""
    rows, columns = np.nonzero((picture < 250).any(-1))
    return columns.min(), rows.min(), columns.max() + 1, rows.max() + 1


# ------------------------------------------------------------------------------------------------------- geometry


def test_columns_and_rows_with_their_labels_and_margins() -> None:
    grid = Grid(cell=CELL, columns=labels("a", "b", "c"), rows=labels("x", "y"), margin=4)
    top = max(ink_height(text) for text in "abc") + 2 * 5
    assert grid.size == (75 + 3 * 100 + 2 * 4, top + 2 * 150 + 4)
    assert grid.corner(0, 0, 0) == (75, top)
    assert grid.corner(2, 1, 0) == (75 + 2 * 104, top + 154)


def test_labels_that_are_not_there_take_no_room() -> None:
    assert Grid(cell=CELL, rows=labels("x", "y")).size == (75 + 100, 300)
    assert Grid(cell=CELL, columns=labels("a", "c")).corner(0, 0, 0) == (0, ink_height("ac") + 10)
    assert Grid(cell=CELL).size == CELL


def test_sub_grids_stand_side_by_side_under_titles_of_their_own_size() -> None:
    grid = Grid(cell=CELL, columns=labels("a", "b"), rows=labels("x"), parts=labels("one", "two"), margin=6)
    width, height = 75 + 2 * 100 + 6, max(map(ink_height, "ab")) + 10 + 150
    letter = (width + height) // 25
    head = max(ink_height(text, letter) for text in ("one", "two")) + 2 * (letter // 2)
    assert grid.size == (2 * width, head + height)
    assert grid.corner(1, 0, 1) == (width + 75 + 106, head + height - 150)


def test_letters_and_gaps_grow_with_the_cell() -> None:
    frame = LabelledCells(cell=(512, 768), columns=labels("a"), rows=labels("x"))
    assert (frame.letter, frame.gap, frame.left) == (51, 25, 384)
    assert LabelledCells(cell=(64, 64), columns=labels("a")).letter == 5


def test_a_label_is_wrapped_at_blanks_and_the_tallest_makes_the_room() -> None:
    text = "masterpiece, best quality, a cat"
    lines = wrapped(text, 100, 10, LETTERING)
    assert " ".join(lines) == text
    assert len(lines) == 2
    assert all(LETTERING.font(10).getlength(line) <= 100 for line in lines)
    grid = Grid(cell=CELL, columns=labels("a", text))
    assert grid.corner(0, 0, 0)[1] == sum(map(ink_height, lines)) + 5 + 2 * 5


def test_a_first_word_that_is_too_wide_leaves_an_empty_line_as_in_the_webui() -> None:
    word = "a" * 40
    assert wrapped(word, 100, 10, LETTERING) == ["", word]
    assert Grid(cell=CELL, columns=labels(word)).corner(0, 0, 0)[1] == ink_height(word) + 5 + 2 * 5


# --------------------------------------------------------------------------------------------------------- drawing


def test_every_picture_stands_in_its_place() -> None:
    grid = Grid(cell=CELL, columns=labels("a", "b"), rows=labels("x", "y"), parts=labels("p", "q"), margin=2)
    order = list(places(grid))
    assert order[:5] == [(0, 0, 0), (1, 0, 0), (0, 1, 0), (1, 1, 0), (0, 0, 1)]
    sheet = draw_grid(grid, [plain(20 + 10 * number) for number in range(8)])
    for number, place in enumerate(order):
        left, top = grid.corner(*place)
        assert (sheet[top : top + 150, left : left + 100] == 20 + 10 * number).all()
        assert (sheet == 20 + 10 * number).all(-1).sum() == pytest.approx(150 * 100, abs=30)  # and letters' edges


def test_a_smaller_picture_stands_in_the_middle_of_its_cell() -> None:
    sheet = draw_grid(Grid(cell=CELL, columns=labels("", "")), [plain(50), plain(90, 60, 100)])
    assert ink(sheet[:, 100:]) == (20, 25, 80, 125)


@pytest.mark.parametrize("text", ["Seed: 1", "桜の下の少女", "CFG Scale: 7.0"])
def test_labels_are_centred_over_columns_and_beside_rows(text: str) -> None:
    grid = Grid(cell=CELL, columns=labels("", text), rows=labels("", text))
    sheet = draw_grid(grid, [plain(255)] * 4)
    _, top = grid.corner(0, 0, 0)
    left, upper, right, lower = ink(sheet[:top])
    assert (left + right) / 2 == pytest.approx(75 + 100 + 50, abs=1.5)
    assert (upper + lower) / 2 == pytest.approx(top / 2, abs=1.5)
    left, upper, right, lower = ink(sheet[top:])
    assert (left + right) / 2 == pytest.approx(75 / 2, abs=1.5)
    assert (upper + lower) / 2 == pytest.approx(150 + 75, abs=1.5)


def test_lines_of_a_rows_label_start_where_its_ink_without_gaps_would() -> None:
    """The WebUI leaves the gaps out of the height by which it centres labels of rows; they sit a little low."""
    text = "HHHHHHHHHH HHHHHHHHHH HHHHHHHHHH"
    assert len(wrapped(text, 75, 10, LETTERING)) == 3
    _, upper, _, lower = ink(draw_grid(Grid(cell=CELL, rows=labels(text)), [plain(255)]))
    height = ink_height("HHHHHHHHHH")
    assert upper == pytest.approx(75 - 3 * height / 2, abs=1.5)
    assert lower == pytest.approx(75 + 3 * height / 2 + 2 * 5, abs=1.5)


def test_a_line_that_is_too_wide_is_set_smaller_and_only_that_line() -> None:
    text = f"HHHH {'W' * 20}"
    sheet = draw_grid(Grid(cell=CELL, columns=labels(text)), [plain(255)])
    left, upper, right, _ = ink(sheet)
    assert right - left <= 100
    assert fitting("W" * 20, 100, 10, LETTERING) < 8
    first = ink(sheet[: upper + ink_height("HHHH")])
    assert first[3] - first[1] == pytest.approx(ink_height("HHHH"), abs=1)


def test_nothing_is_set_smaller_than_one_pixel() -> None:
    assert fitting("W" * 5000, 10, 10, LETTERING) == 1


def test_a_label_that_does_not_hold_is_grey_and_struck_through() -> None:
    sheet = draw_grid(Grid(cell=(400, 400), columns=[GridLabel(text="Seed", active=False)]), [plain(255, 400, 400)])
    left, _, right, _ = ink(sheet)
    struck = (sheet[:, left:right] == PALE).all(-1).all(1)
    assert struck.sum() == 4
    assert sheet.min() == PALE[0]


def test_a_caption_stands_below_in_lines_as_wide_as_the_grid() -> None:
    text = "FLAT_25: alpha " + ", ".join(["0.25"] * 26)
    bare, grid = Grid(cell=CELL, columns=labels("a", "b")), Grid(cell=CELL, columns=labels("a", "b"), caption=[text])
    lines = wrapped(text, 200 - 12, 12, LETTERING)
    assert len(lines) > 3
    assert grid.size == (200, bare.size[1] + len(lines) * 18 + 12)
    sheet = draw_grid(grid, [plain(50)] * 2)
    assert np.array_equal(sheet[: bare.size[1]], draw_grid(bare, [plain(50)] * 2))
    left, _, right, _ = ink(sheet[bare.size[1] :])
    assert left >= 6
    assert right <= 200 - 6


def test_the_number_of_pictures_must_be_that_of_the_cells() -> None:
    with pytest.raises(ValueError, match="shorter"):
        draw_grid(Grid(cell=CELL, columns=labels("a", "b")), [plain(50)])
