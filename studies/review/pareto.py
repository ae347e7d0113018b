"""The Pareto view: the trials that no other trial beats in style, fidelity and aesthetics at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from optuna.trial import FrozenTrial
from rich.box import SIMPLE_HEAD
from rich.table import Table


def aspects_by_number(trials: Sequence[FrozenTrial]) -> dict[int, dict[str, float]]:
    """The aspects that each trial was measured in, by its number; older trials without such records are left out."""
    return {
        trial.number: {name: float(one["value"]) for name, one in trial.user_attrs["aspects"].items()}
        for trial in trials
        if trial.user_attrs.get("aspects")
    }


def non_dominated(points: Mapping[int, Mapping[str, float]]) -> frozenset[int]:
    """Those that no other point beats: as good in everything, and better in something. More is better."""
    return frozenset(
        number for number, point in points.items() if not any(_beats(other, point) for other in points.values())
    )


def _beats(one: Mapping[str, float], other: Mapping[str, float]) -> bool:
    return all(one[name] >= other[name] for name in other) and any(one[name] > other[name] for name in other)


def pareto_table(trials: Sequence[FrozenTrial]) -> Table:
    """The non-dominated of the trials with a value, in their order, with their intervals."""
    points = aspects_by_number(trials)
    front = non_dominated(points)
    names = list(next(iter(points.values()), {}))
    table = Table(
        title=f"{len(front)} of {len(trials)} trials that no other beats in {', '.join(names) or 'anything measured'} "
        "at once; below, 95 % intervals for other prompts and seeds; where they overlap, the order is not certain",
        title_justify="left",
        box=SIMPLE_HEAD,
        padding=0,
    )
    for heading in ("trial", "stage", *names, "score", "recipe"):
        table.add_column(heading, justify="left" if heading in ("stage", "recipe") else "right")
    for trial in trials:
        if trial.number in front:
            aspects = trial.user_attrs["aspects"]
            table.add_row(
                str(trial.number),
                str(trial.user_attrs["stage"]),
                *(_with_interval(aspects[name]) for name in names),
                f"{trial.value:+.2f}",
                str(trial.user_attrs.get("recipe_key", ""))[:8],
            )
    return table


def _with_interval(one: Mapping[str, Any]) -> str:
    if one["interval"] is None:
        return f"{one['value']:+.2f}"
    low, high = one["interval"]
    return f"{one['value']:+.2f}\n{low:+.2f} to {high:+.2f}"
