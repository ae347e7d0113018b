"""Sets of shots in the surrogate: what trials share of chance follows from the shots that they share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from search.history import Slots, TrialRecord
from search.plan import SearchPlan
from search.space.build import build_space
from search.surrogate.evidence import is_unexplained
from search.surrogate.gaussian_process import model_of
from search.surrogate.hyperparameters import HyperparameterDensity
from search.surrogate.observations import Observations
from search.surrogate.shot_sets import ShotSets
from search.trials import SearchTrials

SETS: tuple[Slots, ...] = ((0, 1, 2, 3), (2, 3, 4, 5), (0, 1, 2, 3, 4, 5, 6, 7), (8, 9), ())


def observations(sets: tuple[Slots, ...], usual: int = 4, count: int = 40) -> Observations:
    """Trials of one flat objective, so that all that differs is chance; equal numbers on every set."""
    draw = np.random.default_rng(4)
    rows = draw.uniform(size=(count, 3))
    values = -np.square(rows - 0.4).sum(1) + 0.1 * draw.normal(size=count)
    return Observations(
        rows=tuple(map(tuple, rows.tolist())),
        values=tuple(values.tolist()),
        shot_sets=tuple(n % max(1, len(sets)) for n in range(count)),
        set_slots=sets,
        usual_shots=usual,
        centre=(0.5, 0.5, 0.5),
        standard_error=0.1,
    )


def test_the_covariance_of_two_means_is_that_of_the_shots_they_share() -> None:
    """By chance: effects of ten shots, their means over the sets, in variances of the mean of four of them."""
    draw = np.random.default_rng(0)
    effects = draw.normal(size=(400_000, 10))
    means = np.stack([effects[:, list(one)].mean(1) for one in SETS[:4]])
    numbers = np.arange(4)
    found = ShotSets(SETS, 4).overlaps(numbers, numbers)
    assert found == pytest.approx(np.cov(means) * 4, abs=0.02)
    assert found[0].tolist() == [1.0, 0.5, 0.5, 0.0]
    factors = ShotSets(SETS, 4).noise_factors(numbers)
    assert factors is not None
    assert factors.tolist() == [1.0, 1.0, 0.5, 2.0]


def test_a_set_of_which_nothing_is_known_is_a_usual_one_that_shares_nothing() -> None:
    numbers = np.arange(5)
    found = ShotSets(SETS, 4).overlaps(numbers, numbers)
    assert found[4].tolist() == [0.0, 0.0, 0.0, 0.0, 1.0]
    assert ShotSets((), 4).overlaps(numbers, numbers).tolist() == np.eye(5).tolist()
    assert ShotSets((), 4).noise_factors(numbers) is None


def test_sets_of_one_size_that_share_nothing_change_no_bit() -> None:
    apart = observations(((0, 1, 2, 3), (4, 5, 6, 7), (8, 9, 10, 11)))
    plain = replace(apart, set_slots=())
    assert np.array_equal(model_of(apart).own_means, model_of(plain).own_means)
    assert model_of(apart).set_offsets == model_of(plain).set_offsets


def test_more_pictures_pull_the_mean_more() -> None:
    few, many = observations(((0, 1), (2, 3, 4, 5))), observations((tuple(range(10, 42)), (2, 3, 4, 5)))
    raised = tuple(value + (n == 6) for n, value in enumerate(few.values))
    high = [model_of(replace(one, values=raised)).own_means[6] - model_of(one).own_means[6] for one in (few, many)]
    assert high[1] > 1.5 * high[0]


@pytest.mark.parametrize("sets", [SETS, SETS[:2]])
def test_the_gradient_of_the_density_is_that_of_its_differences(sets: tuple[Slots, ...]) -> None:
    density, theta = HyperparameterDensity(observations(sets)), np.full(6, 0.2)
    _, gradient = density.negative_log(theta)
    steps = np.eye(6) * 1e-5
    differences = [(density.negative_log(theta + e)[0] - density.negative_log(theta - e)[0]) / 2e-5 for e in steps]
    assert gradient == pytest.approx(differences, abs=1e-5)


def test_a_part_of_the_trials_keeps_its_sets_whatever_others_there_are() -> None:
    whole = observations(SETS)
    assert whole.last(3).set_slots == SETS[2:]
    assert whole.last(3).shot_sets == (0, 1, 2)


def promised_too_much(effect: float) -> list[float]:
    """By how much the best of many places is worse than expected, where every trial draws other shots."""
    found = list[float]()
    for number in range(30):
        draw = np.random.default_rng(number)
        turns, starts = 1.5 * draw.normal(size=(100, 4)), draw.uniform(0, 2 * np.pi, 100)
        truth, shots = draw.normal(size=100) * 0.14, draw.normal(size=(120, 100)) * 0.2
        rows = draw.uniform(size=(60, 4))
        waves, base = np.cos(rows @ turns.T + starts), np.cos(turns @ np.full(4, 0.5) + starts)
        sets = [tuple(sorted((4 * n + place) % 120 for place in range(4))) for n in range(60)]
        own = [(wave - base) @ shots[list(one)].T for wave, one in zip(waves, sets, strict=True)]
        values = waves @ truth + np.array([one.mean() for one in own])
        numbers = {one: n for n, one in enumerate(sorted(set(sets)))}
        data = Observations(
            rows=tuple(map(tuple, rows.tolist())), values=tuple(values.tolist()),
            shot_sets=tuple(numbers[one] for one in sets), set_slots=tuple(numbers), usual_shots=4, centre=(0.5,) * 4,
            standard_error=float(np.sqrt(np.mean([one.var(ddof=1) for one in own]) / 4)), set_effect=effect,
        )  # fmt: skip
        probe = draw.uniform(size=(300, 4))
        real = np.cos(probe @ turns.T + starts) @ truth
        expected = model_of(data).posterior_mean(probe)
        best = int(np.argmax(expected))
        found.append(float(expected[best] - expected.mean() - real[best] + real.mean()))
    return found


def test_where_every_trial_draws_other_shots_the_model_promises_what_is_true() -> None:
    half, whole = (np.array(promised_too_much(effect)) for effect in (0.5, 1.0))
    assert abs(half.mean()) < abs(whole.mean())
    assert abs(half.mean()) < 2 * half.std(ddof=1) / np.sqrt(len(half))


def test_an_effect_is_seen_though_no_two_trials_have_the_same_shots() -> None:
    draw = np.random.default_rng(7)
    sets = tuple((n, n + 1, n + 2, n + 3) for n in range(60))
    seen = replace(observations(sets, count=60), values=observations((), count=60).values, set_effect=0.5)
    assert not is_unexplained(seen, np.full(60, True))
    chance = replace(seen, values=tuple(0.1 * draw.normal(size=60)))
    assert is_unexplained(chance, np.full(60, True))


def test_trials_of_a_stage_on_different_shots_halve_the_effect() -> None:
    space = build_space(freeze={})

    def effect(blocks: Sequence[Slots]) -> float:
        stages = ["flat", "flat", *["blocks"] * len(blocks)]
        slots: list[Slots] = [(0, 1), (0, 1), *blocks]
        history = [
            TrialRecord(
                number=n, stage=stage, point=space.flat(n / 4), value=float(n), standard_error=0.2, slots=slots[n]
            )
            for n, stage in enumerate(stages)
        ]  # fmt: skip
        found = SearchTrials(space, SearchPlan(), history).observations()
        assert found is not None
        return found.set_effect

    assert effect([]) == effect([(2, 3), (2, 3)]) == 1.0
    assert effect([(2, 3), (4, 5)]) == 0.5


def test_errors_of_other_numbers_of_shots_count_as_those_of_usual_ones() -> None:
    space = build_space(freeze={})
    shots: list[Slots] = [(0, 1, 2, 3)] * 3 + [tuple(range(16))] * 2
    history = [
        TrialRecord(
            number=n, stage="flat", point=space.flat(n / 4), value=float(n), standard_error=0.2 if len(s) == 4 else 0.1,
            slots=s,
        )
        for n, s in enumerate(shots)
    ]  # fmt: skip
    found = SearchTrials(space, SearchPlan(), history).observations()
    assert found is not None
    assert (found.standard_error, found.usual_shots) == (0.2, 4)
    assert found.set_slots == ((0, 1, 2, 3), tuple(range(16)))
