"""Who goes to the final on fresh prompts and seeds: the best ones, and the mean of the best, which is often better."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from search.errors import SearchError
from search.history import Point, Told, mean_point, top
from search.space import Space
from search.stages import STAGES, Plan, Stage, start

MEAN_OF = 10
"""How many of the best recipes the mean is taken over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finalist:
    """One recipe to be rendered again on held-out shots."""

    label: str
    """Why it is here: `mean of the best 10`, `best`, `best of groups`, `2nd`."""
    point: Point
    """The full vector: every free knob."""


def choose(space: Space, history: Sequence[Told], count: int, plan: Plan | None = None) -> tuple[Finalist, ...]:
    """Return up to `count` different recipes, the most promising first.

    The best observed value is partly luck, and the luckiest of many is luckier still. The mean of the best recipes has
    no such luck; its value is not known before the final. So both go, then the best of every stage, which keeps some
    variety, then whoever follows by value.

    Args:
        space: the space all points belong to.
        history: all told trials.
        count: how many finalists are wanted, at least 1.
        plan: of the search; says how many recipes the settled one averages.

    Raises:
        SearchError: less than one finalist is wanted, or no trial has a value.
    """
    if count < 1:
        raise SearchError(f"{count} finalists were asked for; ask for at least 1")
    if not top(history, 1):
        raise SearchError(f"none of the {len(history)} trials has a value, so there is nothing to choose from")
    chosen: dict[str, Finalist] = {}
    for finalist in _queue(space, history, plan or Plan()):
        chosen.setdefault(space.decode(finalist.point).key, finalist)
    return tuple(chosen.values())[:count]


def _queue(space: Space, history: Sequence[Told], plan: Plan) -> list[Finalist]:
    ranked = top(history, len(history))
    queue = [
        Finalist(label="best", point=ranked[0].point),
        Finalist(label=f"mean of the best {min(MEAN_OF, len(ranked))}", point=_mean(space, ranked[:MEAN_OF])),
        Finalist(label="mean, stage by stage", point=start(None, space, plan, history)),
    ]
    queue += [Finalist(label=f"best of {one.stage}", point=one.point) for one in _champions(ranked)]
    return queue + [Finalist(label=f"number {n} by value", point=one.point) for n, one in enumerate(ranked, start=1)]


def _mean(space: Space, best: Sequence[Told]) -> dict[str, float]:
    mean = mean_point([one.point for one in best])
    return {knob.name: knob.tidy(mean[knob.name]) for knob in space.free}


def _champions(ranked: Sequence[Told]) -> list[Told]:
    """Return the best of each stage, the last stage first."""
    stages: list[Stage] = [*reversed(STAGES)]
    found = [next((one for one in ranked if one.stage == stage), None) for stage in stages]
    return [one for one in found if one is not None]
