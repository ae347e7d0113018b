"""What `check` says of the reference pictures."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from studies.preflight.findings import Finding
from studies.preflight.references import reference_findings
from studies.studyfile.reference_files import reference_files
from studies.studyfile.spec import TargetLook


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Ten different pictures."""
    place = tmp_path / "wanted"
    place.mkdir()
    rng = np.random.default_rng(0)
    for number in range(10):
        coarse = Image.fromarray(rng.integers(0, 255, (6, 6, 3), dtype=np.uint8))
        coarse.resize((96, 96), Image.Resampling.BICUBIC).save(place / f"{number}.png")
    return place


def look(*sources: Path, side: int = 96) -> list[Finding]:
    references, passed_over = reference_files(sources)
    target = TargetLook(sources=sources, references=references, passed_over=passed_over)
    return list(reference_findings(target, Path(), side))


def test_ten_pictures_need_no_word(folder: Path) -> None:
    assert look(folder) == []


@pytest.mark.parametrize("name", ["x.avif", "x.jfif", "x.gif", "x.jp2", "x", "x.dat"])
def test_pictures_of_any_name_are_read(folder: Path, name: str) -> None:
    with Image.open(folder / "0.png") as picture:
        picture.save(folder / name, format={"": "PNG", ".dat": "WEBP"}.get(Path(name).suffix))
    (folder / "0.png").unlink()
    references, passed_over = reference_files([folder])
    assert (len(references), passed_over) == (10, ())
    assert [finding for finding in look(folder) if finding.level != "note"] == []


def test_what_is_passed_over_is_named_with_number_and_kind(folder: Path) -> None:
    for name in ("a.HEIC", "b.heic", "c.jxl", "a.txt", "Thumbs.db"):
        (folder / name).write_bytes(b"\x00\x00\x00\x18ftypheic nothing")
    (folder / "10_style").mkdir()
    os.mkfifo(folder / "pipe")
    (folder / "gone").symlink_to("nowhere")
    (warning,) = look(folder)
    assert warning.level == "warning"
    assert warning.problem.what == (
        "passed over: 2 HEIC, 1 JXL, 1 TXT, 1 folder (10_style), 1 link that leads nowhere, 1 pipe"
    )
    assert "name each folder of pictures" in warning.problem.remedy


def test_captions_are_only_noted(folder: Path) -> None:
    for number in range(10):
        (folder / f"{number}.txt").write_text("GIF89a, a caption")
    (note,) = look(folder)
    assert (note.level, note.problem.what) == ("note", "passed over: 10 TXT")


def test_a_pipe_with_the_name_of_a_picture_is_refused(folder: Path) -> None:
    os.mkfifo(folder / "x.png")
    (error,) = look(folder)
    assert error.line.startswith(
        f"error: target.references: {folder / 'x.png'}: cannot be read as a picture (this is a"
    )


@pytest.mark.parametrize("how", ["file", "bmp", "jpg", "half"])
def test_copies_of_one_picture_are_said_and_count_once(folder: Path, how: str) -> None:
    for number in range(3, 10):
        (folder / f"{number}.png").unlink()
    with Image.open(folder / "0.png") as picture:
        if how == "file":
            shutil.copy(folder / "0.png", folder / "a.png")
        else:
            smaller = picture.resize((48, 48)) if how == "half" else picture
            smaller.save(folder / ("a.png" if how == "half" else f"a.{how}"))
    found = [finding for finding in look(folder) if finding.level != "note"]
    assert found[0].problem.what == "3 pictures, 4 are needed"
    assert found[1].problem.what.startswith("1 of 4 are copies of others: a.")
    assert found[1].problem.what.endswith(" of 0.png")


def test_pictures_of_a_few_pixels_are_refused_and_small_ones_said(folder: Path) -> None:
    for name, side in (("x.png", 4), ("y.png", 20)):
        with Image.open(folder / "0.png") as picture:
            picture.rotate(90).resize((side, side)).save(folder / name)
    error, warning = look(folder)
    assert error.line.startswith(f"error: target.references: {folder / 'x.png'}: has 4 x 4 pixels, too few")
    assert warning.level == "warning"
    assert "of few pixels: y.png (20 x 20)" in warning.problem.what
    assert len(look(folder, side=16)) == 1
