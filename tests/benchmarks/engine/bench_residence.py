"""What parents cost where they lie: opening, memory, builds; the count of what lies on a card; many builds.

``RECIPE_SEARCH_BENCH_FOLDER`` and ``RECIPE_SEARCH_BENCH_FAMILIES`` are as in ``bench_merge``. SDXL is measured where
the families name it: its files take 14 GB, the measurement 10 GB of memory. Times are processor seconds of one thread.
"""

from __future__ import annotations

import gc
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from engine.checkpoints.checkpoint import Checkpoint, open_checkpoint
from engine.engine import Engine
from engine.footprint.activations import decode_bytes, unet_bytes
from engine.footprint.options import RESIDENCES
from engine.footprint.weights import live_bytes
from engine.live.model import LiveModel
from engine.live.weights import LiveWeights
from engine.recipes.blocks import BLOCKS, XL_BLOCKS
from engine.recipes.recipe import Recipe
from engine.recipes.steps import MergeStep
from tests.benchmarks.engine.real_size import write_real_size
from tests.benchmarks.measured import status
from tests.engine.live.limited_memory import LimitedMemory
from tests.engine.models.tiny import write_tiny

pytestmark = pytest.mark.benchmark

FAMILIES = os.environ.get("RECIPE_SEARCH_BENCH_FAMILIES", "sd1").split(",")
CARD = 8_500_000_000
"""Bytes of the device that SDXL at 1024 x 1024, one picture at a time, may take."""
MANY = 1000
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    named = os.environ.get("RECIPE_SEARCH_BENCH_FOLDER")
    found = Path(named) if named else tmp_path_factory.mktemp("real-size")
    found.mkdir(parents=True, exist_ok=True)
    return found


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def pair(folder: Path, family: str) -> dict[str, Path]:
    """Two files of real size, written where they are not there."""
    paths = {name: folder / f"{family}-{seed}-fp16.safetensors" for seed, name in ((1, "A"), (2, "B"))}
    for seed, path in enumerate(paths.values(), start=1):
        if not path.exists():
            write_real_size(path, family, seed=seed)  # pyright: ignore[reportArgumentType]
    return paths


def seconds(work: Callable[[], object]) -> float:
    """Processor seconds of one call."""
    started = time.process_time()
    work()
    return time.process_time() - started


def own_memory() -> tuple[float, float]:
    """MB of this process that belong to no file, and of files that are mapped."""
    return status("self", "RssAnon") / 1e6, status("self", "RssFile") / 1e6


def opened(paths: dict[str, Path], parents: str) -> Engine:
    return Engine.open(paths, device="cpu", precision="fp16", parents=parents)


# ------------------------------------------------------------------------------------------------ SD1.5, real size


@pytest.mark.skipif("sd1" not in FAMILIES, reason="not asked for")
@pytest.mark.parametrize("parents", RESIDENCES)
def test_opening_and_memory(folder: Path, parents: str) -> None:
    """Opening, the first build, which reads everything, and the second, which brings everything close."""
    paths = pair(folder, "sd1")
    opened(paths, parents).close()  # libraries
    gc.collect()
    copied = copying(paths)
    before = own_memory()
    engines: list[Engine] = []
    opening = seconds(lambda: engines.append(opened(paths, parents)))
    with engines[0] as engine:
        builds = [seconds(lambda ratio=ratio: engine.build(Recipe.flat(ratio, base=ratio))) for ratio in (0.3, 0.4)]
        later = min(seconds(lambda r=r: engine.build(Recipe.flat(r, base=r))) for r in (0.5, 0.6, 0.7))
        report, after = engine.memory(), own_memory()
        plan = engine.weights.plan(Recipe.flat(0.7, base=0.7))
        nothing = min(seconds(lambda: engine.weights.build(plan)) for _ in range(20))
    counted = (report.live + report.parents_on_device + report.parents_on_host) / 1e6
    grown = after[0] - before[0]
    print(f"\nSD1.5 on a CPU, fp16, parents = {parents}")
    print(f"  copying the bytes of both files {copied:6.2f} s; opening {opening:6.2f} s = {opening / copied:.2f} x")
    print(f"  with first build {opening + builds[0]:6.2f} s = {(opening + builds[0]) / copied:.2f} x")
    print(f"  and the second, which keeps them close {builds[1]:6.2f} s; later whole builds {later:6.2f} s")
    print(f"  a build that changes nothing, checks included {nothing * 1e3:6.2f} ms")
    print(f"  live and parents {counted:6.0f} MB, process grew by {grown:6.0f} MB = {grown / counted:.3f} x")
    print(f"  pages of mapped files: {after[1] - before[1]:+.0f} MB")
    assert opening <= 3 * copied
    assert grown <= 1.05 * counted
    assert after[1] - before[1] < 20


def copying(paths: dict[str, Path]) -> float:
    """Processor seconds of reading both files whole, and copying what was read once, as plainly as can be."""
    total = 0.0
    for path in paths.values():
        content = torch.from_file(str(path), size=path.stat().st_size, dtype=torch.uint8)
        total += seconds(content.clone)
    return total


# ------------------------------------------------------------------------------------------------ SDXL, real size


