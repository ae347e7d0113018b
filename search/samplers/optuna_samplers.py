"""The only module that imports Optuna: full distributions for the record, and its samplers by name.

A sampler lives in a throw-away study in memory, filled anew from the completed trials each time, so that a proposal
depends on nothing but its arguments: no state to save, nothing to lose when the process dies. Samplers that count what
they were asked (QMC, NSGA-II) are asked again for every trial.
"""

from __future__ import annotations

import hashlib
import logging
import warnings
from collections.abc import Mapping, Sequence
from inspect import signature
from typing import TYPE_CHECKING, Any

from search.space.space import Space

if TYPE_CHECKING:
    import optuna
    from optuna.distributions import BaseDistribution

_DISCARD = logging.NullHandler()
REPLAYED = ("nsga2", "qmc")
"""Samplers that are asked again for every trial from the first one on."""
DEFAULT_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "gp": {"n_startup_trials": 2, "warn_independent_sampling": False},
    "qmc": {"scramble": True, "warn_independent_sampling": False},
}
"""Options of samplers that a search sets unless the plan gives others."""

ObservedPosition = tuple[Sequence[float], float]
"""A position, 0 to 1 by axis, and its value (larger is better)."""


def distributions(space: Space) -> dict[str, BaseDistribution]:
    """Return one fixed distribution for every free knob: the same for every trial of a study, whatever its stage."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    return {
        knob.name: CategoricalDistribution([float(n) for n in range(len(knob.options))])
        if knob.is_choice
        else FloatDistribution(knob.low, knob.high)
        for knob in space.free
    }


def suggest(
    name: str,
    axes: int,
    observations: Sequence[ObservedPosition],
    *,
    seed: int,
    number: int,
    options: Mapping[str, Any] | None = None,
) -> tuple[float, ...]:
    """Return what one of Optuna's samplers would try next.

    Args:
        name: `gp`, `tpe`, `nsga2`, `qmc` or `random`.
        axes: how many axes there are, each from 0 to 1.
        observations: what is known, oldest first.
        seed: seed of the search.
        number: number of the trial to be; another number is another draw.
        options: of the sampler, as Optuna names them.

    Raises:
        TypeError: an option that the sampler does not have.
    """
    import optuna

    quiet()
    replayed = name in REPLAYED
    sampler = _sampler(name, seed_of_trial(seed, 0 if replayed else number), options or {})
    study = optuna.create_study(direction="maximize", sampler=sampler)
    box: dict[str, BaseDistribution] = {f"{n:03d}": optuna.distributions.FloatDistribution(0, 1) for n in range(axes)}
    for place, value in observations:
        params = dict(zip(box, place, strict=True))
        if replayed:
            study.enqueue_trial(params)
            _ask(study, box)
            study.tell(study.trials[-1].number, value)
        else:
            study.add_trial(optuna.create_trial(params=params, distributions=dict(box), value=value))
    return _ask(study, box)


def _ask(study: optuna.Study, box: dict[str, BaseDistribution]) -> tuple[float, ...]:
    found = study.ask(dict(box)).params
    return tuple(float(found[name]) for name in box)


def known_options(name: str) -> dict[str, Any]:
    """Return the options of a sampler of Optuna by name, each with its default."""
    return {one.name: one.default for one in signature(_class_of(name)).parameters.values()}


def _class_of(name: str) -> type[optuna.samplers.BaseSampler]:
    import optuna

    made = optuna.samplers
    kinds: dict[str, type[optuna.samplers.BaseSampler]] = {
        "gp": made.GPSampler, "tpe": made.TPESampler, "nsga2": made.NSGAIISampler, "qmc": made.QMCSampler,
        "random": made.RandomSampler,
    }  # fmt: skip
    return kinds[name]


def _sampler(name: str, seed: int, options: Mapping[str, Any]) -> optuna.samplers.BaseSampler:
    import optuna

    given: dict[str, Any] = {"seed": seed, **DEFAULT_OPTIONS.get(name, {}), **options}
    with warnings.catch_warnings():  # QMC is "experimental"
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return _class_of(name)(**given)


def quiet() -> None:
    """Keep Optuna off the console. Its logger needs some handler, or warnings go to stderr anyway."""
    from optuna.logging import disable_default_handler

    disable_default_handler()
    logging.getLogger("optuna").addHandler(_DISCARD)


def seed_of_trial(seed: int, number: int) -> int:
    """Return a 32 bit seed for one trial, far from its neighbours' (Mersenne twisters dislike 0, 1, 2, ...)."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{number}".encode()).digest()[:4], "big")
