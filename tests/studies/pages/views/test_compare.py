"""Two recipes side by side."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from studies.pages.reading.pictures import AMPLIFIED, kept_picture
from studies.pages.reading.reader import StudyReader
from studies.pages.templating import signed
from tests.studies.pages.conftest import Visitor
from tests.studies.pages.made_gallery import SHEETLESS

PICTURE = re.compile(r'src="/s/\w+/pictures/([^"]+)\.640')


def test_a_trial_and_a_parent_at_equal_prompts_and_seeds(gallery: Path, visitor: Visitor) -> None:
    text = visitor(gallery).get("/s/mix/compare?left=17&right=A").text
    assert PICTURE.findall(text) == [name for place in range(8) for name in (f"t17.{place}", f"t0.{place}")]
    assert "r0.320" in text


def test_differences_are_pictures_of_the_server(gallery: Path, visitor: Visitor) -> None:
    client, study = visitor(gallery), StudyReader(gallery).read()
    text = client.get("/s/mix/compare?left=17&right=A&difference=1").text
    assert PICTURE.findall(text)[:3] == ["t17.0", "t0.0", "d_t17.0_t0.0"]
    one, other, both = (kept_picture(study, name) for name in ("t17.0", "t0.0", "d_t17.0_t0.0"))
    assert one is not None
    assert other is not None
    assert both is not None
    far = np.abs(one.read().astype(int) - other.read().astype(int))
    assert np.array_equal(both.read(), np.minimum(far * AMPLIFIED, 255))
    assert both.read().max() > 0
    same = kept_picture(study, "d_t17.0_t17.0")
    assert same is not None
    assert same.read().max() == 0
    assert client.get("/s/mix/pictures/d_t17.0_t0.0.320.webp").headers["content-type"] == "image/webp"
    for name in ("d_t17.0_x", "d_t17.0_d_t1.0_t2.0", "d__", "d_t17.0_t999.0", "d_t17_r0"):
        assert client.get(f"/s/mix/pictures/{name}.320.webp").status_code == 404, name


def test_only_what_differs_is_named_the_largest_first(gallery: Path, visitor: Visitor) -> None:
    client = visitor(gallery)
    text = client.get("/s/mix/compare?left=20&right=FLAT_50").text
    sizes = [
        abs(float(size.replace("\N{MINUS SIGN}", "-")))
        for size in re.findall(r"([+\N{MINUS SIGN}][\d.]+)</td></tr>", text)
    ]
    blocks = re.findall(r'<tr><th scope="row">((?:IN|OUT|M)\d+)</th>', text)
    assert len(blocks) == 25
    assert sizes[:25] == sorted(sizes[:25], reverse=True)
    assert "Adjust CONT" in text
    assert "They are the same recipe." in client.get("/s/mix/compare?left=3&right=FLAT_50").text


def test_leads_are_told_with_their_doubt(gallery: Path, visitor: Visitor) -> None:
    client, study = visitor(gallery), StudyReader(gallery).read()
    best, worst = study.scored[0].number, study.scored[-1].number
    text = client.get(f"/s/mix/compare?left={best}&right={worst}").text
    assert f"Trial {best} scores +" in text
    assert "That does not tell them apart." not in text
    assert "That does not tell them apart." in client.get("/s/mix/compare?left=0&right=3").text
    assert "No lead is known" in client.get("/s/mix/compare?left=5&right=3").text


def test_finalists_and_parents_are_compared_on_held_out_pictures(copied: Path, visitor: Visitor) -> None:
    study, client = StudyReader(copied).read(), visitor(copied)
    assert study.outcome is not None
    first = study.outcome.finalists[0]
    text = client.get("/s/small/compare?left=f1&right=A").text
    lead = next(one for one in first.comparisons if one.against == "A")
    assert f"On held-out pictures Finalist 1 leads A by {signed(lead.mean)}" in text
    held_out = [name for name in PICTURE.findall(text) if name.startswith("p-")]
    assert held_out[:2] == [f"p-{first.candidate.key[:20]}.0", f"p-{study.outcome.baselines[0].candidate.key[:20]}.0"]
    assert client.get(f"/s/small/pictures/{held_out[0]}.320.webp").status_code == 200
    assert "On held-out pictures" not in client.get("/s/small/compare?left=3&right=A").text


@pytest.mark.parametrize("query", ["left=999&right=A", "left=A&right=f9", "left=<script>&right=A", "left=A&right=%00"])
def test_what_the_study_has_not_is_asked_again(gallery: Path, visitor: Visitor, query: str) -> None:
    answer = visitor(gallery).get(f"/s/mix/compare?{query}")
    assert answer.status_code == 404
    assert "This study has no recipe" in answer.text
    assert "<script>&" not in answer.text


def test_without_a_shared_picture_nothing_stands_side_by_side(gallery: Path, visitor: Visitor) -> None:
    text = visitor(gallery).get(f"/s/mix/compare?left={SHEETLESS}&right=A").text
    assert "nothing can be compared fairly" in text
    assert 'class="pairs' not in text
