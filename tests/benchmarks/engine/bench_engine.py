"""How long a candidate takes to build and to render, against the least that must be moved and computed.

``RECIPE_SEARCH_BENCH_FOLDER`` and ``RECIPE_SEARCH_BENCH_FAMILIES`` name the models of real size, as in ``bench_merge``.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from engine.architecture.widths import FamilyName
from engine.engine import Engine
from engine.live.allocation import Memory
from engine.live.model import LiveModel
from engine.merging.evaluate import Arithmetic
from engine.recipes.blocks import BLOCKS, blocks_of
from engine.recipes.recipe import AdjustStep, Recipe
from engine.recipes.steps import MergeStep
from engine.shots.shot import Shot
from studies.sample.world import SampleWorld, write_world
from tests.benchmarks.engine.bench_merge import FAMILIES, checkpoints

pytestmark = pytest.mark.benchmark


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> SampleWorld:
    return write_world(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the models of real size are kept."""
    found = Path(os.environ.get("RECIPE_SEARCH_BENCH_FOLDER") or tmp_path_factory.mktemp("real-size"))
    found.mkdir(parents=True, exist_ok=True)
    return found


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


@pytest.mark.parametrize("precision", ["fp16", "fp32"])
@pytest.mark.parametrize("family", FAMILIES)
def test_build_of_real_size(family: FamilyName, precision: str, folder: Path) -> None:
    """Processor seconds of builds, against ``torch.lerp(out=)`` of as many fp16 numbers and against copying them."""
    a, b = checkpoints(family, folder)
    size = 3 * a.stat().st_size + (1 << 32) * (precision == "fp32")
    if (free := Memory(torch.device("cpu")).free_on_host()) < size + (1 << 31):
        pytest.skip(f"this measurement wants {size / 1e9:.0f} GB of memory, {free / 1e9:.0f} are free")
    lerp, copy = raw_seconds()
    print(f"\nbuild, {family} of real size, live {precision}, {torch.get_num_threads()} threads, processor seconds")
    print(f"  a number: torch.lerp(out=) {lerp * 1e9:.3f} ns, copy {copy * 1e9:.3f} ns (both fp16)")
    with Engine.open({"A": a, "B": b}, device="cpu", precision=precision, parents="device") as engine:
        for number in range(3):
            engine.build(whole(family, number))
        elements = engine.build(whole(family, 3)).elements
        for name in ("in one pass", "in several passes"):
            full = processor_seconds(lambda n: engine.build(whole(family, n)), 5)
            print(
                f"  full build {name}: {full * 1e3:7.1f} ms, {full / elements / lerp:.2f} x lerp, {elements:,} weights"
            )
            block = processor_seconds(lambda n: engine.build(one_block(family, n)), 9)
            count = engine.build(one_block(family, 90)).elements
            ratio = block / count / lerp
            print(f"  OUT05 {name}:      {block * 1e3:7.2f} ms, {ratio:.2f} x lerp, {count:,} weights")
            use_plain_steps(engine)
        small = processor_seconds(lambda n: engine.build(adjusted(family, n)), 30)
        weights = engine.weights
        planned = processor_seconds(lambda n: weights.plan(adjusted(family, n)), 30)
        made = processor_seconds(lambda n: adjusted(family, n), 30)
    plan = planned - made
    print(f"  Adjust: {small * 1e3:.2f} ms; of it the recipe {made * 1e3:.2f}, its plan {plan * 1e3:.2f} ms")


def processor_seconds(work: Callable[[int], object], repeats: int) -> float:
    """The least of ``repeats`` calls, after two to warm up; the call's number is its argument."""
    times: list[float] = []
    for number in range(repeats + 2):
        started = time.process_time()
        work(number)
        times.append(time.process_time() - started)
    return min(times[2:])


def raw_seconds(count: int = 1 << 26) -> tuple[float, float]:
    """Processor seconds for each number of a ``torch.lerp`` in fp16, and of a copy."""
    a, b, out = (torch.full((count,), value, dtype=torch.float16) for value in (0.25, 0.75, 0.0))
    lerp = processor_seconds(lambda number: torch.lerp(a, b, 0.3 + 0.01 * number, out=out), 7)
    return lerp / count, processor_seconds(lambda _: out.copy_(a), 7) / count


def whole(family: FamilyName, number: int) -> Recipe:
    """All of a model, with another ratio for every number and, by a little, for every block."""
    blocks = blocks_of(family)
    return Recipe(
        steps=(MergeStep(alpha=tuple(0.3 + 0.01 * number + 0.001 * n for n in range(len(blocks)))),), family=family
    )


def one_block(family: FamilyName, number: int) -> Recipe:
    """The same but for one block."""
    alpha = tuple(0.3 + 0.005 * number if block == "OUT05" else 0.5 for block in blocks_of(family))
    return Recipe(steps=(MergeStep(alpha=alpha),), family=family)


def adjusted(family: FamilyName, number: int) -> Recipe:
    """The same but for Adjust."""
    values = (0.1 * number, 0.0, 1.0, 0.2 * number, -1.0, 0.0, 0.5, 0.1)
    return Recipe(steps=(*one_block(family, 0).steps, AdjustStep(values=values)), family=family)


def use_plain_steps(engine: Engine) -> None:
    """Go on as where there is no compiler."""
    rewriter = engine.weights._rewriter  # pyright: ignore[reportPrivateUsage]
    plain = Arithmetic(torch.device("cpu"), torch.float16, compiled=False)
    rewriter._arithmetic = plain  # pyright: ignore[reportPrivateUsage]


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
