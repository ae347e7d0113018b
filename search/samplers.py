"""The only door to Optuna: full distributions for the record, and a Gaussian process that proposes the next values.

The Gaussian process lives in a throw-away study in memory, filled anew from the told values each time, so that a
proposal depends on nothing but its arguments: no state to save, nothing to lose when the process dies.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from search.space import Space
from search.subspace import Axis

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

_NOWHERE = logging.NullHandler()

Datum = tuple[Mapping[str, float], float]
"""Axis values and the objective found there (larger is better)."""


def distributions(space: Space) -> dict[str, BaseDistribution]:
    """Return one fixed distribution for every free knob: the same for every trial of a study, whatever its stage."""
    from optuna.distributions import FloatDistribution

    return {knob.name: FloatDistribution(knob.low, knob.high) for knob in space.free}


def suggest(axes: Sequence[Axis], data: Sequence[Datum], *, seed: int, number: int) -> dict[str, float]:
    """Return the axis values with the largest expected improvement (random ones with less than two data).

    Args:
        axes: what to search, with bounds.
        data: what is known; every value inside the bounds of its axis.
        seed: seed of the search.
        number: number of the trial to be; another number is another draw.
    """
    _quiet()
    import optuna

    box = {axis.name: optuna.distributions.FloatDistribution(axis.low, axis.high) for axis in axes}
    sampler = optuna.samplers.GPSampler(seed=_draw(seed, number), n_startup_trials=2, warn_independent_sampling=False)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.add_trials(
        [optuna.create_trial(params=dict(values), distributions=dict(box), value=value) for values, value in data]
    )  # fmt: skip
    return dict(study.ask(dict(box)).params)


def _quiet() -> None:
    """Keep Optuna off the console. Its logger needs some handler, or warnings go to stderr all the same."""
    from optuna.logging import disable_default_handler

    disable_default_handler()
    logging.getLogger("optuna").addHandler(_NOWHERE)


def _draw(seed: int, number: int) -> int:
    """Return a 32 bit seed for one trial, far from its neighbours' (Mersenne twisters dislike 0, 1, 2, ...)."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{number}".encode()).digest()[:4], "big")
