"""The page of one trial."""

from __future__ import annotations

import html
import re
from pathlib import Path

import pytest

from engine.shots.infotext import read_fields
from studies.pages.reading.reader import StudyReader
from studies.pages.reading.start_lines import start_lines
from studies.studyfile.read import read_study_file
from tests.studies.pages.conftest import Visitor
from tests.studies.pages.made_gallery import FAILED, RUNNING, SCRIPT, SHEETLESS


def test_every_picture_has_its_prompt_seed_and_text_to_paste(gallery: Path, visitor: Visitor) -> None:
    text = visitor(gallery).get("/s/mix/trials/17").text
    shots = StudyReader(gallery).read().spec.shots.trials
    assert re.findall(r'src="/s/mix/pictures/(t17\.\d)\.640', text) == [f"t17.{place}" for place in range(8)]
    pasted = [read_fields(html.unescape(one)) for one in re.findall(r"<pre>(.*?)</pre>", text, re.DOTALL)[:8]]
    assert [(one["Prompt"], one["Seed"]) for one in pasted] == [(shot.prompt, str(shot.seed)) for shot in shots]
    assert not any("Model" in one for one in pasted)


def test_prompts_reasons_and_remarks_are_text(gallery: Path, visitor: Visitor) -> None:
    study, client = StudyReader(gallery).read(), visitor(gallery)
    remarked = next(trial for trial in study.trials if trial.attributes.get("remarks"))
    for place in (f"trials/{remarked.number}", f"trials/{FAILED}", f"compare?left={remarked.number}&right=A"):
        text = client.get(f"/s/mix/{place}").text
        assert "&lt;script&gt;alert" in text
        assert "<script>alert" not in text
        assert "<script " in text  # those of the pages themselves


def test_parents_stand_beside_at_equal_prompts_and_seeds(gallery: Path, visitor: Visitor) -> None:
    text = visitor(gallery).get("/s/mix/trials/17?beside=A,FLAT_50,nothing").text
    rows = re.findall(r'<div class="together">(.*?)</div>', text, re.DOTALL)
    names = [re.findall(r'src="/s/mix/pictures/(t\d+\.\d)\.640', row) for row in rows]
    assert names == [[f"t17.{place}", f"t0.{place}", f"t3.{place}"] for place in range(8)]


def test_scores_are_words_and_raw_numbers_are_details(gallery: Path, visitor: Visitor) -> None:
    study, client = StudyReader(gallery).read(), visitor(gallery)
    best, worst = study.scored[0], study.scored[-1]
    text = client.get(f"/s/mix/trials/{best.number}").text
    assert "closer to the look than those of FLAT_50, beyond the noise" in text
    assert "further from the look" in client.get(f"/s/mix/trials/{worst.number}").text
    assert "not told apart from those of FLAT_50" in client.get("/s/mix/trials/3").text
    raw = f"{best.attributes['scores']['style']['raw']:.4f}"
    assert raw not in text.partition("<details><summary>Details")[0]
    assert raw in text.partition("<details><summary>Details")[2]


def test_a_failed_trial_says_why_and_one_in_work_that_it_is(gallery: Path, visitor: Visitor) -> None:
    client = visitor(gallery)
    failed = client.get(f"/s/mix/trials/{FAILED}").text
    assert f"It has no score: all black {html.escape(SCRIPT, quote=False)}".replace("'", "&#39;") in failed
    assert "No picture of it is kept." in failed
    assert "It is in work" in client.get(f"/s/mix/trials/{RUNNING}").text
    assert "No picture of it is kept." in client.get(f"/s/mix/trials/{SHEETLESS}").text


def test_the_recipe_differs_from_a_flat_and_another_in_words(gallery: Path, visitor: Visitor) -> None:
    client = visitor(gallery)
    text = client.get("/s/mix/trials/2").text  # FLAT_25
    differences = re.findall(r"<dt>from (.*?)</dt>\s*<dd>(.*?)</dd>", text, re.DOTALL)
    assert [(name, words.strip()) for name, words in differences] == [
        ("A", "IN00 to OUT11: more of B, by 0.25"),
        ("FLAT_50", "IN00 to OUT11: less of B, by 0.25"),
    ]
    text = client.get("/s/mix/trials/2?against=20").text
    assert "from Trial 20" in text
    assert "Self OUT05:attn1" in text
    assert "Bars: this trial; marks: Trial 20." in text


def test_neighbours_and_the_way_on(gallery: Path, visitor: Visitor) -> None:
    client = visitor(gallery)
    text = client.get("/s/mix/trials/3").text
    neighbours = re.findall(r'compare\?left=3&amp;right=(\d+)"', text)
    assert len(neighbours) == 6
    alike = client.get("/s/mix/trials?like=3").text.partition("thumbs gallery")[2]
    assert neighbours == re.findall(r'name="pick" value="(\d+)"', alike)[:6]
    assert 'rel="prev" data-key="ArrowLeft" href="/s/mix/trials/2"' in text
    assert 'rel="next" data-key="ArrowRight" href="/s/mix/trials/4"' in text
    assert 'rel="prev"' not in client.get("/s/mix/trials/0").text
    assert 'rel="next"' not in client.get("/s/mix/trials/69").text


@pytest.mark.parametrize("number", ["70", "x", "-1", "1e3", "\u0663", "9" * 30])
def test_other_trials_are_not_here(gallery: Path, visitor: Visitor, number: str) -> None:
    assert visitor(gallery).get(f"/s/mix/trials/{number}").status_code == 404


@pytest.mark.parametrize("number", [2, 20])
def test_the_lines_to_start_from_begin_a_study_at_the_recipe(gallery: Path, tmp_path: Path, number: int) -> None:
    study = StudyReader(gallery).read()
    trial = study.by_number[number]
    assert trial.candidate is not None
    lines = start_lines(study.spec.search.space, trial.candidate, trial.point, f"trial-{number}")
    assert bool(lines.file) == (number == 20)  # it has a Self factor and an Adjust value
    if lines.file:
        (tmp_path / lines.file).write_text(lines.recipe)
    text = gallery.read_text().replace("[search]", f"{lines.space}\n\n{lines.search}")
    (tmp_path / "study.toml").write_text(text)
    search = read_study_file(tmp_path / "study.toml").search
    assert search.plan.start is not None
    assert dict(search.plan.start.point) == pytest.approx(dict(trial.point))
    narrow = next(knob for knob in search.space.free if knob.name == "OUT03")
    assert narrow.high - narrow.low <= 0.4 + 1e-9
