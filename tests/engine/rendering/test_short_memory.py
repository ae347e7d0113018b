"""Rendering where memory is short: what is given up, in which order, and that pictures stay what they are."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from engine.checkpoints.checkpoint import open_checkpoint
from engine.engine import Engine
from engine.errors import EngineError, RenderError
from engine.footprint.options import MemoryOptions
from engine.live.allocation import Memory
from engine.live.model import LiveModel
from engine.live.weights import LiveWeights
from engine.recipes.recipe import Recipe
from engine.shots.shot import Shot
from tests.engine.device_memory import DeviceMemory

SHOT = Shot(prompt="a red house", negative="grey", seed=5, width=64, height=64, steps=2, cfg=3.5)
SHOTS = [replace(SHOT, seed=seed) for seed in range(2)]
ROUNDING = 1e-4
"""How far a picture may move with its company and its strips: a fortieth of a grey level."""
RECIPE = Recipe.flat(0.3, base=0.4)


class Apart(Memory):
    """A device whose host has memory of its own, which ``DeviceMemory`` does not count."""

    def on_host(self, elements: int, dtype: torch.dtype) -> Tensor:
        return torch.frombuffer(bytearray(elements * dtype.itemsize), dtype=dtype)


def opened_apart(paths: tuple[Path, Path], encoders: str = "auto") -> Engine:
    cpu, checkpoints = torch.device("cpu"), dict(zip("AB", map(open_checkpoint, paths), strict=True))
    live = LiveModel.empty(checkpoints["A"].widths)
    weights = LiveWeights.load(live, checkpoints, device=cpu, dtype=torch.float32, memory=Apart(cpu))
    return Engine(weights, device=cpu, precision="fp32", asked=MemoryOptions(encoders=encoders))


@pytest.fixture
def engine(tiny_a: Path, tiny_b: Path) -> Generator[Engine]:
    with opened_apart((tiny_a, tiny_b)) as opened:
        opened.build(RECIPE)
        yield opened


@pytest.fixture(scope="module")
def pictures(tiny_a: Path, tiny_b: Path) -> Tensor:
    with Engine.open({"A": tiny_a, "B": tiny_b}) as opened:
        opened.build(RECIPE)
        return opened.render(SHOTS)


def resident(engine: Engine) -> list[Tensor]:
    """The live model, which is on the device from the start."""
    return [region.live for region in engine.weights._regions]


def size_of(engine: Engine, number: int) -> int:
    return engine.weights._regions[number].live.nbytes


def parked(engine: Engine) -> tuple[bool, bool]:
    waiting = engine.weights._parking.parked()
    return engine.weights._regions[0] in waiting, engine.weights._regions[-1] in waiting


def need_of_one(engine: Engine) -> int:
    """The most that rendering one shot takes, with everything on the device."""
    with DeviceMemory(resident=resident(engine)) as memory:
        engine.render(SHOTS[:1])
    engine._renderer.forget_text()
    assert parked(engine) == (False, False)
    return memory.peak


def test_with_enough_memory_nothing_moves(engine: Engine, pictures: Tensor):
    assert torch.equal(engine.render(SHOTS), pictures)
    assert parked(engine) == (False, False)
    assert engine.vae_form == "fp32"


def test_first_the_batch_shrinks(engine: Engine, pictures: Tensor):
    most = need_of_one(engine) + pictures[:1].nbytes
    with DeviceMemory(most, resident(engine)) as memory:
        found = engine.render(SHOTS)
    assert memory.refusals
    assert parked(engine) == (False, False)
    assert float((found - pictures).abs().max()) < ROUNDING


def test_then_encoders_and_vae_leave_and_come_for_their_work(engine: Engine, pictures: Tensor):
    most = need_of_one(engine) - size_of(engine, -1) // 2
    with DeviceMemory(most, resident(engine)) as memory:
        found = engine.render(SHOTS)
        assert parked(engine) == (True, True)
        failed = memory.refusals
        other = engine.render([replace(shot, prompt="a blue cat") for shot in SHOTS])
        assert memory.refusals == failed  # the text encoders came, and left
        assert parked(engine) == (True, True)
        assert memory.used < most - size_of(engine, 0)
    assert float((found - pictures).abs().max()) < ROUNDING
    assert float((other - pictures).abs().max()) > 100 * ROUNDING


def test_at_last_one_sentence_says_that_it_does_not_fit(engine: Engine):
    most = size_of(engine, 1) + 10_000
    with DeviceMemory(most, resident(engine)), pytest.raises(RenderError) as caught:
        engine.render([replace(SHOT, width=128, height=128)])
    assert len(caught.value.problems) == 1
    assert "too little memory for a single picture" in str(caught.value)


def test_on_the_host_as_asked(tiny_a: Path, tiny_b: Path, pictures: Tensor):
    with Engine.open({"A": tiny_a, "B": tiny_b}, encoders="host") as engine:
        engine.build(RECIPE)
        assert float((engine.render(SHOTS) - pictures).abs().max()) < ROUNDING
        assert parked(engine) == (True, True)
        engine.build(Recipe.flat(0.3, base=0.9))  # brings both back
        moved = engine.render(SHOTS)
        assert parked(engine) == (True, True)
        engine.build(RECIPE)
        assert float((engine.render(SHOTS) - pictures).abs().max()) < ROUNDING
    assert float((moved - pictures).abs().max()) > 10 * ROUNDING


def test_on_the_device_as_asked(tiny_a: Path, tiny_b: Path):
    with opened_apart((tiny_a, tiny_b), "device") as engine:
        engine.build(RECIPE)
        most = need_of_one(engine) - size_of(engine, -1) // 2
        with DeviceMemory(most, resident(engine)), pytest.raises(RenderError, match="too little memory"):
            engine.render(SHOTS)
        assert parked(engine) == (False, False)


@pytest.mark.parametrize(("setting", "value"), [("vae_precision", "fp8"), ("encoders", "disk")])
def test_unknown_settings_are_refused(tiny_a: Path, setting: str, value: str):
    with pytest.raises(EngineError, match=f"{setting}.*{value}"):
        Engine.open({"A": tiny_a}, **{setting: value})  # pyright: ignore[reportArgumentType]
