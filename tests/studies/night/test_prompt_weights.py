"""A study whose prompts have weights: judged by them, rescored when they change, shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console

from studies.cli.main import main
from studies.errors import StudyError
from studies.night.continuing.rescore import rescore_study
from studies.night.night import Night
from studies.night.noise import suggester_of
from studies.store.judged.outcome import Outcome, read_outcome
from studies.store.storage import StudyStore
from studies.studyfile.read import read_study_file
from studies.studyfile.spec import StudySpec
from tests.studies.sample_study import write_small_study

QUIET = Console(quiet=True)


def short_study(folder: Path, weight: str) -> Path:
    """The small study with twelve references, stages `flat` and `groups` alone, and the first prompt's weight."""
    study = write_small_study(folder, groups=1)
    for picture in sorted((folder / "references").glob("*.png"))[12:]:
        picture.unlink()
    text = study.read_text()
    for stage in ("blocks", "self", "adjust", "refine"):
        text = text.replace(f"{stage} = 2", f"{stage} = 0")
    study.write_text(text.replace("seeds = [1, 2]\n", f"seeds = [1, 2]\n{weight}", 1))
    return study


def values_of(spec: StudySpec) -> dict[str, tuple[float | None, float]]:
    """Value and standard error of every trial, by its recipe."""
    trials = StudyStore(spec.storage.folder, spec.storage.name).trials()
    return {trial.user_attrs["recipe"]: (trial.value, trial.user_attrs["standard_error"]) for trial in trials}


@pytest.fixture(scope="module")
def heavy(tmp_path_factory: pytest.TempPathFactory) -> tuple[StudySpec, Outcome]:
    """A study whose first prompt counts five times as much, run to its end."""
    spec = read_study_file(short_study(tmp_path_factory.mktemp("heavy"), "weight = 5\n"))
    outcome = Night(spec, QUIET).run()
    assert outcome is not None
    return spec, outcome


def test_weights_change_values_and_errors(heavy: tuple[StudySpec, Outcome], finished_once: StudySpec) -> None:
    weighted, plain = values_of(heavy[0]), values_of(finished_once)
    shared = [recipe for recipe in weighted if recipe in plain]
    assert len(shared) > 5
    assert any(weighted[recipe] != pytest.approx(plain[recipe], rel=1e-3) for recipe in shared)


def test_weights_that_are_alike_change_no_bit(tmp_path: Path, finished_once: StudySpec) -> None:
    study = short_study(tmp_path, "weight = 2\n")
    study.write_text(study.read_text().replace("seeds = [3, 4]\n", "seeds = [3, 4]\nweight = 2\n"))
    spec = read_study_file(study)
    Night(spec, QUIET, proof=False).run()
    assert values_of(spec) == values_of(finished_once)


def test_windows_of_a_weighted_study_take_its_shots_in_a_spread_order(heavy: tuple[StudySpec, Outcome]) -> None:
    spec, _ = heavy
    store = StudyStore(spec.storage.folder, spec.storage.name)
    assert store.noted("noise")["order"] == [0, 2, 1, 3]
    assert suggester_of(spec.search, spec.shots, store).rotation.order == (0, 2, 1, 3)


def test_check_and_show_name_the_weights(heavy: tuple[StudySpec, Outcome]) -> None:
    spec, _ = heavy
    line = 'weights of prompts: 5 for "a red cat on the beach", 1 for "a blue house in the city"'
    for command in ("check", "show"):
        done = CliRunner().invoke(main, [command, str(spec.storage.file)], catch_exceptions=False)
        assert line in done.output.replace("\n", " ").replace("  ", " ")


def test_other_weights_are_rescored_to_what_a_study_that_began_with_them_gives(
    heavy: tuple[StudySpec, Outcome], copied: Path
) -> None:
    text = copied.read_text()
    copied.write_text(text.replace("seeds = [1, 2]\n", "seeds = [1, 2]\nweight = 5\n", 1))
    spec = read_study_file(copied)
    with pytest.raises(StudyError, match="what judges pictures changed") as raised:
        Night(spec, QUIET).run()
    changes = "prompt weights: a blue house in the city none -> 1.0, a red cat on the beach none -> 5.0"
    assert changes in str(raised.value)
    assert rescore_study(spec, QUIET).trials
    fresh, again = values_of(heavy[0]), values_of(spec)
    shared = [recipe for recipe in again if recipe in fresh]
    assert len(shared) > 5
    assert all(again[recipe] == pytest.approx(fresh[recipe]) for recipe in shared)
    assert read_outcome(heavy[0].storage.folder).proof == 1
