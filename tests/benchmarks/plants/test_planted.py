"""Plants and pairs: what is hidden, and what a crossed pair's points mean."""

from __future__ import annotations

import numpy as np

from search.history import TrialRecord
from search.space.knob import Knob
from tests.benchmarks.plants.planted import (
    CROSSED,
    CROSSED_PAIR,
    HELD_OUT,
    PROOF,
    REFERENCES,
    SEARCHED,
    SHIPPED,
    SPACE,
    plant,
)


def ratios(recipe_point: dict[str, float]) -> dict[str, float]:
    """The ratios of the packed pair that a point of the crossed pair stands for."""
    recipe = CROSSED_PAIR.recipe(recipe_point)
    return {name: value for name, value in SPACE.encode(recipe).items() if name in {k.name for k in blocks()}}


def blocks() -> list[Knob]:
    return [knob for knob in SPACE.free if knob.kind == "block"]


def test_parents_of_the_crossed_pair_have_each_others_blocks() -> None:
    assert {name for name, ratio in ratios(SPACE.flat(0.0)).items() if ratio == 1.0} == CROSSED
    assert {name for name, ratio in ratios(SPACE.flat(1.0)).items() if ratio == 0.0} == CROSSED


def test_only_the_middle_mix_is_the_same_in_both_pairs() -> None:
    same = [
        r for r in (0.0, 0.25, 0.5, 0.75, 1.0) if CROSSED_PAIR.recipe(SPACE.flat(r)) == SHIPPED.recipe(SPACE.flat(r))
    ]
    assert same == [0.5]


def test_crossing_cuts_through_groups() -> None:
    cut = [name for name, knobs in SPACE.groups.items() if 0 < sum(k.name in CROSSED for k in knobs) < len(knobs)]
    assert cut == ["IN_EARLY", "IN_LATE", "OUT_EARLY", "OUT_MIDDLE"]


def test_a_plant_follows_from_its_number_and_is_of_blocks_alone() -> None:
    first = plant(3)
    assert first == plant(3)
    assert first != plant(4)
    assert all(first[knob.name] == knob.rest for knob in SPACE.free if knob.kind != "block")
    means = [np.mean([first[knob.name] for knob in knobs]) for knobs in SPACE.groups.values()]
    assert all(mean < 0.35 or mean > 0.65 for mean in means)
    TrialRecord(number=0, stage="flat", point=SPACE.checked(first), value=None)


def test_no_two_sets_of_shots_share_a_picture() -> None:
    sets = [{(shot.prompt, shot.seed) for shot in shots} for shots in (SEARCHED, PROOF, HELD_OUT, REFERENCES)]
    assert sum(map(len, sets)) == len(set().union(*sets)) == 16 + 24 + 64 + 48
