"""The page of what mattered."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from search.errors import SearchError
from studies.pages.background.finders import Finder
from studies.pages.reading import importance as reading
from studies.pages.reading.importance import what_mattered
from studies.pages.reading.reader import StudyReader
from tests.studies.pages.conftest import Visitor
from tests.studies.sample_study import write_small_study

REFRESH = '<meta http-equiv="refresh"'


def waited(client: TestClient, address: str) -> str:
    """The page once it has what mattered."""
    until = time.monotonic() + 120
    while REFRESH in (text := client.get(address).text) and time.monotonic() < until:
        time.sleep(0.2)
    return text


def test_the_page_waits_then_shows_what_mattered_with_its_numbers_as_text(copied: Path, visitor: Visitor) -> None:
    client = visitor(copied)
    first = client.get("/s/small/importance")
    assert first.status_code == 200
    assert REFRESH in first.text
    assert "Scores by trial" in first.text
    text = waited(client, "/s/small/importance")
    assert REFRESH not in text
    knobs = StudyReader(copied).read().spec.search.space.free
    table = text[text.index("All as a table") :]
    assert all(knob.name.rpartition(":")[2] in table for knob in knobs)
    assert text.count("<svg") == len(re.findall(r'<svg [^>]*role="img" aria-label="[^"]+"', text)) > 8
    assert "style=" not in text
    assert "<script>" not in text


def test_a_study_without_trials_says_so(tmp_path: Path, visitor: Visitor) -> None:
    text = visitor(write_small_study(tmp_path)).get("/s/small/importance").text
    assert "too few to tell" in text
    assert "<svg" not in text


def test_it_is_worked_out_once_for_every_state(copied: Path) -> None:
    study, finder = StudyReader(copied).read(), Finder(what_mattered)
    assert finder.state(study).found is None
    assert finder.state(study).is_working
    finder.wait(120)
    found = finder.state(study).found
    assert found is not None
    assert finder.state(study).found is found
    assert not finder.state(study).is_working
    assert found.after == len(study.scored)
    assert found.importance.used == found.importance.known == len(study.scored)


def test_what_keeps_it_from_being_worked_out_is_said(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise SearchError("a point of another space")

    monkeypatch.setattr(reading, "importance", refused)
    finder, study = Finder(what_mattered), StudyReader(copied).read()
    finder.state(study)
    finder.wait(60)
    assert "a point of another space" in finder.state(study).problem


def test_parts_are_in_order_and_bounded(copied: Path) -> None:
    found = what_mattered(StudyReader(copied).read())
    assert found is not None
    changes = [one.effect.change for one in found.effects]
    assert changes == sorted(changes, reverse=True)
    assert len(found.bars) <= 12
    names = [one.name for one in found.maps["block"]]
    assert names.index("IN00") < names.index("M00") < names.index("OUT11")
    assert {one.name for one in found.maps["self"]} == {"Self OUT11:attn1"}
    assert found.largest > 0
