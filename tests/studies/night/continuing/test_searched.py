"""What proposals depend on is recorded, and a later night says how it differs."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import pytest

from studies.night.continuing import searched
from studies.night.continuing.searched import CODE, note_search, versions
from studies.store.note_keys import SEARCHED
from studies.store.storage import StudyStore
from studies.studyfile.read import read_study_file
from studies.studyfile.spec import SearchSettings
from tests.studies.sample_study import write_small_study


@pytest.fixture
def search(tmp_path: Path) -> SearchSettings:
    return read_study_file(write_small_study(tmp_path)).search


def with_plan(search: SearchSettings, **plan: object) -> SearchSettings:
    return replace(search, plan=replace(search.plan, **plan))  # pyright: ignore[reportArgumentType]


def test_all_of_it_is_recorded_once(tmp_path: Path, search: SearchSettings, caplog: pytest.LogCaptureFixture) -> None:
    store = StudyStore(tmp_path, "small")
    for _ in range(2):
        note_search(store, search)
    (only,) = StudyStore(tmp_path, "small").noted(SEARCHED)
    assert only["settings"]["sampler"] == "surrogate"
    assert only["settings"]["blocks"] == "2"
    assert {"sd-recipe-search", "optuna", "numpy", "scipy", "cmaes", CODE} == only["versions"].keys()
    assert len(only["versions"][CODE]) == 12
    assert caplog.messages == []


def test_other_counts_are_recorded_without_a_word(
    tmp_path: Path, search: SearchSettings, caplog: pytest.LogCaptureFixture
) -> None:
    store = StudyStore(tmp_path, "small")
    note_search(store, search)
    note_search(store, with_plan(search, blocks=7, patience=3))
    note_search(store, search)
    assert [one["settings"]["blocks"] for one in store.noted(SEARCHED)] == ["2", "7", "2"]
    assert caplog.messages == []


def test_another_sampler_other_options_and_another_version_are_said(
    tmp_path: Path, search: SearchSettings, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = StudyStore(tmp_path, "small")
    note_search(store, search)
    tpe = with_plan(search, sampler="tpe", options={"multivariate": True}, blocks=9)
    known = versions()
    monkeypatch.setattr(searched, "versions", lambda: {**known, "scipy": "9.9", CODE: "0" * 12})
    note_search(store, tpe)
    (said,) = caplog.messages
    assert said.startswith(
        'the search goes on in another way than before: search.options was {}, is {"multivariate": true}; '
        f"search.sampler was surrogate, is tpe; scipy was {known['scipy']}, is 9.9; {CODE} was {known[CODE]}, is 000"
    )
    assert "blocks" not in said
    assert caplog.records[0].levelno == logging.WARNING
    note_search(store, tpe)
    assert len(caplog.messages) == 1


def test_a_study_of_before_goes_on_and_is_recorded_from_then_on(
    tmp_path: Path, search: SearchSettings, caplog: pytest.LogCaptureFixture
) -> None:
    store = StudyStore(tmp_path, "small")
    assert store.noted(SEARCHED) is None
    note_search(store, search)
    settings = {name: text for name, text in store.noted(SEARCHED)[0]["settings"].items() if name != "gain"}
    store.note(SEARCHED, [{**store.noted(SEARCHED)[0], "settings": settings | {"of a later version": "1"}}])
    note_search(store, search)
    assert len(store.noted(SEARCHED)) == 2
    assert caplog.messages == [], "what one version does not have was changed by nobody"
