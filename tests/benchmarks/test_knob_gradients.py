"""Gradients by the knobs of a study, on the sample world."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from engine.engine import Engine
from engine.shots.shot import Shot
from scorers.differentiable import DifferentiableObjective
from scorers.encoders.opened import EncoderFiles
from scorers.panel.panel import Panel
from scorers.panel.settings import PanelSettings
from search.space.build import build_space
from studies.sample.world import SampleWorld, write_world
from tests.benchmarks.knob_gradients import fresh_shots, knob_gradient, moves_of

SPACE = build_space(sites=("OUT09:attn1",), adjust=("CONT",))
PROMPTS = ("a red cat on the beach", "a blue house in the city", "a green tree in the forest", "an orange face")
ALL_SCORERS = frozenset({"style", "clip", "stats"})
SHOTS = [Shot(prompt=text, seed=n, width=64, height=64, steps=2, cfg=3.0) for n, text in enumerate(PROMPTS)]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> SampleWorld:
    return write_world(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def engine(world: SampleWorld) -> Iterator[Engine]:
    with Engine.open({"A": world.a, "B": world.b}, round_to="fp32") as opened:
        yield opened


@pytest.fixture(scope="module")
def panel(world: SampleWorld, engine: Engine) -> Panel:
    """Calibrated on both parents and the middle."""
    references = tuple(sorted(world.references.iterdir())[:12])
    clip = EncoderFiles(config=world.clip_config, weights=world.clip_weights)
    settings = PanelSettings(encoders={"clip": clip}, references=references, keep=ALL_SCORERS, render_size=64)
    made = Panel.open(settings)
    looks = {}
    for label, ratio in (("A", 0.0), ("FLAT_50", 0.5), ("B", 1.0)):
        engine.build(SPACE.decode(SPACE.flat(ratio)))
        looks[label] = made.features(engine.render(SHOTS), PROMPTS, range(4))
    made.calibrate(looks)
    return made


def test_every_knob_is_moved_alone_and_far() -> None:
    point = SPACE.flat(0.3)
    moves = moves_of(SPACE, point)
    assert list(moves) == [knob.name for knob in SPACE.free]
    for knob in SPACE.free:
        moved = SPACE.encode(moves[knob.name].recipe)
        assert {name for name in moved if moved[name] != point[name]} == {knob.name}
        assert moved[knob.name] - point[knob.name] == pytest.approx(moves[knob.name].step)
        assert abs(moves[knob.name].step) >= 0.5 * (knob.high - knob.low) - 1e-9


def test_derivatives_are_those_of_the_objective(engine: Engine, panel: Panel) -> None:
    point, objective = SPACE.flat(0.4), DifferentiableObjective(panel)
    found = knob_gradient(engine, panel, SPACE, point, SHOTS, last=2)
    assert list(found) == [knob.name for knob in SPACE.free]
    for name, step in (("OUT09", 0.04), ("adjust:CONT", 0.4), ("self:OUT09:attn1", 0.04)):
        values: list[float] = []
        for sign in (1, -1):
            engine.build(SPACE.decode({**point, name: point[name] + sign * step}))
            with torch.inference_mode():
                values.append(float(objective(engine.render(SHOTS), PROMPTS)))
        # edges are counted by pixels, so finite differences are rough
        assert found[name] == pytest.approx((values[0] - values[1]) / (2 * step), rel=0.1, abs=0.05), name


def test_fresh_shots_are_new_at_every_step_and_the_same_in_every_night() -> None:
    steps = [fresh_shots(SHOTS, step, seed=7, count=3) for step in range(4)]
    assert steps == [fresh_shots(SHOTS, step, seed=7, count=3) for step in range(4)]
    assert steps[0] != fresh_shots(SHOTS, 0, seed=8, count=3)
    seeds = [shot.seed for shots in steps for shot in shots]
    assert len({*seeds, *(shot.seed for shot in SHOTS)}) == len(seeds) + len(SHOTS)
    assert [shot.prompt for shots in steps for shot in shots] == [*PROMPTS, *PROMPTS, *PROMPTS]
    assert len(fresh_shots(SHOTS, 0, seed=7, count=9)) == len(SHOTS)
