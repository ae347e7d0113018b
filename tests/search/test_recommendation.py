"""What is recommended: the optimum, unless the trials support something else better."""

from __future__ import annotations

import math

import numpy as np
import pytest

from engine.recipes.blocks import UNET_BLOCKS
from search.history import Point, TrialRecord
from search.plan import SearchPlan
from search.recommendation import MEAN_OF, SURENESS, mean_of_best, supported
from search.space.build import build_space
from search.state import SearchState
from search.suggester import Suggester
from search.surrogate.gaussian_process import model_of
from search.surrogate.optimum import optimum as optimum_of
from search.surrogate.optimum import worths
from search.surrogate.subspace import Location
from search.trials import SearchTrials
from tests.search.searching import searched

MOVED = ("IN05", "M00", "OUT05", "OUT08")
SPACE = build_space(freeze={block: 0.3 for block in UNET_BLOCKS if block not in MOVED}, adjust=("CONT",))
PLAN = SearchPlan(groups=4, blocks=30, self_mode=0, adjust=0, refine=0, patience=0)


def value(point: Point) -> float:
    return 1 - sum((point[name] - 0.4) ** 2 for name in MOVED)


@pytest.fixture(scope="module")
def history() -> list[TrialRecord]:
    suggester = Suggester(space=SPACE, plan=PLAN, seed=2)
    noise = np.random.default_rng(4).normal(size=200)
    return searched(suggester, lambda proposal, number: value(proposal.point) + 0.01 * float(noise[number]))


@pytest.fixture(scope="module")
def trials(history: list[TrialRecord]) -> SearchTrials:
    return SearchTrials(SPACE, PLAN, history)


def bound(trials: SearchTrials, point: Point) -> float:
    observations = trials.observations()
    assert observations is not None
    row, model = np.array([trials.encoding.row(point)]), model_of(observations)
    variance = float(model.posterior_covariance(row, model.factor())[0, 0])
    return float(worths(observations, row)[0]) - SURENESS * math.sqrt(variance)


def location_of_optimum(state: SearchState) -> Location:
    observations = state.trials.observations()
    assert observations is not None
    return optimum_of(observations, state.subspace("blocks"))


def ranked(trials: SearchTrials, *stages: str) -> list[TrialRecord]:
    """Trials of some stages, the best first."""
    return sorted((one for one in trials.comparable if one.stage in stages), key=lambda one: -(one.value or 0.0))


STAGES = ("flat", "groups", "blocks")


def test_an_optimum_that_the_model_is_sure_of_is_recommended(trials: SearchTrials, history: list[TrialRecord]) -> None:
    found = Suggester(space=SPACE, plan=PLAN, seed=2).recommended(history)
    assert value(found) > 0.99
    state = SearchState(SPACE, PLAN, history)
    optimum = state.subspace("blocks").point(location_of_optimum(state))
    assert found == optimum
    assert supported(trials, optimum, MOVED, STAGES) == optimum


def test_what_trials_support_is_recommended_in_place_of_a_worse_optimum(trials: SearchTrials) -> None:
    worse = SPACE.flat(0.95)
    found = supported(trials, worse, MOVED, STAGES)
    best = mean_of_best(SPACE, ranked(trials, *STAGES)[:MEAN_OF])
    flat = [trial.point for trial in trials.flat_mixes]
    assert bound(trials, found) >= max(bound(trials, point) for point in (worse, best, *flat)) - 1e-9
    assert value(found) > 0.97 > value(worse)


def test_knobs_that_nothing_moved_stay_as_they_are(trials: SearchTrials) -> None:
    worse = SPACE.flat(0.95) | {"adjust:CONT": 1.0}
    found = supported(trials, worse, ("IN05", "M00"), STAGES)
    assert {name: found[name] for name in ("OUT05", "OUT08", "adjust:CONT")} == {
        "OUT05": 0.95, "OUT08": 0.95, "adjust:CONT": 1.0
    }  # fmt: skip
    assert (found["IN05"], found["M00"]) != (0.95, 0.95)


def test_trials_of_a_stage_without_effect_support_nothing(trials: SearchTrials) -> None:
    worse = SPACE.flat(0.95)
    found = supported(trials, worse, MOVED, ("flat",))
    flat = [trial.point for trial in trials.records if trial.stage == "flat"]
    assert found in [mean_of_best(SPACE, ranked(trials, "flat")[:MEAN_OF]), *flat]
    assert supported(trials, worse, (), STAGES) == worse


def test_without_values_the_optimum_stands() -> None:
    nothing = SearchTrials(SPACE, PLAN, ())
    assert supported(nothing, SPACE.flat(0.3), MOVED, STAGES) == SPACE.flat(0.3)
