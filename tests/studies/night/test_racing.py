"""Nights whose trials race: what is clearly worse draws no more pictures, and everything goes on from there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console

from scorers.features import Features
from search.racing import Race, race_order
from studies.candidate import Candidate
from studies.cli.main import main
from studies.inputs.models import model_hashes
from studies.night.calibration import calibration_recipes
from studies.night.night import Night
from studies.night.race import TrialRace
from studies.night.workshop import NotKeptError, Workshop
from studies.store.opening import store_for_reading
from studies.store.records import STOPPED, Stop
from studies.studyfile.read import read_study_file
from studies.studyfile.spec import StudySpec
from tests.studies.sample_study import write_small_study

QUIET = Console(quiet=True)


def racing_study(folder: Path) -> Path:
    """The small study with twelve pictures a trial and knobs that can spoil them."""
    study = write_small_study(folder, groups=2)
    text = study.read_text().replace("[search]", "[search]\nracing = true\nshots = 12")
    text = text.replace("seeds = [1, 2]", "seeds = [1, 2, 5, 6, 7, 8]")
    text = text.replace("seeds = [3, 4]", "seeds = [3, 4, 9, 10, 13, 14]")
    study.write_text(text.replace("CONT = [-3, 3]", "CONT = [-9, 9]").replace("adjust = 2", "adjust = 6"))
    return study


@pytest.fixture(scope="module")
def raced(tmp_path_factory: pytest.TempPathFactory) -> StudySpec:
    spec = read_study_file(racing_study(tmp_path_factory.mktemp("raced")))
    assert Night(spec, QUIET).run() is not None
    return spec


def stops(spec: StudySpec) -> dict[int, Stop]:
    found = {one.number: Stop.of(one.user_attrs) for one in store_for_reading(spec.storage).trials()}
    return {number: stop for number, stop in found.items() if stop}


def test_what_is_clearly_worse_draws_no_more_pictures(raced: StudySpec) -> None:
    trials = {one.number: one for one in store_for_reading(raced.storage).trials()}
    found = stops(raced)
    assert found
    best = max(one.value for one in trials.values() if one.value is not None)
    for number, stop in found.items():
        assert len(stop.drawn) in (4, 8)
        assert stop.shots == 12
        assert stop.difference < stop.upper < 0
        value = trials[number].value
        assert value is not None
        assert value < best
        prompts = {raced.shots.trials[place].prompt for place in stop.drawn}
        assert len(prompts) == 2  # the first pictures are of every prompt
    whole = [one for one in trials.values() if STOPPED not in one.user_attrs]
    assert max(whole, key=lambda one: one.value or -9).value == best


def test_calibration_recipes_do_not_race(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = racing_study(tmp_path)
    study.write_text(study.read_text().replace("shots = 12", "shots = 8"))  # of the 12 that calibration draws
    spec = read_study_file(study)

    def gives_up(race: TrialRace, features: Features) -> bool:
        race.lost_by = race.panel.compare(features, race.pictures)
        return True

    monkeypatch.setattr(TrialRace, "is_lost", gives_up)  # whatever races
    Night(spec, QUIET, proof=False).run()
    keys = {one.key for one in calibration_recipes(spec.search).values()}
    trials = store_for_reading(spec.storage).trials()
    whole = {one.user_attrs["recipe_key"] for one in trials if STOPPED not in one.user_attrs}
    assert keys <= whole
    assert stops(spec)


def test_its_share_is_known_to_the_search(raced: StudySpec) -> None:
    shares = {one.share for one in store_for_reading(raced.storage).history()}
    assert {round(len(stop.drawn) / 12, 3) for stop in stops(raced).values()} == {round(s, 3) for s in shares} - {1.0}


def test_a_night_that_goes_on_renders_nothing_again(raced: StudySpec, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {path: path.stat().st_mtime_ns for path in raced.storage.folder.glob("renders/**/features.safetensors")}
    Night(raced, QUIET).run()
    after = {path: path.stat().st_mtime_ns for path in raced.storage.folder.glob("renders/**/features.safetensors")}
    assert after == before


def test_renders_of_a_race_that_was_lost_count_only_where_it_is_lost_again(raced: StudySpec) -> None:
    """Another worker's night may have raced the candidate against another trial than today's best."""
    number, stop = next(iter(stops(raced).items()))
    candidate = Candidate.of(store_for_reading(raced.storage).trials()[number].user_attrs)
    workshop = Workshop.open(raced, model_hashes(raced.merge, raced.storage), kept_on="cpu")
    shots = raced.shots.drawn(())
    order, looks = race_order([shot.prompt for shot in shots]), Race().looks(len(shots))
    work, places = workshop.make_until(candidate, shots, order, looks, lambda _: True)
    assert (len(work.features), places) == (len(stop.drawn), stop.drawn)
    with pytest.raises(NotKeptError):
        workshop.make_until(candidate, shots, order, looks, lambda _: False)


@pytest.mark.parametrize("command", ["show", "report"])
def test_the_study_is_shown(raced: StudySpec, command: str, tmp_path: Path) -> None:
    options = ["--out", str(tmp_path)] if command == "report" else []
    said = CliRunner().invoke(main, [command, str(raced.storage.file), *options])
    assert said.exit_code == 0, said.output
    if command == "report":
        assert re.search("[48] of 12 pictures", (tmp_path / "report.html").read_text(encoding="utf-8"))
    else:
        spared = sum(stop.shots - len(stop.drawn) for stop in stops(raced).values())
        assert f"given up early, {spared} pictures not drawn" in " ".join(said.output.split())


def test_trials_that_were_given_up_are_rescored_from_the_pictures_they_have(tmp_path: Path) -> None:
    spec = read_study_file(racing_study(tmp_path))
    Night(spec, QUIET, proof=False).run()
    given_up = set(stops(spec))
    assert given_up
    text = spec.storage.file.read_text()
    weights = "weights = { style = 2.0, clip = 0.2, stats = 0.3 }"
    spec.storage.file.write_text(text.replace("[scorers]", "[scorers]\n" + weights))
    said = CliRunner().invoke(main, ["rescore", str(spec.storage.file)])
    assert said.exit_code == 0, said.output
    later = {one.number: one for one in store_for_reading(spec.storage).trials()}
    for number in given_up:
        assert later[number].value != later[number].user_attrs["value before"]
        assert later[number].value is not None
