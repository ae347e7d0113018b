"""Gradients of the objective by every knob, from an engine and a panel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from engine.gradients.derivatives import Move
from engine.gradients.gradients import Gradients
from engine.shots.shot import Shot
from scorers.differentiable import DifferentiableObjective
from search.history import Point
from search.space.knob import Knob
from search.space.space import Space

if TYPE_CHECKING:
    from engine.engine import Engine
    from scorers.panel.panel import Panel

FRESH = 1_000_003
"""Distance between the seeds of two steps' shots: a prime, far from the steps that people leave between seeds."""
LARGEST_SEED = 2**32


def moves_of(space: Space, point: Point) -> dict[str, Move]:
    """Every free knob of a point moved on its own, to the farther of its bounds: derivatives are exact for any step."""
    return {knob.name: _moved(space, point, knob) for knob in space.free}


def _moved(space: Space, point: Point, knob: Knob) -> Move:
    value = point[knob.name]
    far = knob.high if knob.high - value >= value - knob.low else knob.low
    return Move(recipe=space.decode({**point, knob.name: far}), step=far - value)


def fresh_shots(shots: Sequence[Shot], step: int, seed: int, count: int) -> list[Shot]:
    """Some of the study's shots, in turn from step to step, with seeds that no other step has and no second pass.

    Args:
        shots: of the study.
        step: number of the step.
        seed: of the study; the same step of the same study has the same shots.
        count: how many, at most all.
    """
    offset = FRESH * (step + 1) + seed
    chosen = [shots[(step * count + place) % len(shots)] for place in range(min(count, len(shots)))]
    return [replace(shot, seed=(shot.seed + offset) % LARGEST_SEED, hires=None) for shot in chosen]


def knob_gradient(
    engine: Engine, panel: Panel, space: Space, point: Point, shots: Sequence[Shot], *, last: int, thrifty: bool = False
) -> Mapping[str, float]:
    """The derivative of the objective by every free knob, in objective units per unit of the knob.

    Args:
        engine: the point is built in it.
        panel: calibrated.
        space: all knobs; BASE is frozen.
        point: where.
        shots: what is rendered.
        last: how many of the last steps are differentiated.
        thrifty: least memory, more time.

    Raises:
        EngineError: BASE is free, or pictures that cannot be made.
        ScorerError: a scorer without gradient, or fewer than two intact pictures.
    """
    objective, prompts = DifferentiableObjective(panel), [shot.prompt for shot in shots]
    recipe, moves = space.decode(point), moves_of(space, point)
    found = Gradients(engine).of_pictures(
        recipe, moves, shots, lambda x: objective(x, prompts), last=last, thrifty=thrifty
    )
    return found.by_name
