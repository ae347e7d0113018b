"""The gallery of trials."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from studies.pages.reading.reader import StudyReader
from studies.pages.reading.scores import contribution
from tests.studies.pages.conftest import Visitor
from tests.studies.pages.made_gallery import BROKEN, FAILED, RUNNING, SHEETLESS, write_gallery

GRID = re.compile(r'<ul class="thumbs gallery">.*?</ul>', re.DOTALL)
PICK = re.compile(r'name="pick" value="(\d+)"')


def shown(text: str) -> list[int]:
    """The numbers of the trials in the grid, in its order."""
    grid = GRID.search(text)
    return [int(number) for number in PICK.findall(grid[0])] if grid else []


def test_sixty_trials_a_page_the_highest_score_first(gallery: Path, visitor: Visitor) -> None:
    client, study = visitor(gallery), StudyReader(gallery).read()
    first, second = (shown(client.get(f"/s/mix/trials?page={page}").text) for page in (1, 2))
    assert len(first) == 60
    assert set(second[-3:]) == {FAILED, BROKEN, RUNNING}
    scores = [study.by_number[number].score for number in first + second[:-3]]
    assert scores == [trial.score for trial in study.scored]
    assert shown(client.get("/s/mix/trials?page=99").text) == second


def test_orders_stand_in_the_address(gallery: Path, visitor: Visitor) -> None:
    client, study = visitor(gallery), StudyReader(gallery).read()
    assert shown(client.get("/s/mix/trials?sort=newest").text) == list(range(69, 9, -1))
    assert shown(client.get("/s/mix/trials?sort=oldest").text) == list(range(60))
    errors = [study.by_number[n].standard_error for n in shown(client.get("/s/mix/trials?sort=error").text)]
    assert errors == sorted(errors, key=lambda error: error or 0.0)
    numbers = shown(client.get("/s/mix/trials?sort=by:clip").text)
    clip = [contribution(study, study.by_number[number], "clip") or 0.0 for number in numbers]
    assert clip == sorted(clip, reverse=True)
    assert shown(client.get("/s/mix/trials?sort=by:nothing").text) == shown(client.get("/s/mix/trials").text)


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("status=failed", {FAILED}),
        ("status=broken", {BROKEN}),
        ("status=running", {RUNNING}),
        ("stage=flat", set(range(5))),
    ],
)
def test_filters_stand_in_the_address(gallery: Path, visitor: Visitor, query: str, numbers: set[int]) -> None:
    assert set(shown(visitor(gallery).get(f"/s/mix/trials?{query}").text)) == numbers


def test_filters_work_together(gallery: Path, visitor: Visitor) -> None:
    study, text = (
        StudyReader(gallery).read(),
        visitor(gallery).get("/s/mix/trials?stage=blocks&status=scored&sort=newest").text,
    )
    assert shown(text) == [t.number for t in reversed(study.trials) if (t.stage, t.status) == ("blocks", "scored")]


def test_recipes_like_another_are_the_nearest_first(gallery: Path, visitor: Visitor) -> None:
    study, numbers = StudyReader(gallery).read(), shown(visitor(gallery).get("/s/mix/trials?like=3").text)
    assert len(numbers) == 60
    assert 3 not in numbers
    knobs = {knob.name: knob.high - knob.low for knob in study.spec.search.space.free}
    points = [
        np.array([t.point[name] / width for name, width in knobs.items()]) for _, t in sorted(study.by_number.items())
    ]
    away = [float(np.square(points[number] - points[3]).sum()) for number in numbers]
    assert away == pytest.approx(sorted(away))
    assert numbers[0] == min(set(range(70)) - {3}, key=lambda number: np.square(points[number] - points[3]).sum())
    assert shown(visitor(gallery).get("/s/mix/trials?like=x").text) == shown(visitor(gallery).get("/s/mix/trials").text)


def test_parents_flat_mixes_and_references_stand_at_the_top(gallery: Path, visitor: Visitor) -> None:
    text = visitor(gallery).get("/s/mix/trials").text
    row = text.partition('class="strip row"')[2].partition("</ul>")[0]
    assert re.findall(r'name="pick" value="(\w+)"', row) == ["A", "B", "FLAT_25", "FLAT_50", "FLAT_75"]
    assert re.findall(r"pictures/(r\d+)\.320", row) == ["r0", "r1", "r2", "r3"]


def test_two_that_are_ticked_are_compared_without_a_script(gallery: Path, visitor: Visitor) -> None:
    client = visitor(gallery)
    answer = client.get("/s/mix/compare?pick=A&pick=17")
    assert (answer.status_code, answer.headers["location"]) == (303, "/s/mix/compare?left=A&right=17")
    alone = client.get("/s/mix/compare?pick=17")
    assert alone.status_code == 200
    assert 'name="left" list="recipes" required size="10" value="17"' in alone.text


def test_sizes_are_known_before_pictures_come(gallery: Path, visitor: Visitor) -> None:
    text = visitor(gallery).get("/s/mix/trials?sort=oldest").text
    grid = GRID.search(text)
    assert grid is not None
    assert len(re.findall(r'width="200" height="200" loading="lazy"', grid[0])) == 60 - 3


def test_what_has_no_picture_says_why(gallery: Path, visitor: Visitor) -> None:
    client = visitor(gallery)
    text = client.get("/s/mix/trials?sort=oldest").text
    assert "<script>alert" not in text
    assert "all black &lt;script&gt;" in text
    assert "its contact sheet is gone" in client.get(f"/s/mix/trials?like={SHEETLESS - 1}").text


def test_an_empty_gallery_says_where_to_go_on(gallery: Path, tmp_path: Path, visitor: Visitor) -> None:
    assert "Nothing was tried yet." in visitor(write_gallery(tmp_path, 0)).get("/s/mix/trials").text
    assert "No trial is like this." in visitor(gallery).get("/s/mix/trials?status=failed&stage=flat").text
