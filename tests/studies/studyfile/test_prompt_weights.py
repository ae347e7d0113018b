"""What each prompt counts: as the file says, for every seed, wildcard and turn, in the trials and in the proof."""

from __future__ import annotations

from pathlib import Path

import pytest

from studies.errors import StudyError
from studies.studyfile.read import read_study_file
from studies.studyfile.spec import SEED_DISTANCE, StudySpec
from tests.studies.study_text import STUDY, write_study

HEAVY = STUDY.replace("seeds = [1, 2]\n", "seeds = [1, 2]\nweight = 2.5\n", 1)


def spec_of(folder: Path, text: str) -> StudySpec:
    return read_study_file(write_study(folder, text))


def test_every_picture_of_a_prompt_has_its_weight(tmp_path: Path) -> None:
    spec = spec_of(tmp_path, HEAVY)
    assert spec.shots.trial_weights == (2.5, 2.5, 1.0)
    assert spec.shots.proof_weights == (2.5, 2.5, 1.0, 1.0), "texts of [[prompts]] keep their weights in the proof"
    assert spec.shots.weights_text == '2.5 for "a cat on grass", 1 for "a house"'
    settings = spec.panel_settings()
    assert settings.prompt_weights == {"a cat on grass": 2.5, "a house": 1.0}
    assert settings.picture_weights["a cat on grass", 101] == 2.5
    assert settings.picture_weights["a cat on grass", 2 + 4 * SEED_DISTANCE] == 2.5, "fresh seeds too"


def test_weights_are_no_part_of_the_shots_fingerprint(tmp_path: Path) -> None:
    assert spec_of(tmp_path, HEAVY).fingerprint() == spec_of(tmp_path, STUDY).fingerprint()


@pytest.mark.parametrize("weight", ["", "weight = 1\n", "weight = 3\n"])
def test_weights_that_are_all_alike_are_none(tmp_path: Path, weight: str) -> None:
    text = STUDY.replace("seeds = [1, 2]\n", f"seeds = [1, 2]\n{weight}", 1)
    spec = spec_of(tmp_path, text.replace("seeds = [3]\n", f"seeds = [3]\n{weight}", 1))
    assert not spec.shots.has_weights
    assert (spec.panel_settings().picture_weights, spec.panel_settings().prompt_weights) == ({}, {})
    assert spec.shots.weights_text == ""


def test_the_proofs_own_prompts_may_have_weights(tmp_path: Path) -> None:
    proof = HEAVY.replace("[proof]\n", '[proof]\nprompts = ["a tree", "a cat on grass"]\n')
    assert spec_of(tmp_path, proof).shots.proof_weights == (1.0, 1.0, 2.5, 2.5)
    given = proof.replace("[proof]\n", "[proof]\nweights = [4, 0.5]\n")
    assert spec_of(tmp_path, given).shots.proof_weights == (4.0, 4.0, 0.5, 0.5)


def test_one_text_in_two_tables_may_have_two_weights(tmp_path: Path) -> None:
    text = HEAVY.replace('"a house"\nnegative = "people"', '"a cat on grass"').replace("[101, 102]", "[101, 102, 103]")
    spec = spec_of(tmp_path, text)
    assert spec.shots.prompt_weights == {
        "a cat on grass (seed 1)": 2.5, "a cat on grass (seed 2)": 2.5, "a cat on grass (seed 3)": 1.0,
    }  # fmt: skip


def test_prompts_of_wildcards_have_the_weight_of_their_table(tmp_path: Path) -> None:
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "animal.txt").write_text("cat\ndog\nfox\nowl\n")
    text = HEAVY.replace('"a cat on grass"', '"a __animal__ on grass"')
    spec = spec_of(tmp_path, text.replace("[render]", '[render]\nwildcards = "lists"'))
    weights = {shot.prompt: spec.panel_settings().picture_weights[shot.prompt, shot.seed] for shot in spec.shots.trials}
    assert "a __animal__ on grass" not in weights
    assert {weight for prompt, weight in weights.items() if prompt.endswith("on grass")} == {2.5}
    assert weights["a house"] == 1.0


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("weight = 2.5", "weight = 0", r"prompts\[1\]\.weight"),
        ("weight = 2.5", "weight = 1000", r"prompts\[1\]\.weight"),
        ("[proof]", "[proof]\nweights = [1]", r"proof\.weights: means nothing without prompts"),
        ("[proof]", '[proof]\nprompts = ["x", "y"]\nweights = [1]', r"proof\.weights: needs one number for each"),
    ],
)
def test_weights_that_cannot_be_are_refused(tmp_path: Path, before: str, after: str, message: str) -> None:
    with pytest.raises(StudyError, match=message):
        spec_of(tmp_path, HEAVY.replace(before, after))
