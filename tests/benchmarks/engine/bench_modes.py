"""What the exact replay's arithmetic takes by merge mode and number format, on one thread, beside ``torch.lerp``."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
import torch

from engine.merging.exact import replay
from engine.modes.registry import MERGE_MODES
from engine.recipes.recipe import MergeStep, Recipe
from tests.engine.models.in_memory import InMemory

pytestmark = pytest.mark.benchmark
ELEMENTS, TENSORS, TURNS = 1 << 24, 2, 5
KEYS = [f"model.diffusion_model.middle_block.0.{number}.weight" for number in range(TENSORS)]
DTYPES = (torch.float16, torch.bfloat16, torch.float32)
SLOW = ("cosineA", "extract", "plus random", "smoothAdd")


def test_modes() -> None:
    """Milliseconds for 16 million elements, the best of five turns."""
    torch.set_num_threads(1)
    for dtype in DTYPES:
        models = {name: parent(seed, dtype) for seed, name in enumerate("ABC")}
        print(f"\n{dtype}, ms for {ELEMENTS} elements")
        pairs = [(models["A"].read(key), models["B"].read(key)) for key in KEYS]
        plain = best(lambda pairs=pairs: [torch.lerp(a, b, 0.3) for a, b in pairs])
        print(f"{'torch.lerp, fresh memory':28} {plain:7.1f}")
        for mode in MERGE_MODES:
            print(f"{mode:28} {best(reading(mode, 'normal', models)):7.1f}")
        if dtype == torch.float16:
            for calculation in SLOW:
                print(f"{calculation:28} {best(reading('Add difference', calculation, models), 1):7.1f}")


def parent(seed: int, dtype: torch.dtype) -> InMemory:
    generator = torch.Generator().manual_seed(seed)
    return InMemory({key: (torch.randn(4096, ELEMENTS // 4096, generator=generator) * 0.05).to(dtype) for key in KEYS})


def reading(mode: str, calculation: str, models: dict[str, InMemory]) -> Callable[[], object]:
    names = ("A", "B", "C")[: MERGE_MODES[mode].models]
    step = MergeStep(models=names, mode=mode, calculation=calculation, alpha=0.3, beta=0.2, seed=1)
    recipe = Recipe(steps=(step,), save="computed")
    return lambda: [result.read(key).dtype for result in [replay(recipe, models)] for key in KEYS]


def best(work: Callable[[], object], turns: int = TURNS) -> float:
    """Milliseconds of processor time for one tensor."""
    found: list[float] = []
    for _ in range(turns + 1):
        started = time.process_time()
        work()
        found.append(time.process_time() - started)
    return min(found[1:]) / TENSORS * 1000
