"""The shots of situations: one set for every recipe."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from studies.after_recipe.situations.shots import FIRST_SEED, situation_seeds, situation_shots, suite_shots
from studies.after_recipe.situations.suite import Suite, read_suite
from studies.studyfile.read import read_study_file
from studies.studyfile.spec import StudySpec
from tests.studies.study_text import write_study


@pytest.fixture
def spec(tmp_path: Path) -> StudySpec:
    return read_study_file(write_study(tmp_path))


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    folder = tmp_path / "lists"
    folder.mkdir()
    (folder / "light.txt").write_text("at night\nat noon\nat {dawn|dusk}\n")
    (folder / "subject.txt").write_text("cat\ndog\ncow\nhen\n")
    return read_suite(folder, "a {red|blue|green} __subject__, __light__")


def test_shots_have_the_studys_settings_and_one_seed_each(spec: StudySpec, suite: Suite) -> None:
    seeds = situation_seeds(spec.shots, 5)
    shots = [one.shot for one in situation_shots(suite.situations[0], suite, spec, seeds)]
    assert [shot.seed for shot in shots] == list(seeds)
    usual = spec.shots.trials[0]
    assert [replace(shot, prompt="", seed=0) for shot in shots] == [replace(usual, prompt="", seed=0)] * 5
    assert all(shot.prompt.endswith("at night") for shot in shots)


def test_words_of_an_aspect_stand_in_the_same_prompt(spec: StudySpec, suite: Suite) -> None:
    seeds = situation_seeds(spec.shots, 8)
    night, noon = (situation_shots(one, suite, spec, seeds) for one in suite.aspects["light"][:2])
    assert [one.shot.prompt.replace("at night", "at noon") for one in night] == [one.shot.prompt for one in noon]
    assert len({one.shot.prompt for one in night}) > 3
    for one in night:
        assert list(one.prompts) == ["at night", "at noon", "at {dawn|dusk}"]
        assert one.prompts["at night"] == one.shot.prompt
        assert one.prompts["at {dawn|dusk}"] in {
            one.shot.prompt.replace("at night", f"at {d}") for d in ("dawn", "dusk")
        }


def test_a_shot_depends_on_its_seed_alone(spec: StudySpec, suite: Suite) -> None:
    seeds = situation_seeds(spec.shots, 6)
    several = suite_shots(suite, spec, seeds)
    for one in suite.situations:
        assert several[one.key] == situation_shots(one, suite, spec, seeds)
        assert several[one.key][4:] == situation_shots(one, suite, spec, seeds[4:])
    assert situation_seeds(spec.shots, 3) == seeds[:3]


def test_no_trial_and_no_proof_has_a_seed_of_theirs(spec: StudySpec) -> None:
    known = replace(spec.shots.proof[0], seed=FIRST_SEED + 1)
    shots = replace(spec.shots, proof=(*spec.shots.proof, known))
    assert situation_seeds(shots, 3) == (FIRST_SEED, FIRST_SEED + 2, FIRST_SEED + 3)


def test_the_negative_is_that_of_most_trials(spec: StudySpec, suite: Suite) -> None:
    first, *others = spec.shots.trials
    trials = (replace(first, negative="own"), *(replace(one, negative="usual") for one in others))
    spec = replace(spec, shots=replace(spec.shots, trials=trials))
    (one,) = situation_shots(suite.situations[0], suite, spec, [5])
    assert one.shot.negative == "usual"


def test_a_seed_comes_once(spec: StudySpec, suite: Suite) -> None:
    with pytest.raises(ValueError, match="come once"):
        situation_shots(suite.situations[0], suite, spec, [5, 5])
