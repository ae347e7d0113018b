"""Plan and arithmetic against what SuperMerger itself made: tests/golden/supermerger/README.md."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from engine.arithmetic import Arithmetic
from engine.blocks import BLOCKS, Site
from engine.plan import plan_for
from engine.recipe import AdjustStep, MergeStep, Recipe, SelfStep, Step

FOLDER = Path(__file__).parent.parent / "golden" / "supermerger"
CASES: list[dict[str, Any]] = json.loads((FOLDER / "cases.json").read_text())
ONE = {"IN00", "OUT11"}


def recipe_of(case: dict[str, Any]) -> Recipe:
    numbers = [float(x) for x in (case["weights_alpha"] or "").split(",") if case["use_mbw"]]
    flat = case["calcmode"] == "normal" and not numbers
    ratios = numbers if numbers and case["calcmode"] == "normal" else [case["alpha"] if flat else 0.0] * 26
    steps: list[Step] = [MergeStep(ratios=tuple(ratios))]
    if case["calcmode"] == "self":
        steps.append(SelfStep(factors=tuple(_factors(case, numbers))))
    if case["adjust"]:
        values = [float(x) for x in case["adjust"].split(",")]
        steps.append(AdjustStep(values=tuple(values + [0.0] * (8 - len(values)))))
    return Recipe(steps=tuple(steps))


def _factors(case: dict[str, Any], numbers: list[float]) -> list[tuple[Site, float]]:
    found = [(Site(block=block, element=""), factor) for block, factor in zip(BLOCKS, numbers, strict=False)]
    for rule in filter(None, case["elemental"].split(",")):
        blocks, element, factor = rule.split(":")
        found += [(Site(block=block, element=element), float(factor)) for block in blocks.split()]
    return found


def merged(case: dict[str, Any]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    a, b = (load_file(FOLDER / f"{case[name]}.safetensors") for name in ("model_A", "model_B"))
    dtype = torch.float16 if case["model_A"].endswith("fp16") else torch.float32
    arithmetic, found = Arithmetic(torch.device("cpu"), dtype), dict(a)
    for key, row in plan_for(recipe_of(case), a).rows.items():
        out = torch.empty(a[key].numel(), dtype=dtype)
        arithmetic.evaluate(row, a[key].reshape(-1), b[key].reshape(-1), out)
        found[key] = out.reshape(a[key].shape)
    return a, found


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["case"])
def test_the_merge_is_supermergers(case: dict[str, Any]) -> None:
    a, found = merged(case)
    expected = a | load_file(FOLDER / case["file"])
    assert len(expected) == 1131
    for key, value in expected.items():
        close(key, found[key], value)


def close(key: str, found: Tensor, expected: Tensor) -> None:
    """One unit in the last place of fp16; 2e-7 of the value, at least 2e-7, in float32."""
    if found.dtype == torch.float16:
        ulp = torch.ldexp(torch.ones_like(expected.float()), torch.frexp(expected.float())[1] - 11)
        room = ulp.clamp(min=2.0**-24)
    else:
        room = 2e-7 * expected.float().abs().clamp(min=1)
    assert bool(((found.float() - expected.float()).abs() <= room).all()), key


def test_self_attn1_scales_six_tensors() -> None:
    case = next(case for case in CASES if case["case"] == "self_attn1_088@classic")
    a, found = merged(case)
    assert len([key for key in a if not torch.equal(a[key], found[key])]) == 6
