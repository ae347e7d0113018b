"""The night's page."""

from __future__ import annotations

import html
import re
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from engine.recipes.recipe import Recipe
from search.importance import FEWEST_SCORES
from studies.candidate import Candidate
from studies.pages.charts.weights import weights_chart
from studies.pages.reading.best import model_best
from studies.pages.reading.pace import pace
from studies.pages.reading.reader import StudyReader
from studies.pages.views.night import strip
from studies.recipes.recipe_words import recipe_words
from studies.store.backends.journal.workers import joined
from studies.store.backends.requests import FolderRequests
from studies.studyfile.read import read_study_file
from tests.studies.chain_studies import approved, begun, typed
from tests.studies.pages.conftest import Visitor
from tests.studies.sample_study import write_small_study

SCRIPT = "<script>alert('x')</script>"


def test_the_answer_comes_first_after_the_proof(copied: Path, visitor: Visitor) -> None:
    text = visitor(copied).get("/s/small").text
    outcome = StudyReader(copied).read().outcome
    assert outcome is not None
    headline = html.unescape(re.findall(r"<h1>\s*(.*?)\s*</h1>", text, re.DOTALL)[0])
    assert headline.startswith("Found:" if outcome.winner else "Proved: no recipe beats")
    key = outcome.finalists[0].candidate.key[:20]
    assert f"pictures/p-{key}.0.320.webp" in text


def test_buttons_are_for_those_who_may_write(copied: Path, visitor: Visitor) -> None:
    assert "<button" not in visitor(copied).get("/s/small").text.partition("actions")[2]
    assert "Go on searching" in visitor(copied, writes=True).get("/s/small").text


@pytest.mark.skipif(sys.platform == "win32", reason="file size limits are a POSIX matter")
def test_a_full_disk_is_said_on_a_page_with_the_way_back(copied: Path, visitor: Visitor) -> None:
    import resource

    folder, client = read_study_file(copied).storage.folder, visitor(copied, writes=True)
    with joined(folder, lambda: None):
        time.sleep(2.1)  # as below
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
        try:
            answer = client.post("/s/small/ask", data={"what": "pause"})
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert answer.status_code == 409
    assert "the disk is full" in answer.text
    assert '<a href="/s/small">Back to the study</a>' in answer.text


def test_the_state_beside_the_name_goes_on_with_the_page(copied: Path, visitor: Visitor) -> None:
    client = visitor(copied)
    assert client.get("/s/small").text.count('id="state"') == 1
    assert re.search(r'<span id="state" hx-swap-oob="true">.*proved', client.get("/s/small?part=live").text)


def test_a_night_is_paused_and_stopped_by_a_page(copied: Path, visitor: Visitor) -> None:
    folder, client = read_study_file(copied).storage.folder, visitor(copied, writes=True)
    assert client.post("/s/small/ask", data={"what": "pause"}).status_code == 409
    with joined(folder, lambda: None):
        time.sleep(2.1)  # the reader takes it for that long that the same workers are at work
        assert client.post("/s/small/ask", data={"what": "pause"}).status_code == 303
        assert "pause" in FolderRequests(folder).asked()
        assert "Paused after 13" in client.get("/s/small").text
        assert client.post("/s/small/ask", data={"what": "stop"}).status_code == 303
        assert client.post("/s/small/ask", data={"what": "go on"}).status_code == 303
        assert "pause" not in FolderRequests(folder).asked()
        assert "stop" not in FolderRequests(folder).asked()
        assert client.post("/s/small/ask", data={"what": "dance"}).status_code == 400


def test_names_and_reasons_are_shown_as_text(tmp_path: Path, visitor: Visitor) -> None:
    file = write_small_study(tmp_path)
    file.write_text(file.read_text().replace('name = "small"', f'name = "{SCRIPT}"'))
    client = visitor(file)
    (place,) = re.findall(r'href="(/s/[^"/]+)"', client.get("/").text) or [client.get("/").headers["location"]]
    text = client.get(place).text
    assert "<script>alert" not in text


def test_the_part_that_changes_is_no_whole_page(copied: Path, visitor: Visitor) -> None:
    text = visitor(copied).get("/s/small?part=live").text
    assert "<html" not in text
    assert "<h1>" in text


def test_the_models_best_is_no_lucky_trial(copied: Path) -> None:
    study = StudyReader(copied).read()
    best = model_best(study)
    assert best is not None
    assert best.after == len(study.scored) >= FEWEST_SCORES
    assert best.nearest in study.by_number
    assert isinstance(best.candidate, Candidate)


def test_before_the_proof_trials_stand_side_by_side(copied: Path) -> None:
    (read_study_file(copied).storage.folder / "outcome.json").unlink()
    study = StudyReader(copied).read()
    columns = strip(study, model_best(study))
    assert [column.label for column in columns][:3] == ["best", "A", "B"]
    assert columns[3].label.startswith("FLAT 0.")
    by_label = {column.label: study.by_number[column.trial] for column in columns if column.trial is not None}
    assert set(by_label["A"].point.values()) >= {0.0}
    assert len({column.trial for column in columns[1:]}) == 3


def test_the_pace_leaves_breaks_between_nights_out(copied: Path) -> None:
    study = StudyReader(copied).read()
    now = datetime.now(UTC).replace(microsecond=0, tzinfo=None)
    ends = [now - timedelta(days=1) + timedelta(seconds=60 * n) for n in range(7)]
    ends += [now + timedelta(seconds=60 * n) for n in range(6)]
    for trial, end in zip(study.trials, ends, strict=True):
        object.__setattr__(trial, "ended", end)
    measured = pace(study)
    assert measured is not None
    assert measured.per_hour == pytest.approx(60)
    assert measured.done_at is None  # no night is at work


def test_a_chart_says_its_numbers_and_marks_the_other_recipe() -> None:
    (row,), (other,) = recipe_words(Recipe.flat(0.25)).rows, recipe_words(Recipe.flat(1.0, base=1.0)).rows
    text = str(weights_chart(row, other))
    assert "OUT11 0.25" in text
    assert text.count('class="beside"') == 26
    assert text.count('class="bar"') == 26
    assert "style=" not in text


def test_leaning_blocks_are_named_in_runs() -> None:
    alpha = (0.0, *(1.0,) * 6, *(0.5,) * 6, 0.1, *(0.0,) * 5, *(0.5,) * 6, 0.9)
    merge = Recipe.flat(0.0).steps[0]
    object.__setattr__(merge, "alpha", alpha)
    leans = recipe_words(Recipe(steps=(merge,))).leans
    assert [(lean.first, lean.last, lean.model) for lean in leans] == [
        ("IN00", "IN05", "B"),
        ("M00", "OUT04", "A"),
        ("OUT11", "OUT11", "B"),
    ]


def test_a_later_stage_says_what_was_done_before(tmp_path: Path, visitor: Visitor) -> None:
    study, a, b = begun(tmp_path), tmp_path / "alpha.safetensors", tmp_path / "third.safetensors"
    approved(study, Recipe.flat(0.3))
    assert typed("init", tmp_path / "two.toml", "--from", study, "-a", a, "-b", b).exit_code == 0
    text = html.unescape(visitor(tmp_path / "two.toml").get("/s/two").text)
    assert "Stage 2 of a chain</h2>" in text
    assert "<li>alpha: 1 step (Weight sum of A, B, alpha 0.3 (BASE 0)), saved as alpha.safetensors</li>" in text
    assert "of a chain" not in visitor(study).get("/s/small").text
