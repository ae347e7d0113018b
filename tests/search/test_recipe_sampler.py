from __future__ import annotations

import pickle
from collections.abc import Callable
from functools import partial

import optuna
import pytest
from optuna.samplers import BaseSampler
from optuna.testing.pytest_samplers import BasicSamplerTestCase, RelativeSamplerTestCase, SingleOnlySamplerTestCase
from optuna.trial import Trial, TrialState

from engine.recipes.blocks import UNET_BLOCKS
from search.history import TrialRecord
from search.plan import SearchPlan
from search.recipe_sampler import RecipeSampler
from search.samplers.optuna_samplers import distributions
from search.space.build import build_space
from search.suggester import Suggester

SPACE = build_space(adjust=("CONT",))
PLAN = SearchPlan(groups=4, blocks=4, self_mode=0, adjust=0, refine=4)


class TestContract(BasicSamplerTestCase, RelativeSamplerTestCase, SingleOnlySamplerTestCase):
    """What Optuna asks of every sampler of one objective."""

    @pytest.fixture
    def sampler(self) -> Callable[[], BaseSampler]:
        return partial(RecipeSampler, SPACE, PLAN, seed=1)


def value_of(trial: Trial) -> float:
    for name, one in distributions(SPACE).items():
        assert isinstance(one, optuna.distributions.FloatDistribution)
        trial.suggest_float(name, one.low, one.high)
    return -sum((number - 0.3) ** 2 for number in trial.params.values())


def test_it_proposes_what_the_suggester_does() -> None:
    study = optuna.create_study(direction="maximize", sampler=RecipeSampler(SPACE, PLAN, seed=3))
    study.optimize(value_of, n_trials=20)
    suggester, told = Suggester(space=SPACE, plan=PLAN, seed=3), list[TrialRecord]()
    for trial in study.trials:
        proposal = suggester.next(told)
        if proposal is None:
            break
        assert trial.params == pytest.approx(dict(proposal.point), abs=0)
        told.append(TrialRecord(number=trial.number, stage=proposal.stage, point=proposal.point, value=trial.value))
    assert len(told) > 12


def test_a_minimum_is_sought_where_the_study_minimizes() -> None:
    ours = optuna.create_study(direction="minimize", sampler=RecipeSampler(SPACE, PLAN, seed=3))
    ours.optimize(lambda trial: -value_of(trial), n_trials=15)
    other = optuna.create_study(direction="maximize", sampler=RecipeSampler(SPACE, PLAN, seed=3))
    other.optimize(value_of, n_trials=15)
    assert [one.params for one in ours.trials] == [one.params for one in other.trials]


def test_it_goes_on_after_its_plan_and_from_a_copy() -> None:
    study = optuna.create_study(direction="maximize", sampler=RecipeSampler(SPACE, PLAN, seed=3))
    study.optimize(value_of, n_trials=30)
    assert len({tuple(one.params.values()) for one in study.trials}) == 30
    study.sampler = pickle.loads(pickle.dumps(study.sampler))  # noqa: S301 - our own
    study.optimize(value_of, n_trials=2)
    assert len({tuple(one.params.values()) for one in study.trials}) == 32


def test_running_trials_are_not_proposed_again() -> None:
    study = optuna.create_study(direction="maximize", sampler=RecipeSampler(SPACE, PLAN, seed=3))
    asked = [study.ask(distributions(SPACE)) for _ in range(6)]
    assert len({tuple(one.params.values()) for one in asked}) == 6


def test_failed_pruned_infinite_and_foreign_trials_are_no_obstacle() -> None:
    study = optuna.create_study(direction="maximize", sampler=RecipeSampler(SPACE, PLAN, seed=3))
    study.enqueue_trial({"BASE": 0.0})
    first = study.ask()
    study.tell(first, 1.0)  # without knobs
    for state, value in ((TrialState.FAIL, None), (TrialState.PRUNED, None), (None, float("inf"))):
        trial = study.ask(distributions(SPACE))
        study.tell(trial, value, state=state)
    study.optimize(value_of, n_trials=12)
    assert len({tuple(one.params.values()) for one in study.trials[1:]}) == 15


def test_a_huge_penalty_is_a_recipe_that_cannot_be_used() -> None:
    asked = list[list[dict[str, float]]]()
    for penalty in (1e300, float("inf")):
        study = optuna.create_study(direction="minimize", sampler=RecipeSampler(SPACE, PLAN, seed=3))
        study.optimize(
            lambda trial, penalty=penalty: penalty if trial.number % 4 == 1 else -value_of(trial), n_trials=16
        )
        asked.append([one.params for one in study.trials])
    assert asked[0] == asked[1]


def test_a_space_without_a_free_knob_has_one_recipe() -> None:
    fixed = build_space(freeze=dict.fromkeys(("BASE", *UNET_BLOCKS), 0.5))
    study = optuna.create_study(direction="maximize", sampler=RecipeSampler(fixed, PLAN, seed=3))
    study.optimize(lambda trial: float(trial.number), n_trials=3)
    assert [one.params for one in study.trials] == [{}, {}, {}]


@pytest.mark.parametrize("seed", [None, 4])
def test_the_seed(seed: int | None) -> None:
    pair = [RecipeSampler(SPACE, PLAN, seed=seed) for _ in range(2)]
    found: list[list[dict[str, float]]] = []
    for sampler in pair:
        study = optuna.create_study(direction="maximize", sampler=sampler)
        study.optimize(value_of, n_trials=12)
        found.append([one.params for one in study.trials])
    assert (found[0] == found[1]) is (seed is not None)
