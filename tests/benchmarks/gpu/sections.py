"""The sections of ``make bench-gpu``, each in a process of its own."""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Callable
from pathlib import Path

import torch

from engine.architecture.widths import FamilyName
from engine.engine import Engine
from engine.recipes.blocks import BLOCKS, XL_BLOCKS
from engine.recipes.recipe import Recipe
from engine.recipes.steps import MergeStep
from engine.shots.shot import Shot
from studies.sample.world import write_world
from tests.benchmarks.engine.real_size import write_real_size
from tests.benchmarks.gpu.render import render
from tests.benchmarks.gpu.timing import median_seconds, peak_gb, wait
from tests.benchmarks.gpu.vae import decoding, parking

GOAL = 0.85
"""The part of a copy's bandwidth that a build should reach."""


class Bench:
    """What the sections share: the models, the device, and whether all is tiny."""

    def __init__(self, folder: Path, device: str, *, tiny: bool) -> None:
        self.folder, self.device, self.tiny = folder, torch.device(device), tiny

    def pair(self, family: FamilyName) -> dict[str, Path]:
        """Return A and B, written where they are not there yet; the sample world's where all is tiny."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.tiny:
            world = write_world(self.folder / "world")
            return {"A": world.a, "B": world.b}
        paths = {name: self.folder / f"{family}-{seed}-fp16.safetensors" for seed, name in enumerate("AB", start=1)}
        for seed, path in enumerate(paths.values(), start=1):
            if not path.exists():
                write_real_size(path, family, seed=seed)
        return paths

    def opened(self, family: FamilyName, parents: str = "auto", device: str = "") -> Engine:
        """Return an open engine in fp16."""
        return Engine.open(self.pair(family), device=device or str(self.device), precision="fp16", parents=parents)

    def flat(self, family: FamilyName, ratio: float) -> Recipe:
        """Return a FLAT mix of the family that the models are of."""
        own: FamilyName = "sd1" if self.tiny else family
        return Recipe(steps=(MergeStep(alpha=ratio),), family=own)


def builds(bench: Bench, family: FamilyName) -> None:
    """A full build and one block against ``torch.lerp(out=)`` and a copy of as many numbers."""
    with bench.opened(family, parents="device") as engine:
        recipes = [bench.flat(family, 0.3 + 0.02 * number) for number in range(11)]
        for recipe in recipes[:3]:
            engine.build(recipe)
        elements = engine.build(recipes[3]).elements
        whole = median_seconds(lambda number: engine.build(recipes[number]), bench.device)
        block = median_seconds(lambda number: engine.build(one_block(recipes[0], number)), bench.device)
    a, b, out = (torch.zeros(elements, dtype=torch.float16, device=bench.device) for _ in range(3))
    lerp = median_seconds(lambda number: torch.lerp(a, b, 0.3 + 0.02 * number, out=out), bench.device)
    copy = median_seconds(lambda _: out.copy_(a), bench.device)
    rate = 4 * elements / copy
    print(f"{family}: {elements / 1e9:.3f} G weights; a copy moves {rate / 1e9:.0f} GB/s")
    for name, seconds in {"torch.lerp(out=)": lerp, "full build": whole}.items():
        reached = 6 * elements / seconds / rate
        print(f"  {name:18s} {seconds * 1e3:8.2f} ms  {reached:5.0%} of the copy's bandwidth (goal {GOAL:.0%})")
    print(f"  {'one block':18s} {block * 1e3:8.2f} ms")


def one_block(recipe: Recipe, number: int) -> Recipe:
    """Return FLAT_50 with another ratio in OUT05."""
    blocks = XL_BLOCKS if recipe.family == "sdxl" else BLOCKS
    row = tuple(0.3 + 0.02 * number if block == "OUT05" else 0.5 for block in blocks)
    return Recipe(steps=(MergeStep(alpha=row),), family=recipe.family)


def bits(bench: Bench) -> None:
    """Whether what the device builds is what the CPU builds, bit for bit, for several ratios and a chain with Self."""
    sums: list[dict[str, str]] = []
    recipes = [bench.flat("sd1", ratio) for ratio in (0.0, 0.123, 0.5, 0.77, 1.0)]
    recipes.append(one_block(recipes[0], 7))
    for device in (str(bench.device), "cpu"):
        with bench.opened("sd1", device=device) as engine:
            for recipe in (*recipes, *recipes):  # twice, so that all of it was close by once
                engine.build(recipe)
                sums.append(digests(engine))
    half = len(sums) // 2
    different = {key for one, two in zip(sums[:half], sums[half:], strict=True) for key in one if one[key] != two[key]}
    print(f"{len(recipes)} recipes, {len(sums[0])} tensors: {len(different)} differ from the CPU's")
    for key in sorted(different)[:5]:
        print(f"  {key}")
    if different:
        sys.exit(1)


def digests(engine: Engine) -> dict[str, str]:
    """Return a hash of every live tensor."""
    weights = engine.weights
    return {key: hashlib.sha256(weights.read(key).half().cpu().numpy().tobytes()).hexdigest() for key in weights.keys}


def limit(bench: Bench, gigabytes: int) -> None:
    """SDXL on a card of so much memory: which residence is taken, the peak, a picture of 1024 x 1024."""
    if bench.device.type == "cuda":
        whole = torch.cuda.get_device_properties(bench.device).total_memory
        torch.cuda.set_per_process_memory_fraction(min(1.0, gigabytes * 2**30 / whole), bench.device)
    for parents in ("auto", "host", "disk"):
        with bench.opened("sdxl", parents) as engine:
            for ratio in (0.2, 0.4, 0.6):
                engine.build(bench.flat("sdxl", ratio))
            build = median_seconds(lambda n: engine.build(bench.flat("sdxl", 0.3 + n / 50)), bench.device, 3)
            engine.render([shot(bench, 0)])
            print(f"{gigabytes} GB, parents {parents}: {engine.parents}, {engine.memory()}")
            print(f"  full build {build * 1e3:.0f} ms, peak {peak_gb(bench.device):.2f} GB")
        if bench.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(bench.device)


def shot(bench: Bench, seed: int) -> Shot:
    """Return a picture of few steps, as large as SDXL's."""
    side = 64 if bench.tiny else 1024
    return Shot(prompt="a cat in the forest", seed=seed, width=side, height=side, steps=4, cfg=5.0)


