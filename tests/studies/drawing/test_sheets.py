"""Contact sheets hold every picture where it belongs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from studies.drawing import sheets
from studies.drawing.sheets import RgbPicture, SheetColumn


def plain(level: int, height: int = 48, width: int = 32) -> RgbPicture:
    return np.full((height, width, 3), level, np.uint8)


def test_a_grid_holds_every_picture_unscaled(tmp_path: Path) -> None:
    pictures = [plain(10 * i) for i in range(1, 8)]
    sheets.grid(pictures, tmp_path / "grid.png")
    sheet = sheets.read_picture(tmp_path / "grid.png")
    found = {int(level) for level in np.unique(sheet) if (sheet[..., 0] == level).sum() == 48 * 32}
    assert found == {10, 20, 30, 40, 50, 60, 70}


def test_the_finalists_sheet_has_a_column_a_recipe_and_a_row_a_prompt(tmp_path: Path) -> None:
    columns = [
        SheetColumn(
            title=f"recipe {c}",
            pictures=[plain(20 + 30 * c + 10 * r) for r in range(2)],
            lines=["score +1.0"],
            marked=c == 1,
        )
        for c in range(3)
    ]
    path = tmp_path / "sheet.png"
    sheets.finalists(columns, ["a cat", "a house"], path, title="finalists", notes=["said plainly"])
    sheet = sheets.read_picture(path)
    assert sheet.shape[1] == 3 * (sheets.CELL_WIDTH + sheets.GAP) + sheets.GAP
    for level in (20, 30, 50, 60, 80, 90):
        rows, columns_ = np.nonzero((sheet == level).all(-1))
        block = (rows.max() - rows.min() + 1, columns_.max() - columns_.min() + 1)
        assert block == (sheets.CELL_WIDTH * 48 // 32, sheets.CELL_WIDTH)
    assert (sheet == np.array(sheets.ACCENT)).all(-1).any()


def test_notes_and_warnings_are_broken_into_lines_and_nothing_is_cut_off(tmp_path: Path) -> None:
    columns = [SheetColumn(title="best by the search's model, simpler", pictures=[plain(70)], warning="look")] * 2

    def drawn(**said: list[str]) -> RgbPicture:
        sheets.finalists(columns, ["a cat"], tmp_path / "sheet.png", title="finalists", **said)
        return sheets.read_picture(tmp_path / "sheet.png")

    short, long = drawn(notes=["short"]), drawn(notes=["short", "a sentence that is too long for two columns " * 3])
    assert long.shape[0] >= short.shape[0] + 3 * 20
    assert (long[:, -sheets.GAP :] == np.array(sheets.PAPER)).all(), "no line runs over the edge"
    colour = np.array(sheets.WARNING)
    above = (short[:100] == colour).all(-1).any()
    assert not above
    assert (short == colour).all(-1).any(), "the warning under a column"
    assert (drawn(warnings=["Finalist 2: look at it."])[:100] == colour).all(-1).any()


def test_prompts_stand_over_what_shows_them(tmp_path: Path) -> None:
    columns = [
        SheetColumn(title="", pictures=[plain(70)], has_prompts=False),
        SheetColumn(title="", pictures=[plain(70)]),
    ]
    sheets.finalists(columns, ["a cat"], tmp_path / "sheet.png", title="")
    pale = (sheets.read_picture(tmp_path / "sheet.png") == np.array(sheets.PALE)).all(-1)
    assert pale.any()
    assert not pale[:, : sheets.GAP + sheets.CELL_WIDTH].any()


def test_references_of_another_shape_are_fitted(tmp_path: Path) -> None:
    columns = [
        SheetColumn(title="references", pictures=[plain(70, 500, 20)]),
        SheetColumn(title="A", pictures=[plain(90)]),
    ]
    sheets.finalists(columns, ["a cat"], tmp_path / "sheet.png", title="t" * 400)
    assert sheets.read_picture(tmp_path / "sheet.png").shape[1] == 2 * (sheets.CELL_WIDTH + sheets.GAP) + sheets.GAP


def test_a_failed_write_leaves_the_old_sheet(tmp_path: Path) -> None:
    path = tmp_path / "grid.png"
    sheets.grid([plain(10)], path)
    before = path.read_bytes()
    with pytest.raises((TypeError, ValueError)):
        sheets.grid([np.zeros((2, 2, 7), np.uint8)], path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
