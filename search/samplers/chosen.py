"""Optuna's samplers and CMA-ES in a stage's place: for those who want them, and to compare with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.errors import Problem
from search.surrogate.subspace import Position, Subspace

if TYPE_CHECKING:
    from search.plan import Plan, Stage
    from search.state import Course


def options_problem(sampler: str, options: Mapping[str, Any]) -> Problem | None:
    """Return what is wrong with the options of a sampler, or None; it is made once to find out."""
    remedy = "write options as Optuna, or the package cmaes, names them"
    if not options:
        return None
    if sampler == "hill":
        return Problem(what="sampler hill takes no options", remedy=remedy)
    try:
        if sampler == "cmaes":
            from search.samplers.cma_es import suggest as evolved

            evolved((0.5, 0.5), (), seed=0, options=options)
        else:
            from search.samplers.optuna_samplers import suggest

            suggest(sampler, 2, (), seed=0, number=0, options=options)
    except (TypeError, ValueError, AssertionError) as error:
        return Problem(what=f"sampler {sampler}: {error}", remedy=remedy)
    return None


def place(plan: Plan, stage: Stage, course: Course, where: Subspace, seed: int) -> tuple[Position, Position]:
    """Return where the plan's sampler looks next, and the words, each in its turn.

    Every trial that lies in the stage's subspace is data, whatever stage proposed it; an infeasible one counts as the
    worst. CMA-ES is told its own generations alone.
    """
    combinations = where.combinations()
    words = combinations[course.number(stage) % len(combinations)]
    if not where.axes:
        return (), words
    rows = np.array(course.rows) if course.rows else np.zeros((0, 1))
    worst = min((one.value for one in course.told if one.value is not None), default=0.0)
    values = [worst if one.infeasible else one.value for one in course.told]
    inside = where.holds(rows) if len(rows) else np.zeros(0, dtype=bool)
    positions = where.positions(rows) if len(rows) else np.zeros((0, len(where.axes)))
    if plan.sampler == "cmaes":
        from search.samplers.cma_es import suggest as evolved

        # the stage's start is no child
        own = [n for n, one in enumerate(course.told) if one.stage == stage and course.rows[n] != where.row]
        told = [(positions[n].tolist(), values[n]) for n in own]
        return evolved(where.start.tolist(), told, seed=seed, options=plan.options), words
    from search.samplers.optuna_samplers import suggest

    data = [(positions[n].tolist(), v) for n, v in enumerate(values) if inside[n] and v is not None]
    found = suggest(
        plan.sampler, len(where.axes), data, seed=seed, number=len(course.told), options=plan.options
    )  # fmt: skip
    return found, words