def host(bench: Bench) -> None:
    """SDXL with its parents on the host: the same bits, and what streaming them costs."""
    kept: dict[str, dict[str, str]] = {}
    for parents in ("device", "host", "disk"):
        with bench.opened("sdxl", parents) as engine:
            for ratio in (0.2, 0.4, 0.6, 0.3):
                engine.build(bench.flat("sdxl", ratio))
            kept[parents] = digests(engine)
            seconds = median_seconds(lambda n: engine.build(bench.flat("sdxl", 0.3 + n / 50)), bench.device, 3)
            wait(bench.device)
        print(f"parents {parents}: a full build takes {seconds * 1e3:.0f} ms")
    if any(one != kept["device"] for one in kept.values()):
        print("the residences do NOT build the same bits")
        sys.exit(1)
    print("the same bits")


def vae(bench: Bench) -> None:
    """The VAE in each of its forms, and what it takes text encoders and VAE to leave and come back."""
    with bench.opened("sdxl") as engine:
        engine.build(bench.flat("sdxl", 0.3))
        decoding(engine, 32 if bench.tiny else 1024)
        parking(engine)


SECTIONS: dict[str, Callable[[Bench], None]] = {
    "builds sd1": lambda bench: builds(bench, "sd1"),
    "builds sdxl": lambda bench: builds(bench, "sdxl"),
    "bits": bits,
    "render": render,
    "vae": vae,
    "limit 8": lambda bench: limit(bench, 8),
    "limit 12": lambda bench: limit(bench, 12),
    "host": host,
}
"""By their names in the driver."""


def main() -> None:
    """Run one section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=list(SECTIONS))
    parser.add_argument("folder", type=Path)
    parser.add_argument("device")
    parser.add_argument("--tiny", action="store_true")
    options = parser.parse_args()
    SECTIONS[options.name](Bench(options.folder, options.device, tiny=options.tiny))


if __name__ == "__main__":
    main()
