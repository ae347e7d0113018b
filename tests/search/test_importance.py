"""What mattered, on made-up landscapes where the answer is known."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from engine.recipes.blocks import UNET_BLOCKS
from search.finalists import posterior_means
from search.history import Point, TrialRecord
from search.importance import FEWEST_SCORES, REACH, Importance, KnobEffect, importance, newest_of_each_stage
from search.plan import SearchPlan
from search.space.build import build_space
from search.space.space import Space
from search.surrogate.gaussian_process import model_of
from search.surrogate.observations import Observations
from search.trials import SearchTrials
from tests.search.searching import recorded

FREE = ("IN04", "IN08", "M00", "OUT03", "OUT05", "OUT08")
SPACE = build_space(
    sites=("OUT05:attn1",), adjust=("CONT", "BRI"), freeze={b: 0.3 for b in ("BASE", *UNET_BLOCKS) if b not in FREE}
)
WEIGHTS = {"OUT03": 4.0, "OUT05": 2.0, "adjust:CONT": 0.03}
TOPS = {"OUT03": 0.7, "OUT05": 0.3, "adjust:CONT": 1.0}
NOISE = 0.03


def landscape(point: Point) -> float:
    """A hill in three knobs; all others do nothing."""
    return -sum(weight * (point[name] - TOPS[name]) ** 2 for name, weight in WEIGHTS.items())


def history_of(count: int = 120, *, noise: float = NOISE, space: Space = SPACE) -> list[TrialRecord]:
    """FLAT mixes, then steps round the top."""
    rng = np.random.default_rng(4)
    middle = {knob.name: TOPS.get(knob.name, knob.rest if knob.kind != "block" else 0.5) for knob in space.free}
    points = [space.flat(ratio) for ratio in (0.0, 0.25, 0.5, 0.75, 1.0)]
    while len(points) < count:
        steps = {knob.name: 0.15 * (knob.high - knob.low) * rng.normal() for knob in space.free}
        points.append({knob.name: knob.tidy(middle[knob.name] + steps[knob.name]) for knob in space.free})
    return [
        TrialRecord(
            number=number,
            stage="flat" if number < 5 else "blocks" if number < count // 2 else "refine",
            point=point,
            value=landscape(point) + noise * rng.normal(),
            standard_error=NOISE,
        )
        for number, point in enumerate(points)
    ]


@pytest.fixture(scope="module")
def found() -> Importance:
    """What mattered on the landscape."""
    result = importance(SPACE, history_of())
    assert result is not None
    return result


def by_name(found: Importance) -> Mapping[str, KnobEffect]:
    return {effect.knob.name: effect for effect in found.effects}


def true_change(found: Importance, name: str) -> float:
    knob = by_name(found)[name].knob
    reach, best = REACH * (knob.high - knob.low), found.best[name]
    places = np.linspace(max(knob.low, best - reach), min(knob.high, best + reach), 51)
    values = [landscape({**found.best, name: place}) for place in places]
    return max(values) - min(values)


def test_what_matters_comes_first_and_is_sure(found: Importance) -> None:
    names = [effect.knob.name for effect in found.effects]
    assert set(names[:3]) == set(WEIGHTS)
    assert {effect.knob.name for effect in found.effects if effect.is_sure} == set(WEIGHTS)
    assert len(names) == len(SPACE.free)


def test_changes_are_the_true_ones_within_their_doubt(found: Importance) -> None:
    for name, effect in by_name(found).items():
        assert effect.change == pytest.approx(true_change(found, name), abs=3 * effect.deviation), name
        assert 0 < effect.deviation < 0.1


def test_the_expectation_is_the_true_value_within_its_doubt(found: Importance) -> None:
    assert found.expected == pytest.approx(landscape(found.best), abs=3 * found.deviation)
    assert found.expected == pytest.approx(0, abs=0.1)
    assert found.course[-1].expected == pytest.approx(found.expected, abs=0.1)


def test_a_slice_goes_over_the_whole_knob_through_the_best(found: Importance) -> None:
    effect = by_name(found)["OUT03"]
    values = {one.value: one for one in effect.values}
    assert (min(values), max(values)) == (0.0, 1.0)
    assert (values[effect.best].change, values[effect.best].change_deviation) == (0, 0)
    assert values[effect.best].mean == pytest.approx(found.expected)
    assert [one.is_within for one in effect.values] == [
        abs(one.value - effect.best) < REACH + 1e-6 for one in effect.values
    ]
    low = values[0.0]
    assert low.change == pytest.approx(low.mean - found.expected)
    assert low.is_sure
    assert low.change_deviation > effect.values[len(values) // 2].change_deviation


def test_near_trials_are_those_whose_other_knobs_are_near(found: Importance) -> None:
    near = by_name(found)["OUT03"].near
    history = {trial.number: trial for trial in history_of()}
    assert near
    assert all(history[one.number].point["OUT03"] == one.value for one in near)
    away = [abs(history[one.number].point["OUT05"] - found.best["OUT05"]) for one in near]
    assert max(away) < max(abs(trial.point["OUT05"] - found.best["OUT05"]) for trial in history.values())


def test_doubt_grows_with_noise() -> None:
    noisy = importance(SPACE, [replace(one, standard_error=0.3) for one in history_of(noise=0.3)])
    clear = importance(SPACE, history_of())
    assert noisy is not None
    assert clear is not None
    assert noisy.effects[0].deviation > 2 * clear.effects[0].deviation
    assert noisy.noise > clear.noise


def test_the_course_grows_surer_and_never_speaks_of_one_lucky_trial(found: Importance) -> None:
    lucky = history_of()
    lucky[60] = replace(lucky[60], value=landscape(lucky[60].point) + 0.5)
    with_luck = importance(SPACE, lucky)
    assert with_luck is not None
    highest = max(one.expected for one in with_luck.course)
    assert highest < max(trial.value or -math.inf for trial in lucky) - 0.2
    assert found.course[-1].deviation < found.course[0].deviation
    assert [one.trial for one in found.course] == sorted({one.trial for one in found.course})


def test_a_model_takes_the_newest_of_every_stage() -> None:
    history = history_of(120)
    chosen = newest_of_each_stage(history, 41)
    stages = [trial.stage for trial in chosen]
    assert [stages.count(stage) for stage in ("flat", "blocks", "refine")] == [5, 18, 18]
    assert [trial.number for trial in chosen] == [*range(5), *range(42, 60), *range(102, 120)]
    bounded = importance(SPACE, history, most=41)
    assert bounded is not None
    assert (bounded.used, bounded.known) == (41, 120)
    assert newest_of_each_stage(history, 1000) == tuple(history)


def test_failed_trials_say_nothing_and_few_or_equal_values_too_little() -> None:
    history = history_of(30)
    failed = [replace(one, value=None) if one.number % 7 == 0 else one for one in history]
    found = importance(SPACE, failed)
    assert found is not None
    assert (found.used, found.known) == (25, 25)
    assert importance(SPACE, history[: FEWEST_SCORES - 1]) is None
    assert importance(SPACE, [replace(one, value=1.0) for one in history]) is None
    assert importance(SPACE, []) is None


def test_a_covariance_is_that_of_the_formula() -> None:
    rng = np.random.default_rng(1)
    rows = rng.uniform(size=(20, 3))
    observations = Observations(
        rows=tuple(map(tuple, rows.tolist())),
        values=tuple(np.sin(3 * rows.sum(1)).tolist()),
        shot_sets=(0, 1) * 10,
        centre=(0.5,) * 3,
        standard_error=0.1,
    )
    model, others = model_of(observations), rng.uniform(size=(4, 3))
    factor = model.factor()
    cross = model.prior_covariance(others, model.rows)
    expected = model.prior_covariance(others, others) - cross @ np.linalg.inv(factor @ factor.T) @ cross.T
    assert model.posterior_covariance(others, factor) == pytest.approx(model.scale**2 * expected, abs=1e-6)
    assert model.posterior_mean(others) == pytest.approx(model.mean + model.scale * cross @ model.weights)


def test_records_of_a_search_are_taken() -> None:
    from search.plan import SearchPlan
    from search.suggester import Suggester

    suggester = Suggester(space=SPACE, plan=SearchPlan(groups=2, blocks=2, self_mode=2, adjust=2, refine=0))
    history = list[TrialRecord]()
    while (proposal := suggester.next(history)) is not None:
        history.append(recorded(proposal, len(history), landscape(proposal.point)))
    found = importance(SPACE, history, suggester.plan)
    assert found is not None
    assert found.best == suggester.recommended(history)


def test_a_cliff_is_told_as_deep_as_it_was() -> None:
    space = build_space(freeze={block: 0.3 for block in ("BASE", *UNET_BLOCKS) if block != "M00"})
    ratios = [n / 30 for n in range(31)]
    cliff = [
        TrialRecord(number=n, stage="flat", point={"M00": one}, value=-((one - 0.3) ** 2) if one < 0.7 else -60.0)
        for n, one in enumerate(ratios)
    ]
    raised = SearchTrials(space, SearchPlan(), cliff).observations()
    assert raised is not None
    assert min(raised.values) > -1.0, "for proposals it has a floor"
    found = importance(space, cliff)
    assert found is not None
    (effect,) = found.effects
    assert min(value.mean for value in effect.values) < -40.0
    assert [found.expected] == pytest.approx(posterior_means(space, cliff, [found.best]))
