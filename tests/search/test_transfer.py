"""An earlier study guides a new one where it fits, in whatever units, and is left out where it does not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import approx_fprime

from search.history import TrialRecord
from search.plan import EarlierStudy, SearchPlan
from search.space.build import build_space
from search.suggester import Proposal, Suggester
from search.surrogate.covariance import EVERY, Array
from search.surrogate.feasibility import feasibility_of
from search.surrogate.gaussian_process import model_of
from search.surrogate.hyperparameters import HyperparameterDensity
from search.surrogate.observations import Observations
from search.transfer import FEWEST_GUIDED, guided
from search.trials import SearchTrials
from tests.search.searching import searched

COLUMNS = 6


def observations_of(rows: Array, values: Array) -> Observations:
    return Observations(
        rows=tuple(map(tuple, rows.tolist())),
        values=tuple(values.tolist()),
        shot_sets=(0,) * len(rows),
        centre=(0.5,) * rows.shape[1],
        standard_error=0.02 * float(np.std(values)) or None,
    )


def height(rows: Array, top: Array) -> Array:
    return -np.sqrt(np.square(rows - top).sum(1) + 0.01)


def studies(top: Array, *, count: int = 8) -> tuple[Observations, Observations, Array]:
    """An earlier study, a new one with another top, unit and zero, and that top."""
    rng = np.random.default_rng(4)
    earlier_rows, rows = rng.uniform(size=(60, COLUMNS)), rng.uniform(size=(count, COLUMNS))
    earlier = observations_of(earlier_rows, height(earlier_rows, np.full(COLUMNS, 0.2)))
    return earlier, observations_of(rows, 40 * height(rows, top) + 7), top


def test_few_trials_and_an_earlier_study_that_fits_predict_better_than_few_trials_alone() -> None:
    earlier, new, top = studies(np.full(COLUMNS, 0.2))
    both, test = guided(new, earlier), np.random.default_rng(5).uniform(size=(200, COLUMNS))
    truth = 40 * height(test, top) + 7
    errors = [np.std(model_of(one).posterior_mean(test) - truth) for one in (both, new)]
    assert both.earlier is earlier
    assert errors[0] < 0.4 * errors[1]
    assert model_of(both).multiple > 0


def test_an_earlier_study_that_says_nothing_of_the_new_one_is_left_out() -> None:
    rng = np.random.default_rng(6)
    earlier, new, _ = studies(np.full(COLUMNS, 0.2), count=40)
    noise = replace(earlier, values=tuple(rng.normal(size=60).tolist()), standard_error=0.01)
    assert guided(new, noise) is new


def test_a_guide_begins_with_a_few_trials_and_ends_with_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("search.transfer.MOST_GUIDED", 9)
    for count, has_guide in ((FEWEST_GUIDED - 1, False), (8, True), (10, False)):
        earlier, new, _ = studies(np.full(COLUMNS, 0.2), count=count)
        assert (guided(new, earlier).earlier is not None) is has_guide
    assert guided(new, None) is new


def test_means_and_gradients_of_a_guided_model_agree() -> None:
    earlier, new, _ = studies(np.full(COLUMNS, 0.25), count=12)
    both = guided(new, earlier)
    model, row = model_of(both), np.random.default_rng(7).uniform(size=COLUMNS)
    assert model.own_means == pytest.approx(model.posterior_mean(model.rows))
    assert model.own_means == pytest.approx(np.array(new.values), abs=2)
    value, gradient = model.posterior_mean_gradient(row)
    assert value == pytest.approx(model.posterior_mean(row[None])[0])
    assert gradient == pytest.approx(approx_fprime(row, lambda r: model.posterior_mean_gradient(r)[0]), abs=1e-3)
    density, theta = HyperparameterDensity(both), np.full(3 + COLUMNS, 0.2)
    numeric = approx_fprime(theta, lambda t: density.negative_log(t)[0])
    assert density.negative_log(theta)[1] == pytest.approx(numeric, abs=1e-3)


def test_the_prior_covariance_of_rows_is_that_of_the_trials_there() -> None:
    earlier, new, _ = studies(np.full(COLUMNS, 0.2))
    model = model_of(guided(replace(new, standard_error=None), earlier))
    of_trials = model.covariance(model.correlation(EVERY, EVERY), EVERY, EVERY)
    assert model.prior_covariance(model.rows, model.rows) == pytest.approx(of_trials)


def test_what_broke_in_the_earlier_study_is_kept_away_from_at_once() -> None:
    earlier, new, _ = studies(np.full(COLUMNS, 0.2))
    kept = np.array(earlier.rows)[np.array(earlier.rows)[:, 2] <= 0.6]
    over = np.array(earlier.rows)[np.array(earlier.rows)[:, 2] > 0.6]
    broken = replace(
        observations_of(kept, height(kept, np.full(COLUMNS, 0.2))), broken=tuple(map(tuple, over.tolist()))
    )
    feasibility = feasibility_of(guided(new, broken))
    assert feasibility is not None
    rows = np.full((2, COLUMNS), 0.4)
    rows[1, 2] = 0.9
    chances = np.exp(feasibility.log_probability(rows))
    assert chances[0] > 0.9
    assert chances[1] < 0.3
    assert feasibility_of(new) is None


# ------------------------------------------------------------------------------------------------------ whole searches

SPACE = build_space()
PLAN = SearchPlan(groups=4, blocks=12, self_mode=0, adjust=0, refine=0, patience=0)
HIDDEN = {knob.name: 0.15 + 0.5 * (n % 3 == 0) for n, knob in enumerate(SPACE.free)}


def worth(proposal: Proposal, number: int) -> float:
    del number
    return -sum((ratio - HIDDEN[name]) ** 2 for name, ratio in proposal.point.items())


def earlier_study(trials: int = 60) -> EarlierStudy:
    long = Suggester(space=SPACE, plan=replace(PLAN, blocks=trials), seed=3)
    history = searched(long, lambda proposal, number: 5 * worth(proposal, number) + 2, trials)
    return EarlierStudy(label="earlier", trials=tuple(history))


def test_a_guided_search_comes_closer_in_as_many_trials_and_goes_on_where_it_stopped() -> None:
    alone = Suggester(space=SPACE, plan=PLAN, seed=1)
    both = Suggester(space=SPACE, plan=replace(PLAN, earlier=earlier_study()), seed=1)
    history = searched(both, worth, 18)
    regrets = [-worth(Proposal(stage="blocks", point=one.recommended(told)), 0)
               for one, told in ((both, history), (alone, searched(alone, worth, 18)))]  # fmt: skip
    assert regrets[0] < 0.5 * regrets[1]
    again = Suggester(space=SPACE, plan=replace(PLAN, earlier=earlier_study()), seed=1)
    for count in (8, 12, 17):
        assert again.next(history[:count]) == both.next(history[:count])


def test_only_the_surrogate_is_told_of_earlier_trials() -> None:
    trials = [TrialRecord(number=n, stage="flat", point=SPACE.flat(n / 5), value=float(n)) for n in range(5)]
    told = SearchTrials(SPACE, replace(PLAN, earlier=earlier_study(20)), trials)
    assert len(told) == 5
    observations = told.observations()
    assert observations is not None
    assert len(observations.values) == 5
