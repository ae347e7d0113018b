"""Our search as a sampler of Optuna: ``optuna.create_study(sampler=RecipeSampler(space))``, for studies of your own.

A proposal follows from space, plan, seed and the trials of the study alone, so a study in any storage goes on where it
stopped. What was proposed is kept with the trial, so that trials still running elsewhere are not proposed again.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
from optuna.distributions import CategoricalDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from search.errors import SearchError
from search.history import TrialRecord, is_measured
from search.plan import SearchPlan
from search.samplers.optuna_samplers import distributions
from search.suggester import Proposal, Suggester

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.study import Study

    from search.space.space import Space

POINT = "recipe-search:point"
"""Key of a trial's system attribute with the proposed point, which holds knobs that the objective did not ask for."""
STAGE = "recipe-search:stage"
"""Key of the system attribute with the stage that proposed the trial."""
WITHOUT_END = 10**6
"""Trials of stage `refine` once the plan is over, since Optuna says when a study ends."""


class RecipeSampler(BaseSampler):
    """Proposes what `Suggester` proposes: FLAT mixes, then groups, blocks, Self, Adjust, then what mattered.

    The objective asks for the knobs by ``trial.suggest_float(name, low, high)`` with the space's names and bounds, or a
    study is asked with ``study.ask(distributions(space))``. Parameters that are no knobs are drawn at random. Studies
    of several objectives are refused with a ValueError, as by Optuna's other samplers of one objective. A value that is
    infinite or beyond 1e100 counts as a recipe that cannot be used, as does a penalty such as 1e300.

    Args:
        space: that is searched.
        plan: of the stages; when it is over, refining goes on for as long as trials are asked for.
        seed: the same seed and trials give the same proposals; None: another one each time.
    """

    def __init__(self, space: Space, plan: SearchPlan | None = None, *, seed: int | None = None) -> None:
        self._seed = int(np.random.SeedSequence().generate_state(1)[0]) if seed is None else seed
        self._suggester = Suggester(space=space, plan=plan or SearchPlan(), seed=self._seed)
        self._others = RandomSampler(seed=self._seed)
        self._lock = Lock()  # threads of one study: each sees what the one before it proposed

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._lock = Lock()

    @cached_property
    def _without_end(self) -> Suggester:
        return replace(self._suggester, plan=replace(self._suggester.plan, refine=WITHOUT_END, patience=0))

    def reseed_rng(self) -> None:
        """Draw other parameters than knobs anew in every process."""
        self._others.reseed_rng()  # proposals need none: they differ by the trials that are there

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Return the distribution of every free knob."""
        return distributions(self._suggester.space)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return the proposed point; for names that are no knobs, a random value.

        Raises:
            ValueError: the study has several objectives.
        """
        self._raise_error_if_multi_objective(study)
        with self._lock:
            proposal = self._proposal(study, trial)
            point = dict(proposal.point) if proposal else {}
            if proposal:
                # as Optuna's own samplers do, which have no public way either
                storage, number = study._storage, trial._trial_id  # pyright: ignore[reportPrivateUsage]
                storage.set_trial_system_attr(number, POINT, point)
                storage.set_trial_system_attr(number, STAGE, proposal.stage)
        return {
            name: _value(point[name], one) if name in point else self.sample_independent(study, trial, name, one)
            for name, one in search_space.items()
        }

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Return a random value of a parameter that is no knob, or that the objective asks for with other bounds.

        Raises:
            ValueError: the study has several objectives.
        """
        self._raise_error_if_multi_objective(study)
        return self._others.sample_independent(study, trial, param_name, param_distribution)

    def _proposal(self, study: Study, trial: FrozenTrial) -> Proposal | None:
        """What to try next; None where every recipe that the knobs' steps allow was tried."""
        history = self._history(study, trial)
        return self._suggester.next(history) or self._without_end.next(history)

    def _history(self, study: Study, trial: FrozenTrial) -> list[TrialRecord]:
        sign = -1 if study.direction is StudyDirection.MINIMIZE else 1
        others = (one for one in study.get_trials(deepcopy=False) if one.number != trial.number)
        return [record for one in others if (record := self._record(one, sign)) is not None]

    def _record(self, trial: FrozenTrial, sign: int) -> TrialRecord | None:
        """A trial as the search knows it; None where it has no recipe of this space."""
        space = self._suggester.space
        known = {**trial.system_attrs.get(POINT, {}), **trial.params}
        try:
            point = space.checked({knob.name: known[knob.name] for knob in space.free})
        except (KeyError, SearchError):
            return None
        value = trial.value if trial.state is TrialState.COMPLETE else None
        return TrialRecord(
            number=trial.number,
            stage=trial.system_attrs.get(STAGE, "refine"),
            point=point,
            value=sign * value if is_measured(value) else None,
            infeasible=value is not None and not is_measured(value),
        )


def _value(number: float, distribution: BaseDistribution) -> Any:
    """A knob's number as its distribution has it."""
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices[round(number)]
    return float(number)
