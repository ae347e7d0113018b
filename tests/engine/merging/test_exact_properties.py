"""Exact replay and the folded plan on random runs, against a slow reference in float64 and against each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from hypothesis import event, given
from torch import Tensor

from engine.errors import RecipeError
from tests.engine.merging.closeness import off, steps_off
from tests.engine.merging.golden import CASES, models_of
from tests.engine.merging.manifest_recipes import folded, models_by_letter, recipe_of, replayed
from tests.engine.merging.reference import ReferenceRefused, reference_run
from tests.engine.merging.strategies import cases

Run = dict[str, Any]
Models = dict[str, dict[str, Tensor]]

ROOM = 3.0
"""Times the tolerance (2e-7 in float32, one step in fp16, of the largest number that goes in)."""
EXTRACT_ROOM = 100.0
"""A power of ((s + 1) / 2) with s close to -1 turns the last bits of float32 into many."""

FOLDED_STEPS = {
    "normal": 2.0,
    "cosineA": 2.0,
    "cosineB": 2.0,
    "trainDifference": 1.0,
    "smoothAdd": 2.0,
    "smoothAdd MT": 2.0,
    "extract": 1.0,
    "tensor": 1.0,
    "tensor2": 1.0,
    "self": 1.0,
    "plus random": 2.0,
}
"""By how many units in the last place, of the largest number that goes in, the folded plan may differ from the replay.

The replay rounds after every operation that SuperMerger rounds after; the folded plan rounds once.
"""


class Brief(dict[str, dict[str, Tensor]]):
    """Models whose tensors are not all printed when a test fails."""

    def __repr__(self) -> str:
        return f"models {', '.join(self)}"


brief_cases = cases().map(lambda drawn: (drawn[0], Brief(drawn[1])))


def arch_of(models: Mapping[str, Mapping[str, Tensor]]) -> str:
    keys = [*models["B"]]
    if any(key.startswith("conditioner.") for key in keys):
        return "sdxl"
    return "sd2" if any(key.startswith("cond_stage_model.model.") for key in keys) else "sd15"


def inputs_of(run: Run, models: Models, key: str) -> list[Tensor]:
    """The tensors that a result was made of, and 1 where Adjust adds to it."""
    names = {run["model_A"], run["model_B"], run["model_C"] or run["model_A"]}
    found = [models[name][key] for name in names if key in models[name]]
    return [tensor for tensor in found if tensor.is_floating_point()]


@given(drawn=brief_cases)
def test_the_replay_is_the_reference(drawn: tuple[Run, Models]) -> None:
    run, models = drawn
    run = {**run, "arch": arch_of(models), "torch_seed": run["rand_seed"]}
    try:
        wanted = reference_run(run, models)
    except ReferenceRefused as refused:
        event(f"refused: {str(refused)[:40]}")
        with pytest.raises(RecipeError):
            replayed(run, models)
        return
    try:
        found = replayed(run, models)
    except RecipeError as error:  # SuperMerger stops at such a rule only where it meets a key; here it never passes
        if "is no ratio" not in str(error):
            raise
        return
    assert [*found] == [*wanted]
    room = EXTRACT_ROOM if run["calcmode"] == "extract" else ROOM
    wrong = {k: off(found[k], wanted[k], *inputs_of(run, models, k)) for k in wanted}
    assert max(wrong.values()) <= room, {key: value for key, value in wrong.items() if value > room}


def compare(run: Run, models: Models) -> dict[str, float]:
    """Steps between the folded plan and the replay, by key."""
    recipe = recipe_of(run)
    result = replayed(run, models)
    single = folded(recipe, models_by_letter(run, models), torch.float32)
    found: dict[str, float] = {}
    for key, value in single.items():
        inputs = inputs_of(run, models, key)
        half = any(tensor.dtype == torch.float16 for tensor in (*inputs, result[key]))
        found[key] = steps_off(value, result[key], inputs, torch.float16 if half else torch.float32)
    return found


@given(drawn=brief_cases)
def test_the_folded_plan_differs_by_roundings_alone(drawn: tuple[Run, Models]) -> None:
    run, models = drawn
    run = {**run, "arch": arch_of(models), "torch_seed": run["rand_seed"]}
    try:
        steps = compare(run, models)
    except RecipeError:
        return
    room = ratio_room(run)
    wrong = {key: value for key, value in steps.items() if not value <= room}
    assert not wrong, (run["mode"], run["calcmode"], run["dialect"], wrong)


def ratio_room(run: Run) -> float:
    """The bound of a calculation mode; sums of large ratios round that much more."""
    unstable = run["calcmode"].startswith("cosine") and run["mode"] == "Add difference"  # A is compared with B - C
    if run["calcmode"] == "extract" or unstable:
        return EXTRACT_ROOM
    return FOLDED_STEPS[run["calcmode"]] * 8  # ratios of -1 to 2 make sums of up to eight times what goes in


@pytest.mark.parametrize("case", [case for case in CASES if "expect_error" not in case], ids=lambda case: case["case"])
def test_the_folded_plan_on_supermergers_own_results(case: dict[str, Any]) -> None:
    steps = compare(case, {**models_of(case)})
    assert max(steps.values()) <= FOLDED_STEPS[case["calcmode"]]
