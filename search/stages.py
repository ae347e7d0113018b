"""The plan of a search: which stages, how many trials each, where each stage searches and from where it starts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from search.errors import refuse
from search.history import Point, Told, mean_point, top
from search.space import Kind, Knob, Space
from search.subspace import Axis, Subspace

Stage = Literal["flat", "groups", "blocks", "self", "adjust"]
STAGES: tuple[Stage, ...] = ("flat", "groups", "blocks", "self", "adjust")
FLAT_RATIOS = (0.0, 1.0, 0.25, 0.5, 0.75)
"""A, B and the three FLAT mixes of a first X/Y/Z plot."""
SETTLED: Mapping[Kind, tuple[Stage | None, ...]] = MappingProxyType(
    {"block": ("blocks", "self", "adjust", None), "self": ("adjust", None), "adjust": (None,)}
)
"""The stages that start with the knobs of a kind at the best found so far; None is the end of the search."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How many trials each stage gets, and how stage `blocks` looks round the best.

    The defaults were tried on made-up landscapes (`tests/benchmarks/bench_search.py`, figures in `RESULTS.md` beside
    it): in a hundred trials a window round the best only throws data away, and the mean of the best recipes was nearer
    to the hidden one than the best on most of them.

    Raises:
        SearchError: negative counts, a window that is not positive, nothing to average.
    """

    groups: int = 24
    """Trials with one ratio per group."""
    blocks: int = 30
    """Trials with one ratio per block."""
    self_mode: int = 8
    """Trials with the multipliers, on the best blocks so far."""
    adjust: int = 8
    """Trials with the Adjust values, on the best recipe so far."""
    flat: tuple[float, ...] = FLAT_RATIOS
    """Ratios of stage `flat`."""
    calibration: int = 0
    """Random recipes round FLAT_50 after the flat ones, to calibrate scorers with."""
    window: float = 1.0
    """Half width of the blocks' bounds round the best, 0..1 of a block's own range; 1 keeps all of it, and all data."""
    best: int = 10
    """How many of the best recipes are averaged for the place from which stage `blocks` and later ones start."""

    def __post_init__(self) -> None:
        counts = {
            "groups": self.groups, "blocks": self.blocks, "self_mode": self.self_mode,
            "adjust": self.adjust, "calibration": self.calibration,
        }  # fmt: skip
        mistakes = [f"{name} = {count} is negative; 0 skips it" for name, count in counts.items() if count < 0]
        if not 0 < self.window <= 1:
            mistakes.append(f"window = {self.window:g} is not in 0..1 (0 itself excluded)")
        if self.best < 1:
            mistakes.append(f"best = {self.best} is less than 1")
        mistakes += [f"flat ratio {ratio:g} is outside 0..1" for ratio in self.flat if not 0 <= ratio <= 1]
        refuse("the plan", mistakes)

    def trials(self, stage: Stage) -> int:
        """Return the number of trials a stage may use, before points that fall together are dropped."""
        counts = (len(self.flat) + self.calibration, self.groups, self.blocks, self.self_mode, self.adjust)
        return counts[STAGES.index(stage)]


def flat_label(ratio: float) -> str:
    """Return the name a merger gives a flat ratio: A, B or FLAT_25."""
    return {0.0: "A", 1.0: "B"}.get(ratio, f"FLAT_{100 * ratio:02g}")


def subspace(stage: Stage, space: Space, plan: Plan, history: Sequence[Told]) -> Subspace:
    """Return where a stage searches; it depends on the trials of earlier stages only, so it stands still meanwhile.

    Args:
        stage: any stage but `flat`.
        space: all knobs.
        plan: gives the window.
        history: all told trials.
    """
    earlier = [told for told in history if told.stage in STAGES[: STAGES.index(stage)]]
    anchor = start(stage, space, plan, earlier)
    if stage == "groups":
        return Subspace(axes=_group_axes(space), fixed=anchor)
    if stage == "blocks":
        return Subspace(axes=_window(space, plan, anchor, earlier), fixed=anchor)
    return Subspace(axes=_whole(space.of_kind("self" if stage == "self" else "adjust")), fixed=anchor)


def start(stage: Stage | None, space: Space, plan: Plan, history: Sequence[Told]) -> dict[str, float]:
    """Return the point a stage starts from: the mean of the best recipes, kind of knob by kind of knob.

    The blocks are those of the best trials with Self and Adjust at rest, the multipliers those of the best trials on
    these blocks, the Adjust values those of the best trials on these multipliers. Without any value it is FLAT_50.

    Args:
        stage: the stage; None: the end of the search.
        space: all knobs.
        plan: says how many recipes are averaged.
        history: told trials of earlier stages.
    """
    point = space.flat(0.5)
    for kind, stages in SETTLED.items():
        if stage in stages:
            point = _settle(Subspace(axes=_whole(space.of_kind(kind)), fixed=point), history, plan.best)
    return point


def _settle(subspace: Subspace, history: Sequence[Told], most: int) -> dict[str, float]:
    """Return the mean of the best quarter (`most` at most) of a subspace's trials, else its fixed point."""
    known = [told for told in history if told.value is not None and subspace.project(told.point) is not None]
    best = top(known, min(most, math.ceil(len(known) / 4)))
    if not best:
        return dict(subspace.fixed)
    mean = mean_point([told.point for told in best])
    return {**subspace.fixed, **{k.name: k.tidy(mean[k.name]) for axis in subspace.axes for k in axis.knobs}}


def _group_axes(space: Space) -> tuple[Axis, ...]:
    return tuple(
        Axis(name=name, low=min(knob.low for knob in knobs), high=max(knob.high for knob in knobs), knobs=knobs)
        for name, knobs in space.groups.items()
    )


def _whole(knobs: Sequence[Knob]) -> tuple[Axis, ...]:
    return tuple(Axis(name=knob.name, low=knob.low, high=knob.high, knobs=(knob,)) for knob in knobs)


def _window(space: Space, plan: Plan, anchor: Point, earlier: Sequence[Told]) -> tuple[Axis, ...]:
    """Return every block's axis: the plan's window round the anchor, made wider where the best trials lie outside.

    The sampler only takes data inside the axes' bounds, and the best trials are the data it needs most.
    """
    held = [anchor, *(told.point for told in top(earlier, plan.best))]
    axes: list[Axis] = []
    for knob in space.of_kind("block"):
        reach, middle = plan.window * (knob.high - knob.low), anchor[knob.name]
        low = knob.clip(min([middle - reach, *(point[knob.name] for point in held)]))
        high = knob.clip(max([middle + reach, *(point[knob.name] for point in held)]))
        axes.append(Axis(name=knob.name, low=low, high=high, knobs=(knob,)))
    return tuple(axes)
