"""Which prompts and seeds settings are judged on."""

from __future__ import annotations

from dataclasses import replace

from engine.shots.shot import Shot
from studies.after_recipe.settings.shots import SHARED, judged_shots
from studies.studyfile.spec import StudyShots

TRIALS = tuple(Shot(prompt=f"trial {n}", seed=n) for n in range(8))


def study(seeds: tuple[int, ...], prompts: int = 12) -> StudyShots:
    proof = tuple(Shot(prompt=f"held out {n}", seed=seed) for n in range(prompts) for seed in seeds)
    return StudyShots(trials=TRIALS, proof=proof)


def test_no_more_than_two_pictures_share_a_seed() -> None:
    shots = study((1001,))
    judged = judged_shots(shots, 12)
    seeds = [shot.seed for shot in judged.shots]
    assert max(map(seeds.count, seeds)) == SHARED == 2
    assert judged.shots[:2] == shots.proof[:2]
    assert [shot.prompt for shot in judged.shots] == [shot.prompt for shot in shots.proof]
    assert judged.reseeded == 10
    assert judged.text == "12 held-out pictures of the proof; 10 of them with seeds of their own"
    assert judged_shots(shots, 12) == judged, "the same every time"


def test_seeds_that_few_pictures_share_stay() -> None:
    judged = judged_shots(study((1, 2, 3), prompts=2), 6)
    assert (judged.reseeded, judged.text) == (0, "6 held-out pictures of the proof")
    assert {shot.seed for shot in judged.shots} == {1, 2, 3}


def test_no_slot_comes_twice_and_none_is_of_a_trial() -> None:
    judged = judged_shots(study((0,)), 20)
    slots = [(shot.prompt, shot.seed) for shot in judged.shots]
    assert len(set(slots)) == 20
    drawn = study((0,)).drawn(range(len(TRIALS) * 4))
    assert not {(shot.prompt, shot.seed) for shot in drawn} & set(slots)


def test_pictures_with_weights_of_their_own_keep_their_seeds() -> None:
    shots = replace(study((1001,)), trial_weights=(1.0,) * 8, proof_weights=(2.0, *(1.0,) * 11))
    assert judged_shots(shots, 12).reseeded == 0


def test_more_pictures_than_the_study_has_come_with_further_seeds() -> None:
    judged = judged_shots(study((1, 2)), 60)
    slots = [(shot.prompt, shot.seed) for shot in judged.shots]
    assert len(set(slots)) == 60
    assert judged.shots[:32] == judged_shots(study((1, 2)), 32).shots
    weighted = replace(study((1, 2)), trial_weights=(2.0, *(1.0,) * 7))
    assert len(judged_shots(weighted, 60).shots) == 24 + 8