@pytest.mark.skipif("sdxl" not in FAMILIES, reason="its files take 14 GB: name it in RECIPE_SEARCH_BENCH_FAMILIES")
def test_sdxl_on_a_small_card(folder: Path) -> None:
    """A limit on the device, and the same bits wherever parents lie; main memory holds those of the last blocks alone.

    The card's limit is what rendering one picture leaves of it, its VAE in fp16 and in tiles, as where memory is short;
    text encoders and VAE stay on the device. The residence "device" has no limit.
    """
    paths = pair(folder, "sdxl")
    checkpoints = {name: open_checkpoint(path) for name, path in paths.items()}
    widths = checkpoints["A"].widths
    decoding = decode_bytes(widths, "fp16", 512, 512) + live_bytes(widths, "fp16", "fp16").vae + 3 * 4 * 1024**2
    rendering = max(unet_bytes(widths, "fp16", 1024, 1024, 2), decoding)
    hashes: dict[str, str] = {}
    for parents in reversed(RESIDENCES):
        limit = 1 << 40 if parents == "device" else CARD - rendering
        hashes[parents] = sdxl_hash(checkpoints, parents, LimitedMemory(device=limit), rendering)
        gc.collect()
    assert len(set(hashes.values())) == 1


def sdxl_hash(checkpoints: dict[str, Checkpoint], parents: str, memory: LimitedMemory, rendering: int) -> str:
    """Build three recipes; prints what lies where; returns a hash of the live model."""
    live = LiveModel.empty(checkpoints["A"].widths)
    weights = LiveWeights.load(live, checkpoints, device=CPU, dtype=torch.float16, parents=parents, memory=memory)
    times: list[float] = []
    for number in range(3):
        recipe = with_last_blocks(0.3 + 0.1 * number)
        times.append(seconds(lambda recipe=recipe: weights.build(weights.plan(recipe))))
    report = weights.memory()
    peak = memory.peak["device"] + weights._arithmetic.scratch
    print(f"\nSDXL, fp16, parents = {parents}: {report}")
    print(f"  on the device at most {peak / 1e9:.2f} GB, with a rendering of {rendering / 1e9:.2f} GB ", end="")
    print(f"{(peak + rendering) / 1e9:.2f} GB; in main memory {memory.peak['host'] / 1e9:.2f} GB")
    print(f"  builds: all {times[0]:.2f} s, last blocks {times[1]:.2f} s, again {times[2]:.2f} s")
    assert weights.residence == parents
    assert parents == "device" or peak + rendering < CARD
    return hash_of(weights)


def with_last_blocks(ratio: float) -> Recipe:
    """0.5 on all blocks but the last three, which take most of the steps of a search."""
    ratios = dict.fromkeys(XL_BLOCKS, 0.5) | dict.fromkeys(("OUT06", "OUT07", "OUT08", "OUT01"), ratio)
    return Recipe(steps=(MergeStep(alpha=tuple(ratios.values())),), family="sdxl", dialect="head")


def hash_of(weights: LiveWeights) -> str:
    digest = hashlib.sha256()
    for key in weights.keys:
        digest.update(weights.read(key).reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


# ------------------------------------------------------------------------------------------------ many builds


@pytest.mark.parametrize("apart", [False, True], ids=["one memory", "memory of its own"])
@pytest.mark.parametrize("parents", RESIDENCES)
def test_many_builds(tmp_path: Path, parents: str, apart: bool) -> None:
    """A thousand builds of tiny models: no growth, and the last is what a fresh build gives."""
    paths = {name: write_tiny(tmp_path / f"{name}.safetensors", seed) for seed, name in ((1, "A"), (2, "B"))}
    weights = tiny(paths, parents, LimitedMemory() if apart else None)
    sizes: list[float] = []
    started = time.process_time()
    for number in range(MANY):
        weights.build(weights.plan(wandering(number)))
        if number in (MANY // 10, MANY - 1):
            gc.collect()
            sizes.append(own_memory()[0])
    spent = (time.process_time() - started) / MANY
    print(f"\n{MANY} builds, {parents}: {spent * 1e3:.2f} ms each; grew by {sizes[1] - sizes[0]:+.1f} MB", end="")
    fresh = tiny(paths, "disk", None)
    fresh.build(fresh.plan(wandering(MANY - 1)))
    assert all(torch.equal(weights.read(key), fresh.read(key)) for key in weights.keys)
    assert sizes[1] - sizes[0] < 5


def tiny(paths: dict[str, Path], parents: str, memory: LimitedMemory | None) -> LiveWeights:
    checkpoints = {name: open_checkpoint(path) for name, path in paths.items()}
    live = LiveModel.empty(checkpoints["A"].widths)
    return LiveWeights.load(live, checkpoints, device=CPU, dtype=torch.float16, parents=parents, memory=memory)


def wandering(number: int) -> Recipe:
    """Another recipe for each number, of which neighbours differ in a block or two, or in all."""
    ratios = dict.fromkeys(BLOCKS, 0.4) | {BLOCKS[number % len(BLOCKS)]: number / MANY}
    if not number % 10:
        ratios = dict.fromkeys(BLOCKS, number / MANY)
    return Recipe(steps=(MergeStep(alpha=tuple(ratios.values())),))
