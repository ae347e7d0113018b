"""A study that begins with a finished one copies its trials once, and is told where it cannot."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console

from search.samplers.optuna_samplers import distributions
from search.suggester import Proposal
from studies.cli.main import main
from studies.errors import StudyError
from studies.night.continuing.earlier_study import with_earlier_study
from studies.night.night import Night
from studies.results.probe import ProbedModel, probe_file, write_probe
from studies.store.earlier import copy_of, open_earlier
from studies.store.storage import StudyStore
from studies.studyfile.earlier import COPY
from studies.studyfile.read import read_study_file
from studies.studyfile.spec import StudySpec
from tests.studies.results.test_probe_beginning import one_at_a_time

QUIET = Console(quiet=True)


@pytest.fixture
def second(copied: Path) -> Path:
    """The study file of a study that begins with a finished one, beside it."""
    study = copied.with_name("second.toml")
    text = copied.read_text().replace('name = "small"', 'name = "second"')
    study.write_text(text.replace("[search]", '[search]\nbegin = "study:study.toml"'))
    return study


def models_of(spec: StudySpec) -> dict[str, str]:
    inputs = StudyStore(spec.storage.folder, spec.storage.name).noted("inputs")
    return {letter: inputs[f"models.{letter}"] for letter in spec.merge.models}


def test_a_study_begins_with_what_another_one_found_and_needs_it_no_more(copied: Path, second: Path) -> None:
    first = read_study_file(copied)
    valued = [one for one in StudyStore(first.storage.folder, "small").history() if one.value is not None]
    said = CliRunner().invoke(main, ["check", str(second)])
    assert f'begins with what the study "small" found: {len(valued)} of its' in " ".join(said.output.split())
    Night(read_study_file(second), QUIET).run()
    spec = read_study_file(second)
    plan, store = spec.search.plan, StudyStore(spec.storage.folder, "second")
    assert plan.earlier is not None
    assert [one.value for one in plan.earlier.trials] == [one.value for one in valued]
    assert [one.stage for one in plan.earlier.trials] == [one.stage for one in valued]
    assert [one.label for one in plan.beginnings] == ["best of small"]
    assert "best of small" in [trial.user_attrs["name"] for trial in store.trials()]
    proposal = spec.search.suggester().next(store.history()[:-2])
    shutil.rmtree(first.storage.folder)
    copied.unlink()
    again = read_study_file(second)
    assert again.search.plan.earlier == plan.earlier
    assert again.search.suggester().next(store.history()[:-2]) == proposal
    Night(again, QUIET).run()


def test_a_study_begins_with_its_own_probe_and_says_where_there_is_none(copied: Path, second: Path) -> None:
    second.write_text(second.read_text().replace('"study:study.toml"', '["GRAD_V", "probe"]'))
    spec, models = read_study_file(second), models_of(read_study_file(copied))
    store = StudyStore(spec.storage.folder, "second")
    said = CliRunner().invoke(main, ["check", str(second)])
    assert said.exit_code != 0
    assert "this study has no probe yet" in " ".join(said.output.split())
    with pytest.raises(StudyError, match=r"search.begin: .*no probe yet; run `recipe-search probe`"):
        with_earlier_study(spec, store, models)
    found = tuple(ProbedModel(letter=one, name=one, sha256=digest) for one, digest in models.items())
    write_probe(spec.storage.folder, replace(one_at_a_time(), models=found))
    said = CliRunner().invoke(main, ["check", str(second)])
    assert "begins with what its probe measured: 52 of its 53 recipes" in " ".join(said.output.split())
    begun = with_earlier_study(spec, store, models).search.plan
    assert begun.earlier is not None
    assert begun.earlier.label == "the probe"
    assert [one.label for one in begun.beginnings] == ["best of the probe", "GRAD_V"]
    probe_file(spec.storage.folder).unlink()
    again = read_study_file(second)
    assert again.search.plan.earlier == begun.earlier
    assert with_earlier_study(again, store, models).search.plan == begun


def test_a_probe_of_other_models_is_refused_by_the_night(copied: Path, second: Path) -> None:
    second.write_text(second.read_text().replace("study:study.toml", "probe"))
    spec, models = read_study_file(second), models_of(read_study_file(copied))
    write_probe(spec.storage.folder, one_at_a_time())
    with pytest.raises(StudyError, match=r"search.begin: .*probe of other models"):
        with_earlier_study(spec, StudyStore(spec.storage.folder, "second"), models)


def test_a_probe_beside_an_earlier_study_is_one_too_many(second: Path) -> None:
    second.write_text(second.read_text().replace('"study:study.toml"', '["study:study.toml", "probe"]'))
    with pytest.raises(StudyError, match=r"search.begin\[2\]: comes beside other earlier trials"):
        read_study_file(second)


def test_the_copy_in_the_storage_counts_where_the_folder_has_none(copied: Path, second: Path) -> None:
    spec = read_study_file(second)
    store, models = StudyStore(spec.storage.folder, "second"), models_of(read_study_file(copied))
    begun = with_earlier_study(spec, store, models)
    (spec.storage.folder / COPY).unlink()
    shutil.rmtree(read_study_file(copied).storage.folder)
    assert with_earlier_study(read_study_file(second), store, models).search.plan.earlier == begun.search.plan.earlier
    assert (spec.storage.folder / COPY).exists()


def test_other_models_are_refused_and_one_of_them_is_told(copied: Path, second: Path) -> None:
    spec, models = read_study_file(second), models_of(read_study_file(copied))
    store = StudyStore(spec.storage.folder, "second")
    for others, says in (
        ({"A": "0" * 64, "B": "1" * 64}, "merged other models, so its recipes say nothing of these"),
        ({"A": models["B"], "B": models["A"]}, "merged the same models under other letters"),
    ):
        with pytest.raises(StudyError, match=says) as told:
            with_earlier_study(spec, store, others)
        assert "search.begin" in str(told.value)
        assert not (spec.storage.folder / COPY).exists()
    with_earlier_study(spec, store, models | {"B": "1" * 64})
    assert "its model B was another one" in json.loads((spec.storage.folder / COPY).read_text())["remark"]


def test_trials_with_broken_pictures_are_copied_as_such(copied: Path, second: Path) -> None:
    first, own = read_study_file(copied), read_study_file(second)
    store = StudyStore(first.storage.folder, "small")
    point = store.history()[0].point
    trial = store.begin(Proposal(stage="blocks", point=point), distributions(first.search.space))
    trial.set_user_attr("recipe", first.search.candidate(point).recipe.text)
    store.fail(trial, "infeasible: black pictures")
    copy = copy_of(open_earlier(copied, own.storage), "study:", own.search.space, 1)
    last = copy.earlier(own.search.space).trials[-1]
    assert (last.value, last.infeasible, last.stage) == (None, True, "blocks")
    assert sum(one.infeasible for one in copy.earlier(own.search.space).trials) == 1


def test_knobs_that_the_earlier_study_lacks_are_at_rest_and_trials_outside_of_the_space_are_left_out(
    copied: Path, second: Path
) -> None:
    second.write_text(second.read_text().replace("CONT = [-3, 3]", "CONT = [-3, 3]\nBRI = [-2, 2]"))
    spec = read_study_file(second)
    earlier = open_earlier(copied, spec.storage)
    whole = copy_of(earlier, "study:", spec.search.space, 1)
    assert {one.point["adjust:BRI"] for one in whole.trials} == {0.0}
    second.write_text(second.read_text().replace("[space.adjust]", "[space.blocks]\nhigh = 0.8\n\n[space.adjust]"))
    some = copy_of(earlier, "study:", read_study_file(second).search.space, 1)
    assert 8 <= len(some.trials) < len(whole.trials)
    assert f"{len(whole.trials) - len(some.trials)} lie outside of this study's [space]" in some.remark
    assert all(max(one.point[f"OUT{n:02}"] for n in range(12)) <= 0.8 for one in some.trials)


def test_a_study_of_another_space_is_refused_with_the_reason(copied: Path, second: Path) -> None:
    second.write_text(
        second.read_text().replace("[space.adjust]", "[space.blocks]\nfreeze = { OUT05 = 0.9 }\n\n[space.adjust]")
    )
    said = CliRunner().invoke(main, ["check", str(second)])
    words = " ".join(said.output.split())
    assert "of it have a score, and 0 of them lie in this study's [space] (for example: OUT05 = " in words
    assert "at least 8 are needed" in words
    assert said.exit_code != 0


@pytest.mark.parametrize(
    ("begin", "says"),
    [
        ("study:", "search.begin[1]: names no study"),
        ("study:~nosuchuser/study.toml", "search.begin[1]: "),
    ],
)
def test_texts_that_name_no_study_are_problems_of_the_file(second: Path, begin: str, says: str) -> None:
    second.write_text(second.read_text().replace("study:study.toml", begin))
    with pytest.raises(StudyError) as told:
        read_study_file(second)
    assert says in str(told.value)


def test_two_studies_are_one_too_many(second: Path) -> None:
    second.write_text(second.read_text().replace('"study:study.toml"', '["study:a.toml", "GRAD_V", "study:b.toml"]'))
    with pytest.raises(StudyError, match=r"search.begin\[3\]: is a second study"):
        read_study_file(second)


def test_places_without_a_finished_study_are_told(copied: Path, second: Path, tmp_path: Path) -> None:
    own = read_study_file(second).storage
    (tmp_path / "empty").mkdir()
    (tmp_path / "other.toml").write_text("[recipe]\n")
    (tmp_path / "new.toml").write_text('[study]\nname = "new"\n')
    for place, says in (
        (tmp_path / "lost.toml", "there is no such study file"),
        (tmp_path / "empty", "holds no study that was run"),
        (tmp_path / "other.toml", r"study: is missing; add a \[study\] table"),
        (tmp_path / "new.toml", "this study has not been run yet"),
        (second, "is this study itself"),
    ):
        with pytest.raises(StudyError, match=says):
            open_earlier(place, own)
    first = read_study_file(copied).storage
    assert open_earlier(first.folder, own).name == open_earlier(copied, own).name == "small"


def test_a_damaged_copy_is_told_with_a_way_out(second: Path) -> None:
    folder = read_study_file(second).storage.folder
    folder.mkdir(parents=True)
    for text in ("{", '{"begin": "study:study.toml"}'):
        (folder / COPY).write_text(text)
        with pytest.raises(StudyError, match=r"this is no copy of a study's trials.*delete it"):
            read_study_file(second)
