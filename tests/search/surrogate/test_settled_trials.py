"""Settled trials: newer ones are appended to their factor, and what was worked out before changes no bit."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from threading import Thread

import numpy as np
import pytest
from scipy.linalg import cho_solve, cholesky

import search.trials
from engine.recipes.blocks import UNET_BLOCKS
from search.history import TrialRecord
from search.plan import SearchPlan
from search.space.build import build_space
from search.suggester import Proposal, Suggester
from search.surrogate import settled_trials as settled_module
from search.surrogate.covariance import Array
from search.surrogate.gaussian_process import GaussianProcess, model_of
from search.surrogate.hyperparameters import hyperparameters
from search.surrogate.observations import FIT_MOST, LEAD, Observations, settled_count, settled_next
from search.surrogate.settled_trials import AppendedFactor, SettledTrials
from search.trials import SearchTrials

BEST = {"IN05": 0.2, "M00": 0.5, "OUT05": 0.7, "adjust:CONT": 1.0}
SPACE = build_space(freeze={block: 0.3 for block in UNET_BLOCKS if block not in BEST}, adjust=("CONT",))
PLAN = SearchPlan(groups=0, blocks=40, self_mode=0, adjust=24, refine=2000, line=0, patience=1000)
SUGGESTER = Suggester(space=SPACE, plan=PLAN, seed=4)
FEW = FIT_MOST + 60
"""Trials of which not all are settled."""


def valued(number: int, proposal: Proposal) -> TrialRecord:
    rng = random.Random(number)
    value = rng.gauss(0, 0.02) - sum((proposal.point[name] - best) ** 2 for name, best in BEST.items())
    return TrialRecord(
        number=number,
        stage=proposal.stage,
        point=proposal.point,
        value=None if number in (7, 333) else value,
        infeasible=number == 7,
        standard_error=0.02,
        slots=proposal.slots,
    )


@pytest.fixture(scope="module")
def told() -> list[TrialRecord]:
    """A history of all stages: what a search proposes until the last one begins, then trials at random."""
    history = list[TrialRecord]()
    while len(history) < FEW + 100:
        proposal = SUGGESTER.next(history) if not history or history[-1].stage != "refine" else None
        if proposal is None:
            rng = random.Random(len(history))
            point = {knob.name: knob.tidy(rng.gauss(BEST[knob.name], 0.1)) for knob in SPACE.free}
            proposal = Proposal(stage="refine", point=point)
        history.append(valued(len(history), proposal))
    assert {"flat", "blocks", "adjust", "refine"} == {trial.stage for trial in history}
    proposal = SUGGESTER.next(history)
    assert proposal is not None
    assert (proposal.stage, proposal.label) == ("refine", ""), "the model proposes"
    return history


@pytest.fixture
def cold() -> Iterator[None]:
    forget()
    yield
    forget()


def forget() -> None:
    """Empty every cache of the package."""
    modules = [module for name, module in sys.modules.items() if name.startswith("search.")]
    for cached in {one for module in modules for one in vars(module).values() if hasattr(one, "cache_clear")}:
        cached.cache_clear()


def observations_of(count: int, columns: int = 5, sets: int = 1, *, error: float | None = 0.05) -> Observations:
    rng = np.random.default_rng(2)
    rows = rng.uniform(size=(count, columns))
    values = -np.square(rows - 0.3).sum(1) + 0.05 * rng.normal(size=count)
    return Observations(
        rows=tuple(map(tuple, rows.tolist())),
        values=tuple(values.tolist()),
        shot_sets=tuple(n * sets // count for n in range(count)),
        centre=(0.4,) * columns,
        standard_error=error,
    )


THETA = (0.3, -4.0, -1.0, *np.linspace(-1.0, 0.5, 5).tolist())


@pytest.mark.parametrize(("sets", "error"), [(1, 0.05), (3, 0.05), (3, None)])
def test_a_model_with_newer_trials_is_that_of_one_whole_factor(sets: int, error: float | None) -> None:
    observations = observations_of(FEW, sets=sets, error=error)
    assert observations.count_settled == FIT_MOST
    model, everything = GaussianProcess(observations, THETA), slice(None)
    covariance = model.covariance(model.correlation(everything, everything), everything, everything)
    model.add_noise(covariance)
    factor = cholesky(covariance, lower=True)
    assert model.factor() == pytest.approx(factor, abs=1e-8)
    assert model.weights == pytest.approx(cho_solve((factor, True), model.values), abs=1e-6)
    assert model.own_means == pytest.approx(model.posterior_mean(model.rows), abs=1e-9)
    inverse = np.linalg.inv(covariance)
    assert model.leave_one_out_residuals == pytest.approx(model.scale * model.weights / np.diag(inverse), abs=1e-6)


def test_values_are_standardised_by_the_settled_trials() -> None:
    observations = observations_of(FEW)
    higher = replace(observations, values=(*observations.values[:FIT_MOST], *[9.0] * 60))
    models = [GaussianProcess(one, THETA) for one in (observations, higher)]
    assert models[0].scale == models[1].scale == float(np.std(observations.values[:FIT_MOST]))


def test_a_factor_in_blocks_of_rows_is_that_of_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    observations = observations_of(90, sets=2)
    whole = SettledTrials(observations, THETA)
    squares = whole.inverse_squares
    monkeypatch.setattr(settled_module, "BLOCK", 40)
    parts = SettledTrials(observations, THETA)
    assert parts.factor == pytest.approx(whole.factor, abs=1e-10)
    assert parts.inverse_squares == pytest.approx(squares, rel=1e-8)


def test_another_set_of_shots_leaves_the_settled_trials_as_they_are() -> None:
    observations = observations_of(FEW, sets=2)
    later = replace(observations, shot_sets=(*(1 - one for one in observations.shot_sets[:-1]), 7))
    assert later.settled_ones() == observations.settled_ones()
    first = replace(observations, shot_sets=(0,) * FEW)
    second = replace(first, shot_sets=(*first.shot_sets[:-1], 1))
    assert first.settled_ones() != second.settled_ones(), "values on one set only need no constant of their own"
    assert GaussianProcess(second, THETA).posterior_mean(np.array(second.rows[:3])) == pytest.approx(
        GaussianProcess(first, THETA).posterior_mean(np.array(first.rows[:3])), abs=0.1
    )


def test_a_later_fit_is_known_some_trials_before_it_is_used() -> None:
    assert settled_count(FIT_MOST) == settled_count(FIT_MOST + 1) == settled_count(FIT_MOST + 100) == FIT_MOST
    assert [settled_count(n) for n in (519, 520, 619, 620)] == [400, 500, 500, 600]
    assert [settled_next(n) for n in (400, 450, 499, 500, 519, 520, 600)] == [None, None, None, 500, 500, None, 600]
    assert settled_count(500 + LEAD) == settled_next(500)


@pytest.mark.usefixtures("cold")
def test_what_was_worked_out_before_changes_no_bit(told: list[TrialRecord]) -> None:
    counts, warm = (FIT_MOST + 55, FIT_MOST + 130), list[tuple[Proposal | None, Array]]()
    for count in (FIT_MOST + 10, FIT_MOST + 54, counts[0], FIT_MOST + 104, FIT_MOST + 121, counts[1]):
        warm.append((SUGGESTER.next(told[:count]), weights(told[:count])))
        SUGGESTER.prepare([*told[:count], replace(told[count], value=None)])
    for count, (proposal, before) in zip(counts, (warm[2], warm[5]), strict=True):
        forget()
        other = Thread(target=SUGGESTER.prepare, args=(told[: count - 1],))
        other.start()
        assert SUGGESTER.next(told[:count][::-1]) == proposal
        other.join()
        assert weights(told[:count]).tolist() == before.tolist()


def weights(history: Sequence[TrialRecord]) -> Array:
    observations = SearchTrials(SPACE, PLAN, history).observations()
    assert observations is not None
    return model_of(observations).weights


@pytest.mark.usefixtures("cold")
def test_trials_are_factored_and_fitted_once_in_a_hundred_and_in_advance(
    told: list[TrialRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    factored = list[int]()

    class Counted(SettledTrials):
        def __init__(self, observations: Observations, theta: tuple[float, ...]) -> None:
            factored.append(len(observations.values))
            super().__init__(observations, theta)

    known = [n for n, trial in enumerate(told) if trial.value is not None]
    places = {count: known[count - 1] + 1 for count in range(1, len(known) + 1)}  # of observations, to trials
    SUGGESTER.next(told[: places[499]])
    monkeypatch.setattr(settled_module, "SettledTrials", Counted)
    fits = hyperparameters.cache_info().misses
    for count in range(499, 519, 4):
        SUGGESTER.next(told[: places[count]])
    assert (factored, hyperparameters.cache_info().misses - fits) == ([], 0)
    SUGGESTER.prepare(told[: places[500]])
    assert (factored, hyperparameters.cache_info().misses - fits) == ([500], 2), "a fit with a floor for values, too"
    for count in range(519, 540, 5):
        SUGGESTER.next(told[: places[count]])
    assert (factored, hyperparameters.cache_info().misses - fits) == ([500], 2)


@pytest.mark.usefixtures("cold")
def test_very_long_histories_are_shortened_to_the_newest_of_every_stage(
    told: list[TrialRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search.trials, "MOST_SETTLED", 100)
    trials = SearchTrials(SPACE, PLAN, told)
    observations, observed = trials.observations(), trials.observed()
    assert observations is not None
    assert observations.count_settled == 100
    known = [trial for trial in told if trial.value is not None]
    newer = len(known) - settled_count(len(known))
    assert newer > 0
    assert len(observed) == len(observations.values) == 100 + newer
    assert [trial for trial, _ in observed[100:]] == known[-newer:]
    of_stage = [[trial.number for trial, _ in observed[:100] if trial.stage == stage] for stage in ("flat", "refine")]
    assert of_stage[0] == [trial.number for trial in known if trial.stage == "flat"]
    assert of_stage[1][-1] == known[-newer - 1].number
    assert SUGGESTER.next(told) == SUGGESTER.next(told[::-1])
    to_come = trials.observations_to_come()
    assert to_come is None or to_come.count_settled == 100


def test_appended_rows_are_none_where_all_are_settled() -> None:
    model = GaussianProcess(observations_of(30), THETA)
    factor = AppendedFactor.of(settled_module.settled_trials(observations_of(30).settled_ones(), THETA), model)
    assert len(factor.corner) == 0
    assert factor.whole() is factor.settled.factor
