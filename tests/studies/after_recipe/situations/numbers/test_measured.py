"""From features to numbers: words that pictures show, spreads over seeds, and weak spots in sentences."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from engine.shots.shot import Shot
from scorers.encoders.encoder import Encoder
from scorers.features import Features
from scorers.scoring.prompt_match import Fidelity
from studies.after_recipe.situations.numbers.diversity import spread_of, spread_values
from studies.after_recipe.situations.numbers.fidelity import WordMatch, word_matches
from studies.after_recipe.situations.numbers.measured import RecipeLabels, SituationNumbers
from studies.after_recipe.situations.numbers.statistics import MeanEstimate
from studies.after_recipe.situations.numbers.weak_spots import sorted_weak_spots, weak_spot_of
from studies.after_recipe.situations.shots import SituationShot
from studies.results.situations import BROKEN, LEVEL, TOO_ALIKE, WORD_LOST, WORSE, WORSE_PICTURES, SituationResult
from studies.sample.world import write_world
from tests.scorers.plain_features import features_of

WORDS = ("red", "blue", "green")
LABELS = RecipeLabels(subject="own", parents=("A", "B"))


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    """The sample world's, which knows colours."""
    world = write_world(tmp_path_factory.mktemp("world"))
    return Encoder.open(world.clip_config, world.clip_weights)


def shots_of(word: str, count: int = 3) -> list[SituationShot]:
    prompts = {one: f"a {one} cat" for one in (word, *(other for other in WORDS if other != word))}
    return [SituationShot(shot=Shot(prompt=prompts[word], seed=seed), prompts=prompts) for seed in range(count)]


def pictures_of(
    encoder: Encoder, shots: list[SituationShot], shown: list[str], broken: tuple[str, ...] = ()
) -> Features:
    """Features of pictures that are what texts say."""
    texts = encoder.embed_texts([f"a {word} cat" for word in shown]).numpy()
    broken = broken or ("",) * len(shots)
    return features_of(
        texts,
        prompts=tuple(one.shot.prompt for one in shots),
        seeds=tuple(one.shot.seed for one in shots),
        broken=broken,
    )


def test_a_picture_obeys_the_word_that_it_matches_best(encoder: Encoder) -> None:
    shots = shots_of("red")
    found = word_matches(Fidelity(encoder, "clip"), pictures_of(encoder, shots, ["red", "blue", "red"]), shots)
    assert [one.best for one in found.values()] == ["red", "blue", "red"]
    assert [one.is_obeyed for one in found.values()] == [True, False, True]
    texts = encoder.embed_texts(["a red cat", "a blue cat", "a green cat"])
    margin = 1 - float(torch.max(texts[0] @ texts[1], texts[0] @ texts[2]))
    assert found["a red cat", 0].margin == pytest.approx(margin, abs=1e-5)


def test_broken_pictures_and_words_without_others_tell_nothing(encoder: Encoder) -> None:
    shots, scorer = shots_of("red"), Fidelity(encoder, "clip")
    found = word_matches(scorer, pictures_of(encoder, shots, ["red"] * 3, ("", "black", "")), shots)
    assert list(found) == [("a red cat", 0), ("a red cat", 2)]
    alone = [replace(one, prompts={"red": one.shot.prompt}) for one in shots]
    assert word_matches(scorer, pictures_of(encoder, alone, ["red"] * 3), alone) == {}
    same = [replace(one, prompts={"red": one.shot.prompt, "RED": one.shot.prompt}) for one in shots]
    assert word_matches(scorer, pictures_of(encoder, same, ["red"] * 3), same) == {}


def test_the_spread_is_the_mean_distance_of_pairs() -> None:
    angles = np.array([0.0, 0.3, 1.0, 1.2])
    features = features_of(np.stack([np.cos(angles), np.sin(angles)], axis=1), prompts=("a",) * 4)
    distances = [1 - math.cos(angles[i] - angles[j]) for i in range(4) for j in range(i)]
    assert spread_of(features, "clip", features.slots) == pytest.approx(np.mean(distances), abs=1e-6)
    values = spread_values(features, "clip", features.slots)
    assert values.mean() == pytest.approx(np.mean(distances), abs=1e-6)
    left_out = [spread_of(features, "clip", [slot for slot in features.slots if slot != out]) for out in features.slots]
    assert values == pytest.approx([4 * np.mean(distances) - 3 * one for one in left_out], abs=1e-6)


def estimate(mean: float, half: float = 0.5) -> MeanEstimate:
    return MeanEstimate(mean=mean, standard_error=0.1, freedom=20, low=mean - half, high=mean + half, pictures=4)


NUMBERS = SituationNumbers(
    pictures=4,
    leads={"A": estimate(-2.0), "B": estimate(-1.0)},
    margins={"A": estimate(0.0), "B": estimate(0.0)},
    spreads={"A": estimate(0.0), "B": estimate(0.0)},
    from_average=None,
    obeyed={"own": 0.25, "A": 1.0, "B": 0.75},
    instead="orange",
    spread={"own": 0.1, "A": 0.4, "B": 0.2},
    broken={"own": 0, "A": 0, "B": 0},
    lead_by_slot={("a red cat", 0): -3.0, ("a red cat", 1): 0.5, ("a red cat", 2): -4.0},
    match_by_slot={("a red cat", seed): WordMatch(margin=-float(seed), best="orange") for seed in range(3)},
)
RESULT = SituationResult(aspect="colour", word="red", prompt="a red cat", pictures=4, verdict=LEVEL)


def test_weak_spots_say_what_is_wrong() -> None:
    shots = shots_of("red")
    assert weak_spot_of(RESULT, NUMBERS, shots, LABELS) is None
    worse = weak_spot_of(replace(RESULT, verdict=WORSE), NUMBERS, shots, LABELS)
    lost = weak_spot_of(RESULT, replace(NUMBERS, margins=NUMBERS.leads), shots, LABELS)
    alike = weak_spot_of(RESULT, replace(NUMBERS, spreads=NUMBERS.leads), shots, LABELS)
    broken = weak_spot_of(
        replace(RESULT, verdict=WORSE), replace(NUMBERS, broken={"own": 4, "A": 0, "B": 1}), shots, LABELS
    )
    assert worse
    assert lost
    assert alike
    assert broken
    assert worse.sentence == (
        "worse than every parent at equal prompts and seeds: -2.00 from A [-2.50, -1.50] and -1.00 from B "
        "[-1.50, -0.50]"
    )
    assert (
        lost.sentence == '"red" is no longer obeyed: 25% of its pictures show it (A 100%, B 75%), most others "orange"'
    )
    assert alike.sentence == "its pictures are too alike: they differ over seeds by 50% of what those of the parents do"
    assert broken.sentence.startswith("4 of 4 pictures are broken (A 0, B 1); worse than every parent")
    assert [one.kind for one in (worse, lost, alike, broken)] == [WORSE_PICTURES, WORD_LOST, TOO_ALIKE, BROKEN]
    assert [one.amount for one in (worse, lost, alike, broken)] == [1.0, 0.75, 0.5, 1.0]
    assert [one.seed for one in worse.shown] == [2, 0, 1], "the worst first"
    assert [one.seed for one in lost.shown] == [2, 1, 0]
    every = {"a": alike, "b": worse, "c": lost, "d": broken}
    assert [*sorted_weak_spots(every)] == ["d", "c", "b", "a"]
