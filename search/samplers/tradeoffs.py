"""Proposals for two objectives at once: the more of a value the better, and the less of a cost.

Optuna's TPE with several objectives (Ozaki et al. 2020, "Multiobjective tree-structured Parzen estimator") over knobs
of a few options each. A knob that has an effect only beside certain options of another one is asked for only then, and
the sampler models every such group of knobs by itself (``multivariate`` with ``group``). As in ``optuna_samplers``, a
proposal follows from its arguments alone.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from search.samplers.optuna_samplers import quiet, seed_of_trial

if TYPE_CHECKING:
    import optuna
    from optuna.distributions import BaseDistribution

STARTUP = 10
"""Trials that are drawn at random before the sampler learns from them."""
MOVES = 1000
"""Steps of the walk to something that was not tried, where the sampler proposes what was."""

Places = Mapping[str, int]
"""Which option of each knob in effect, counted from 0, by the knob's name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionKnob:
    """A knob of a few options.

    Attributes:
        name: another one for every knob.
        options: how many there are, at least 1.
        ordered: whether neighbours are alike, as numbers are; words are not.
        beside: the knob, which comes earlier, and the places of its options beside which this one has an effect; None:
            always.
    """

    name: str
    options: int
    ordered: bool = True
    beside: tuple[str, frozenset[int]] | None = None

    def is_in_effect(self, places: Places) -> bool:
        """Whether it has an effect beside what is chosen of the knobs before it."""
        return self.beside is None or places.get(self.beside[0]) in self.beside[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeoffTrial:
    """What came of one choice."""

    places: Places
    value: float
    """More is better."""
    cost: float
    """Less is better."""


def in_effect(knobs: Sequence[OptionKnob], places: Places) -> dict[str, int]:
    """Return the places of the knobs that have an effect, in the order of the knobs."""
    found: dict[str, int] = {}
    for knob in knobs:
        if knob.is_in_effect(found):
            found[knob.name] = places[knob.name]
    return found


def distributions_of(knobs: Sequence[OptionKnob], places: Places) -> dict[str, BaseDistribution]:
    """Return Optuna's distributions of the knobs in effect."""
    return {knob.name: _distribution(knob) for knob in knobs if knob.name in places}


def _everything(_places: Places) -> bool:
    return True


def suggest_places(
    knobs: Sequence[OptionKnob],
    trials: Sequence[TradeoffTrial],
    *,
    seed: int,
    number: int,
    allowed: Callable[[Places], bool] = _everything,
) -> dict[str, int] | None:
    """Return what to try next.

    Args:
        knobs: what is chosen.
        trials: what is known, oldest first.
        seed: of the search.
        number: of the trial to be; another number is another draw.
        allowed: whether a choice can be tried at all.

    Returns:
        The place of every knob in effect; None where nothing was found that was not tried.
    """
    import optuna

    quiet()
    with warnings.catch_warnings():  # groups of knobs are "experimental"
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        sampler = optuna.samplers.TPESampler(
            seed=seed_of_trial(seed, number), multivariate=True, group=True, n_startup_trials=STARTUP
        )
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)
    for trial in trials:
        box = distributions_of(knobs, trial.places)
        params = {name: trial.places[name] for name in box}
        study.add_trial(optuna.create_trial(params=params, distributions=box, values=[trial.value, trial.cost]))
    asked = study.ask()
    found: dict[str, int] = {}
    for knob in knobs:
        if knob.is_in_effect(found):
            found[knob.name] = _chosen(asked, knob)
    tried = {tuple(trial.places.items()) for trial in trials}

    def is_new(places: Places) -> bool:
        return tuple(places.items()) not in tried and allowed(places)

    return _untried(knobs, found, is_new, seed_of_trial(seed, number))


def _untried(
    knobs: Sequence[OptionKnob], places: dict[str, int], is_new: Callable[[Places], bool], seed: int
) -> dict[str, int] | None:
    """Walk at random, one knob at a time, from what was tried to what was not: a result is worth no second trial."""
    draw, whole = np.random.default_rng(seed), dict.fromkeys((knob.name for knob in knobs), 0) | places
    for _ in range(MOVES):
        if is_new(places):
            return places
        knob = knobs[int(draw.integers(len(knobs)))]
        near = (whole[knob.name] + (1, -1)[draw.integers(2)]) % knob.options
        far = int(draw.integers(knob.options))
        whole[knob.name] = near if knob.ordered and draw.integers(2) else far
        places = in_effect(knobs, whole)
    return None


def _distribution(knob: OptionKnob) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution, IntDistribution

    if knob.ordered:
        return IntDistribution(0, knob.options - 1)
    return CategoricalDistribution(range(knob.options))


def _chosen(trial: optuna.trial.Trial, knob: OptionKnob) -> int:
    if knob.ordered:
        return trial.suggest_int(knob.name, 0, knob.options - 1)
    return int(trial.suggest_categorical(knob.name, range(knob.options)))
