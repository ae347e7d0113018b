"""Proposals for a value and a cost at once."""

from __future__ import annotations

from itertools import product

import pytest

from search.samplers.tradeoffs import OptionKnob, Places, TradeoffTrial, in_effect, suggest_places

KNOBS = (
    OptionKnob(name="steps", options=8),
    OptionKnob(name="sampler", options=3, ordered=False),
    OptionKnob(name="hires", options=2, ordered=False),
    OptionKnob(name="denoise", options=6, beside=("hires", frozenset({1}))),
)


def judged(places: Places) -> TradeoffTrial:
    """Sampler 1 is best, steps help up to 4, hires fix helps with a denoising of 3; steps and hires fix cost."""
    value = -abs(places["sampler"] - 1) + min(places["steps"], 4) / 4
    value += 0.5 - 0.3 * abs(places["denoise"] - 3) if places["hires"] else 0.0
    return TradeoffTrial(places=places, value=value, cost=places["steps"] + 1 + 4.0 * places["hires"])


def searched(count: int, seed: int = 5) -> list[TradeoffTrial]:
    trials: list[TradeoffTrial] = []
    for number in range(count):
        places = suggest_places(KNOBS, trials, seed=seed, number=number)
        assert places is not None
        trials.append(judged(places))
    return trials


@pytest.fixture(scope="module")
def trials() -> list[TradeoffTrial]:
    return searched(40)


def test_a_knob_is_chosen_only_where_it_has_an_effect(trials: list[TradeoffTrial]) -> None:
    assert {trial.places["hires"] for trial in trials} == {0, 1}
    assert all(("denoise" in trial.places) == (trial.places["hires"] == 1) for trial in trials)


def test_nothing_is_proposed_twice(trials: list[TradeoffTrial]) -> None:
    assert len({tuple(trial.places.items()) for trial in trials}) == len(trials)


def test_a_proposal_follows_from_the_trials_alone(trials: list[TradeoffTrial]) -> None:
    for number in (1, 5, 12, 25):
        again = suggest_places(KNOBS, trials[:number], seed=5, number=number)
        assert again == trials[number].places
    assert suggest_places(KNOBS, trials[:25], seed=6, number=25) != trials[25].places


def test_most_of_the_front_is_found() -> None:
    """Of 168 choices seven are on the front; 40 random ones hold fewer than two of them on average."""
    names, sizes = [knob.name for knob in KNOBS], [range(knob.options) for knob in KNOBS]
    distinct = {tuple(in_effect(KNOBS, dict(zip(names, places, strict=True))).items()) for places in product(*sizes)}
    every = [judged(dict(places)) for places in distinct]
    front = [one for one in every if not any(beats(other, one) for other in every)]
    assert len(every) == 168
    assert len(front) == 7
    for seed in range(3):
        found = searched(40, seed)
        assert sum(one in found for one in front) >= 5


def beats(one: TradeoffTrial, other: TradeoffTrial) -> bool:
    return one.value >= other.value and one.cost <= other.cost and one != other


def test_what_is_not_allowed_is_not_proposed() -> None:
    even = [suggest_places(KNOBS, [], seed=seed, number=0, allowed=lambda places: places["steps"] % 2 == 0)
            for seed in range(12)]  # fmt: skip
    assert all(places is not None and places["steps"] % 2 == 0 for places in even)
    assert len({str(places) for places in even}) > 6


def test_a_space_that_is_used_up_says_so() -> None:
    few = (OptionKnob(name="cfg", options=2),)
    tried = [TradeoffTrial(places={"cfg": place}, value=0.0, cost=1.0) for place in range(2)]
    assert suggest_places(few, tried, seed=1, number=2) is None
    assert suggest_places(few, tried[:1], seed=1, number=1) == {"cfg": 1}
