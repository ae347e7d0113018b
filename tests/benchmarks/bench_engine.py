"""How long a candidate takes to build and to render, against the least that must be moved and computed."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from engine.engine import Engine
from engine.live.model import LiveModel
from engine.recipes.blocks import BLOCKS
from engine.recipes.recipe import Recipe
from engine.recipes.steps import MergeStep
from engine.shots.shot import Shot
from studies.sample.world import SampleWorld, write_world

pytestmark = pytest.mark.benchmark


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> SampleWorld:
    return write_world(tmp_path_factory.mktemp("world"))


def seconds(work: Callable[[int], object], repeats: int = 15) -> float:
    """Median of ``repeats`` calls, after two to warm up; the call's number is its argument."""
    times: list[float] = []
    for number in range(repeats + 2):
        started = time.perf_counter()
        work(number)
        times.append(time.perf_counter() - started)
    return sorted(times[2:])[repeats // 2]


def with_block(block: str, ratio: float) -> Recipe:
    """FLAT_50 but for one block."""
    return Recipe(steps=(MergeStep(alpha=tuple(ratio if b == block else 0.5 * (b != "BASE") for b in BLOCKS)),))


def live_of(engine: Engine) -> LiveModel:
    """The modules inside an engine, to time them bare."""
    weights = engine._weights  # pyright: ignore[reportPrivateUsage]
    assert weights is not None
    return weights.live


def test_build(world: SampleWorld) -> None:
    """A whole build and a one-block build against copying the same bytes, and against merging state dicts."""
    tensors = [load_file(path) for path in (world.a, world.b)]
    unet = [k for k in tensors[0] if k.startswith("model.diffusion_model.")]
    flat = torch.cat([tensors[0][k].flatten() for k in unet]).float()
    other = torch.empty_like(flat)
    with Engine.open({"A": world.a, "B": world.b}) as engine:
        module = live_of(engine).unet
        names = dict(module.named_parameters())

        def rebuild(number: int) -> None:
            ratio = 0.3 + 0.01 * number
            for k in unet:
                torch.lerp(tensors[0][k].float(), tensors[1][k].float(), ratio).half()
            module.load_state_dict({k: v.detach().clone() for k, v in names.items()})

        copied = seconds(lambda _: other.copy_(flat))
        whole = seconds(lambda n: engine.build(Recipe.flat(0.3 + 0.01 * n)))
        block = seconds(lambda n: engine.build(with_block("OUT05", 0.3 + 0.01 * n)))
        usual = seconds(rebuild)
    print(
        f"\nbuild, {flat.numel() / 1e6:.2f} M weights of the tiny UNet, {torch.get_num_threads()} threads, median of 15"
    )
    rows = {"copy of the same bytes": copied, "whole build in place": whole, "one block (OUT05)": block}
    for name, value in (rows | {"state dicts and load": usual}).items():
        print(f"  {name:24s} {value * 1e3:8.2f} ms  {value / copied:6.2f} x copy  1/{usual / value:.1f} of state dicts")


def test_render(world: SampleWorld) -> None:
    """Where the time of a trial's pictures goes."""
    shots = [Shot(prompt="a red cat on the beach", seed=i, width=128, height=128, steps=8, cfg=3.0) for i in range(16)]
    with Engine.open({"A": world.a, "B": world.b}) as engine:
        engine.build(Recipe.flat(0.5))
        live = live_of(engine)
        noise, context = torch.randn(32, 4, 16, 16), torch.randn(32, 77, 64)
        latents: Any = noise[:16]  # diffusers annotates a FloatTensor
        with torch.inference_mode():
            unet = seconds(lambda _: live.unet(noise, torch.tensor(500.0), encoder_hidden_states=context), 5)
            vae = seconds(lambda _: live.vae.decode(latents), 5)
        whole = seconds(lambda _: engine.render(shots), 3)
    print(f"\nrender, 16 shots of 128 x 128, 8 steps, {torch.get_num_threads()} threads: {whole:.2f} s")
    print(f"  bare UNet, 8 calls of batch 32: {8 * unet:.2f} s; bare VAE decode: {vae:.2f} s")
    print(f"  whole / bare: {whole / (8 * unet + vae):.2f}")


def test_world_files_are_small(world: SampleWorld) -> None:
    """Sizes, for the record."""
    for path in (world.a, world.b, world.clip_weights):
        print(f"{Path(path).name}: {path.stat().st_size / 1e6:.1f} MB")
