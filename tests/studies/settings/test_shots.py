"""The prompts and seeds that settings are judged on."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.shots.shot import Shot
from studies.errors import StudyError
from studies.settings.shots import CHUNK, judged_shots
from studies.studyfile.spec import TURNS, StudyShots, seed_in_turn


def shots(trials: int, proof: int) -> StudyShots:
    return StudyShots(
        trials=tuple(Shot(prompt=f"a cat {n % 3}", seed=n) for n in range(trials)),
        proof=tuple(Shot(prompt=f"a house {n // 4}", seed=1000 + n % 4) for n in range(proof)),
    )


def test_held_out_shots_come_first_prompt_by_prompt() -> None:
    found = judged_shots(shots(8, 12), 10)
    assert found.held_out == 10
    assert [shot.prompt for shot in found.shots[:4]] == ["a house 0", "a house 1", "a house 2", "a house 0"]
    assert {*found.shots} < {*shots(8, 12).proof}
    assert found.text == "10 held-out pictures of the proof"


def test_more_are_of_the_trials_prompts_with_seeds_that_no_trial_has() -> None:
    study = shots(8, 4)
    found = judged_shots(study, 9)
    assert found.held_out == 4
    more = found.shots[4:]
    assert {(shot.prompt, shot.seed) for shot in more} < {
        (shot.prompt, seed_in_turn(shot.seed, TURNS - 1)) for shot in study.trials
    }
    assert len({(shot.prompt, shot.seed) for shot in found.shots}) == len(found.shots) == 9
    assert found.text.endswith("of the proof, and 5 of the trials' prompts with seeds that no trial has")
    assert len(judged_shots(study, 99).shots) == 12


def test_all_pictures_count_as_the_study_weighs_them() -> None:
    study = replace(shots(8, 4), trial_weights=(1.0, 2.0) * 4, proof_weights=(1.0, 3.0) * 2)
    known = study.picture_weights
    assert all((shot.prompt, shot.seed) in known for shot in judged_shots(study, 12).shots)


def test_looks_come_after_eight_and_never_after_one_or_two_more() -> None:
    assert CHUNK == 8
    assert judged_shots(shots(40, 40), 32).ends == (8, 16, 24, 32)
    assert judged_shots(shots(40, 40), 18).ends == (8, 18)
    assert judged_shots(shots(40, 40), 20).ends == (8, 16, 20)
    assert judged_shots(shots(40, 40), 6).ends == (6,)


def test_held_out_shots_are_rendered_apart_since_some_may_be_kept() -> None:
    assert judged_shots(shots(8, 4), 12).chunks == ((0, 4), (4, 8), (8, 12))
    assert judged_shots(shots(8, 8), 16).chunks == ((0, 8), (8, 16))
    assert judged_shots(shots(8, 24), 16).chunks == ((0, 8), (8, 16))


def test_too_few_pictures_are_refused() -> None:
    with pytest.raises(StudyError, match="3 pictures of a value cannot be compared; at least 4 are needed"):
        judged_shots(shots(2, 1))
