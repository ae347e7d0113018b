"""The samplers that may take the surrogate's place, by their names: Optuna's and CMA-ES."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.errors import Problem, did_you_mean, first_line, value_text
from search.plan import SURROGATE
from search.surrogate.subspace import Location, Subspace

if TYPE_CHECKING:
    from search.plan import Stage
    from search.trials import SearchTrials


_KINDS: tuple[tuple[type, str], ...] = (
    (bool, "true or false"),
    (int, "a whole number"),
    (float, "a number"),
    (str, "a text in quotes"),
)


def options_problem(sampler: str, options: Mapping[str, Any]) -> Problem | None:
    """Return what is wrong with the options of a sampler, or None; it is made once to find out."""
    if not options:
        return None
    if sampler == SURROGATE:
        return Problem(what=f"sampler {SURROGATE} takes no options", remedy="leave them out")
    if problem := _unknown_option(sampler, options):
        return problem
    try:
        if sampler == "cmaes":
            from search.samplers.cma_es import suggest as evolved

            evolved((0.5, 0.5), (), seed=0, options=options)
        else:
            from search.samplers.optuna_samplers import suggest

            suggest(sampler, 2, (), seed=0, number=0, options=options)
    except TypeError:
        what = f"sampler {sampler}: the value of an option is of another kind than it takes"
        return Problem(what=what, remedy="see its options in the manual of Optuna, or of the package cmaes")
    except (ValueError, AssertionError) as error:
        remedy = "write options as Optuna, or the package cmaes, names them"
        return Problem(what=f"sampler {sampler}: {first_line(error)}", remedy=remedy)
    return None


def _unknown_option(sampler: str, options: Mapping[str, Any]) -> Problem | None:
    """What is wrong with the names of options, and with the kinds of their values where the default shows them."""
    if sampler == "cmaes":
        from search.samplers.cma_es import known_options
    else:
        from search.samplers.optuna_samplers import known_options

    known = known_options(sampler)
    for name, value in options.items():
        if name not in known:
            return Problem(
                place=(name,),
                what=f"sampler {sampler} has no such option",
                seen=value,
                remedy=did_you_mean(name, known),
            )
        kind = next((words for own, words in _KINDS if type(known[name]) is own), "")
        if kind and not _is_of_kind(value, known[name]):
            remedy = f"write for example {name} = {value_text(known[name])}"
            return Problem(place=(name,), what=f"must be {kind}", seen=value, remedy=remedy)
    return None


def _is_of_kind(value: object, default: object) -> bool:
    """Whether a value is of the kind of a default; a whole number will do for any other."""
    return type(value) is type(default) or (type(default) is float and type(value) is int)


def suggest_location(stage: Stage, trials: SearchTrials, subspace: Subspace, seed: int) -> Location:
    """Return what the plan's sampler proposes along the axes, with each combination of words in its turn.

    Every trial that lies in the stage's subspace is an observation, whatever stage proposed it; an infeasible one
    counts as the worst. CMA-ES is given the trials of its own generations alone.
    """
    combinations = subspace.combinations()
    words = combinations[trials.count(stage) % len(combinations)]
    if not subspace.axes:
        return Location(position=(), words=words)
    rows = np.array(trials.rows) if len(trials) else np.zeros((0, len(subspace.row)))
    positions = subspace.positions(rows).tolist()
    worst = min((trial.value for trial in trials.records if trial.value is not None), default=0.0)
    values = [worst if trial.infeasible else trial.value for trial in trials.records]
    plan = trials.plan
    if plan.sampler == "cmaes":
        from search.samplers.cma_es import suggest as evolved

        # the stage's start is of no generation
        own = [
            trial.stage == stage and row != subspace.row for trial, row in zip(trials.records, trials.rows, strict=True)
        ]
        completed = [(positions[n], values[n]) for n, is_own in enumerate(own) if is_own]
        position = evolved(subspace.start.tolist(), completed, seed=seed, options=plan.options)
        return Location(position=position, words=words)
    from search.samplers.optuna_samplers import suggest

    inside = subspace.contains(rows)
    observed = [(positions[n], value) for n, value in enumerate(values) if inside[n] and value is not None]
    position = suggest(
        plan.sampler, len(subspace.axes), observed, seed=seed, number=len(trials), options=plan.options
    )  # fmt: skip
    return Location(position=position, words=words)
