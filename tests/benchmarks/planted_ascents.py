"""Gradient ascents on planted recipes, which may spend as much processor time as a search of so many trials."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from search.history import Point, top
from search.plan import FLAT_RATIOS
from tests.benchmarks.ascent import Ascent, ascend
from tests.benchmarks.knob_gradients import fresh_shots, knob_gradient
from tests.benchmarks.planted import CALIBRATION, SEARCHED, SPACE, Planted

ASCENTS: Mapping[str, bool] = {"ascent, groups": True, "ascent, knobs": False}
"""Names of ascents, with whether the blocks of a group move as one."""
LAST, COUNT, RATE = 3, 8, 0.06
"""Steps that a gradient goes back through, pictures of a gradient, length of a step of an ascent."""
INSIDE = 0.1
"""How far from A and B an ascent begins at least, so that every block can go both ways."""
_COSTS: dict[str, float] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ascended:
    """Where an ascent ended, and what it took."""

    point: Point
    steps: int
    spent: float
    """In trials, the calibration among them."""


def ascended(planted: Planted, seed: int, trials: int, *, grouped: bool) -> Ascended:
    """Go up from the best FLAT mix of the calibration, for as long as the other trials would take.

    Every step's gradient is of other pictures. The calibration, which every search begins with, is charged as well.
    """
    first = len(FLAT_RATIOS) + CALIBRATION
    cost = _cost(planted)
    steps = max(1, int((trials - first) / cost))
    *_, end = ascend(SPACE, _start(planted), _gradient(planted, seed), Ascent(steps=steps, rate=RATE), grouped=grouped)
    return Ascended(point=end, steps=steps, spent=first + steps * cost)


def _start(planted: Planted) -> dict[str, float]:
    flats = [planted.tell(SPACE.flat(ratio), number, "flat") for number, ratio in enumerate(FLAT_RATIOS)]
    best = FLAT_RATIOS[top(flats, 1)[0].number]
    return SPACE.flat(min(max(best, INSIDE), 1 - INSIDE))


def _gradient(planted: Planted, seed: int) -> Callable[[Point, int], Mapping[str, float]]:
    engine, panel = planted.kept.engine, planted.panel

    def gradient(point: Point, step: int) -> Mapping[str, float]:
        return knob_gradient(engine, panel, SPACE, point, fresh_shots(SEARCHED, step, seed, COUNT), last=LAST)

    return gradient


def _cost(planted: Planted) -> float:
    """Processor time of a gradient, in trials; measured once a process."""
    if "gradient" not in _COSTS:

        def trial() -> None:
            pictures = planted.kept.pictures(SPACE.decode(SPACE.flat(0.55)), SEARCHED)
            prompts, seeds = [shot.prompt for shot in SEARCHED], [shot.seed for shot in SEARCHED]
            planted.panel.judge(planted.panel.features(pictures, prompts, seeds))

        _COSTS["gradient"] = seconds_of(lambda: _gradient(planted, 0)(SPACE.flat(0.5), 0)) / seconds_of(trial)
    return _COSTS["gradient"]


def seconds_of(work: Callable[[], object]) -> float:
    """Processor time of some work, the second of two runs."""
    work()
    began = time.process_time()
    work()
    return time.process_time() - began
