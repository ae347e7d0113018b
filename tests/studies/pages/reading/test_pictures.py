"""Pictures of a study, by their names."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from studies.drawing.sheets import read_picture
from studies.pages.reading.pictures import FOLDER, kept_picture, small
from studies.pages.reading.reader import StudyReader
from studies.pages.reading.snapshot import Snapshot
from tests.studies.pages.conftest import Visitor
from tests.studies.read_only import read_only


@pytest.fixture
def study(copied: Path) -> Snapshot:
    return StudyReader(copied).read()


def test_a_picture_of_a_trial_is_cut_out_of_its_sheet(study: Snapshot) -> None:
    shot = study.spec.shots.trials[1]
    picture = kept_picture(study, "t3.1")
    sheet = kept_picture(study, "t3")
    assert picture is not None
    assert sheet is not None
    width, height = shot.picture_size
    assert picture.read().shape == (height, width, 3)
    assert np.array_equal(picture.read(), sheet.read()[2 : 2 + height, 2 + width + 2 : 2 + width + 2 + width])


def test_held_out_pictures_and_references(study: Snapshot) -> None:
    assert study.outcome is not None
    key = study.outcome.finalists[0].candidate.key[:20]
    held_out, reference = kept_picture(study, f"p-{key}.0"), kept_picture(study, "r0")
    assert held_out is not None
    assert reference is not None
    assert np.array_equal(reference.read(), read_picture(study.spec.target.references[0]))
    assert held_out.file.is_relative_to(study.spec.storage.folder / "renders")


@pytest.mark.parametrize(
    "name",
    [
        "t999",
        "t3.99",
        "r99",
        "r0.1",
        "p-0000000000.0",
        "x1",
        "t-1",
        "t3.-1",
        "../t3",
        "t3/..",
        "t٣",
        "",
        "t" + "9" * 30,
    ],
)
def test_what_is_not_there_is_none(study: Snapshot, name: str) -> None:
    assert kept_picture(study, name) is None


def test_small_pictures_are_made_once(study: Snapshot) -> None:
    picture = kept_picture(study, "t3")
    assert picture is not None
    first = small(study, picture, "160")
    with Image.open(io.BytesIO(first)) as image:
        assert image.format == "WEBP"
        assert image.width <= 160
    (kept,) = (study.spec.storage.folder / FOLDER).iterdir()
    kept.write_bytes(b"kept")
    assert small(study, picture, "160") == b"kept"
    picture.file.touch()
    assert small(study, picture, "160") != b"kept"


def test_nothing_is_made_larger_and_full_is_lossless(study: Snapshot) -> None:
    picture = kept_picture(study, "t3.0")
    assert picture is not None
    for size in ("640", "full"):
        with Image.open(io.BytesIO(small(study, picture, size))) as image:
            assert image.size == picture.read().shape[1::-1]
            if size == "full":
                assert np.array_equal(np.asarray(image.convert("RGB")), picture.read())


def test_a_folder_that_cannot_be_written_costs_nothing_but_time(study: Snapshot) -> None:
    picture = kept_picture(study, "t3")
    assert picture is not None
    with read_only(study.spec.storage.folder):
        assert small(study, picture, "160")


def test_pictures_that_cannot_be_read_are_not_there(study: Snapshot, visitor: Visitor) -> None:
    sheet = study.trials[3].sheet
    assert sheet is not None
    client = visitor(study.spec.storage.file)
    sheet.write_bytes(b"<script>alert(1)</script>")
    assert client.get("/s/small/pictures/t3.160.webp").status_code == 404
    bomb = Image.new("1", (60_000, 60_000))
    bomb.save(sheet, "PNG")
    assert client.get("/s/small/pictures/t3.160.webp").status_code == 404
    sheet.unlink()
    assert client.get("/s/small/pictures/t3.160.webp").status_code == 404
    assert client.get("/s/small/pictures/t4.7000.webp").status_code == 404


def test_an_artifact_that_leads_out_of_the_study_is_not_shown(
    study: Snapshot, visitor: Visitor, tmp_path: Path
) -> None:
    secret = tmp_path / "secret.png"
    Image.new("RGB", (64, 64), "red").save(secret)
    sheet = study.trials[3].sheet
    assert sheet is not None
    sheet.unlink()
    sheet.symlink_to(secret)
    assert visitor(study.spec.storage.file).get("/s/small/pictures/t3.160.webp").status_code == 404
