"""A digest of what every mode and calculation makes of small models, printed once for one thread and once for two.

It is the same on every processor: ``python -m tests.engine.merging.merge_digest``. It covers both ways to a model,
exact and folded, and all number formats; tensors end in the middle of a vector, and one is so long that threads share
it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import torch

from engine.merging.exact import replay
from engine.modes.registry import MERGE_MODES, calculation_modes
from engine.recipes.dialects import DIALECTS
from engine.recipes.recipe import MergeStep, Recipe
from tests.engine.merging.golden import full_sha256
from tests.engine.merging.manifest_recipes import folded
from tests.engine.models.in_memory import InMemory

SHAPES = {
    "model.diffusion_model.input_blocks.0.0.weight": (7, 4, 3, 3),
    "model.diffusion_model.input_blocks.1.1.proj_in.weight": (181, 191),
    "model.diffusion_model.input_blocks.1.1.proj_in.bias": (181,),
    "model.diffusion_model.middle_block.0.in_layers.2.weight": (5, 6, 3, 3),
    "model.diffusion_model.output_blocks.5.1.norm.bias": (3,),
    "model.diffusion_model.out.0.bias": (17,),
    "model.diffusion_model.out.2.bias": (4,),
    "cond_stage_model.transformer.text_model.final_layer_norm.weight": (31,),
}
DTYPES = {
    "fp16": (torch.float16,) * 3,
    "bf16": (torch.bfloat16,) * 3,
    "fp32": (torch.float32,) * 3,
    "mixed": (torch.float16, torch.float32, torch.bfloat16),
}
ADJUST = (0.5, -1.0, 2.0, 3.0, 1.0, -2.0, 0.7)
CALCULATED = ("fp16", "fp32")
"""The number formats of what is more than a sum: that is computed in float32 anyway."""
SUMS = ("2023", "classic", "head_patched")
NATIVE = ("cosineA", "cosineB", "self")
"""Calculations that the dialect 2023 does in the models' own dtype."""


def models(kind: str) -> dict[str, InMemory]:
    """A, B and C: the same numbers everywhere, since they are made of whole ones."""
    generator, found = torch.Generator().manual_seed(0), dict[str, InMemory]()
    for name, dtype in zip("ABC", DTYPES[kind], strict=True):
        whole = {key: torch.randint(-5000, 5001, shape, generator=generator) for key, shape in SHAPES.items()}
        found[name] = InMemory({key: (tensor.float() / 4096).to(dtype) for key, tensor in whole.items()})
    return found


def recipes(kind: str) -> Iterator[Recipe]:
    """One run of each mode in each arithmetic, on either side of one half, and one of each calculation."""
    for dialect in SUMS:
        if kind == "mixed" and dialect == "head_patched":
            continue  # cannot add models of different dtypes
        for mode in MERGE_MODES:
            yield from (_recipe(mode, "normal", dialect, alpha) for alpha in (0.37, 0.81))
    if kind not in CALCULATED:
        return
    for calculation in DIALECTS["classic"].calculations:
        if calculation_modes()[calculation].inputs != "ABC":
            yield _recipe("Weight sum", calculation, "classic", 0.37)
        yield _recipe("Add difference", calculation, "classic", 0.37)
    yield from (_recipe("Weight sum", calculation, "2023", 0.37) for calculation in NATIVE)


def webui_recipes() -> Iterator[Recipe]:
    """Both merge modes of AUTOMATIC1111's own merger."""
    for alpha in (0.37, 0.81):
        yield Recipe(steps=(MergeStep(alpha=alpha),), dialect="webui", save="computed")
        step = MergeStep(models=("A", "B", "C"), mode="Add difference", alpha=alpha)
        yield Recipe(steps=(step,), dialect="webui")


def _recipe(mode: str, calculation: str, dialect: str, alpha: float) -> Recipe:
    step = MergeStep(
        models=("A", "B", "C")[: MERGE_MODES[mode].models],
        mode=mode,
        calculation=calculation,
        alpha=alpha,
        beta=0.23,
        gamma=0.3,
        seed=5,
        adjust=ADJUST if dialect == "2023" else (*ADJUST, 0.1),
    )
    return Recipe(steps=(step,), dialect=dialect, save="computed")


def digest() -> str:
    """SHA-256 over all results."""
    total = hashlib.sha256()
    for kind in DTYPES:
        parents = models(kind)
        for recipe in (*recipes(kind), *webui_recipes()):
            exact = replay(recipe, parents)
            total.update(full_sha256({key: exact.read(key).clone() for key in exact.shapes}).encode())
            total.update(full_sha256(folded(recipe, parents, torch.float32)).encode())
    return total.hexdigest()


if __name__ == "__main__":
    for threads in (1, 2):
        torch.set_num_threads(threads)
        print(torch.backends.cpu.get_cpu_capability().lower(), threads, digest())
