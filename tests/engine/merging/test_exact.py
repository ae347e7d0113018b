"""Exact replay against what SuperMerger itself made, bit for bit: tests/golden/merges/README.md."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

import engine.merging.exact
from engine.errors import RecipeError
from engine.merging.exact import replay
from engine.merging.sources import SCRATCH_TURNS
from engine.recipes.recipe import AdjustStep, MergeStep, Recipe, SelfStep
from tests.engine.merging.closeness import is_same, off, steps_off
from tests.engine.merging.golden import CASES, FILTERS, expected, full_sha256, load_model, models_of
from tests.engine.merging.manifest_recipes import recipe_of, replayed
from tests.engine.merging.reference import reference_run
from tests.engine.models.in_memory import InMemory

MADE = [case for case in CASES if "expect_error" not in case]
REFUSED = [case for case in CASES if "expect_error" in case]
ROOM = {"cosineA": 2.5, "cosineB": 2.5, "plus random": 2.0, "extract": 21.0}
"""By how many units in the last place of the result, of the largest number that goes into a tensor, results may differ.

SuperMerger adds up cosines in float32, in an order that depends on the processor, and torch's random numbers and powers
depend on it too. In extract a power of ((s + 1) / 2) with s close to -1 makes many of the last bits. All other modes
have no room at all. What is found is the same on every processor, so these bounds are what was found, rounded up.
"""


def name_of(case: dict[str, Any]) -> str:
    return case["case"]


@pytest.mark.parametrize("case", MADE, ids=name_of)
def test_the_result_is_supermergers_bit_for_bit(case: dict[str, Any]) -> None:
    found = replayed(case, models_of(case))
    if full_sha256(found) == case["sha256_full"]:
        return
    assert case["calcmode"] in ROOM, "only these modes may differ, in their last bits"
    wanted = expected(case) or reference_run(case, models_of(case))
    assert found.keys() == wanted.keys()
    assert all(found[key].isnan().equal(tensor.isnan()) for key, tensor in wanted.items())
    assert all(found[key].dtype == tensor.dtype for key, tensor in wanted.items())
    floats = {key: tensor for key, tensor in wanted.items() if tensor.is_floating_point()}
    far = {key: units_off(found[key], tensor, case, key) for key, tensor in floats.items()}
    assert max(far.values()) <= ROOM[case["calcmode"]], {key: units for key, units in far.items() if units > 1}


def units_off(found: Tensor, wanted: Tensor, case: dict[str, Any], key: str) -> float:
    inputs = [model[key] for model in models_of(case).values() if key in model]
    return steps_off(found, wanted, inputs, wanted.dtype)


@pytest.mark.parametrize("case", FILTERS, ids=name_of)
def test_a_filter_chooses_the_keys_that_it_does_in_supermerger(case: dict[str, Any]) -> None:
    models = models_of(case)
    a, found = models[case["model_A"]], replayed(case, models)
    changed = [key for key, tensor in found.items() if key not in a or not is_same(tensor, a[key])]
    assert len(changed) == case["changed_keys"]
    assert full_sha256(found) == case["sha256_full"]


@pytest.mark.parametrize("case", REFUSED, ids=name_of)
def test_what_supermerger_cannot_merge_is_refused(case: dict[str, Any]) -> None:
    with pytest.raises(RecipeError):
        replayed(case, models_of(case))


@pytest.mark.parametrize("case", MADE, ids=name_of)
def test_keys_dtypes_and_nans_are_supermergers(case: dict[str, Any]) -> None:
    models = models_of(case)
    a, found = models[case["model_A"]], replayed(case, models)
    assert sorted(key for key, tensor in found.items() if tensor.isnan().any()) == sorted(case["nan_keys"])
    assert [key for key in found if key not in a] == case["added_keys"]
    kinds = {str(tensor.dtype) for tensor in found.values()}
    assert kinds == {*case["dtypes"]}
    changed = [key for key, tensor in found.items() if key not in a or not is_same(tensor, a[key])]
    assert len(changed) == pytest.approx(case["changed_keys"], abs=1 if case["calcmode"] in ROOM else 0)


def test_large_tensors_are_merged_in_pieces_with_the_same_result(monkeypatch: pytest.MonkeyPatch) -> None:
    case = next(case for case in CASES if case["case"] == "ws_mbw_random26_fp16@2023")
    whole = replayed(case, models_of(case))
    monkeypatch.setattr(engine.merging.exact, "PIECE", 37)
    pieces = replayed(case, models_of(case))
    assert all(is_same(tensor, pieces[key]) for key, tensor in whole.items())


@pytest.mark.parametrize("calculation", ["cosineA", "cosineB", "plus random"])
@pytest.mark.parametrize("last", [("one", "two"), ("two", "one")])
def test_a_prepass_over_an_earlier_run_leaves_the_first_tensor_alone(
    monkeypatch: pytest.MonkeyPatch, calculation: str, last: tuple[str, str]
) -> None:
    """It reads more tensors than the earlier run keeps in memory."""
    monkeypatch.setattr(engine.merging.exact, "PIECE", 8)
    generator = torch.Generator().manual_seed(1)
    keys = [f"model.diffusion_model.input_blocks.1.0.{n}.weight" for n in range(2 * SCRATCH_TURNS)]
    models = {name: InMemory({key: torch.randn(4, 5, generator=generator).half() for key in keys}) for name in "AB"}
    second = MergeStep(models=("one", "B"), calculation=calculation, alpha=0.1, seed=1, name="two")
    for steps in ((second,), (second, MergeStep(models=last, alpha=0.4))):
        found = replay(Recipe(steps=(MergeStep(alpha=0.3, name="one"), *steps)), models)
        first = found.read(keys[0]).clone()
        found.read(keys[1])
        assert torch.equal(found.read(keys[0]), first)


# ----------------------------------------------------------------------------------------------------------- chains


def chain(save: str) -> Recipe:
    merge = MergeStep(alpha=(0.1, *(n / 40 for n in range(25))), name="alpha")
    factors = recipe_of(next(case for case in CASES if case["case"] == "self_attn1_088@classic")).steps[0]
    assert isinstance(factors, MergeStep)
    run = MergeStep(models=("alpha", "alpha"), alpha=1.0, calculation="self", elemental=factors.elemental)
    third = MergeStep(models=("previous", "C", "A"), mode="Add difference", alpha=0.3)
    return Recipe(steps=(merge, run, third), save=save)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("save", ["fp16", "computed"])
def test_a_chain_is_its_runs_with_a_save_between_them(save: str) -> None:
    """Every run by itself, saved and read again, as a person would do it."""
    models = {letter: InMemory(load_model(f"sd15_{letter}_fp32")) for letter in "ABC"}
    recipe = chain(save)
    made: dict[str, InMemory] = dict(models)
    for number, run in enumerate(recipe.runs, start=1):
        names = {letter: made[name] for letter, name in zip("ABC", run.models, strict=False)}
        single = Recipe(steps=(MergeStep(**fields(run, "ABC"[: len(run.models)])),))
        result = replay(single, names)
        content = {key: result.read(key).clone() for key in result.shapes}
        last = number == len(recipe.runs)
        halves = save == "fp16" and not last
        made[f"step{number}"] = InMemory(
            {k: t.half() if halves and "model" in k and t.is_floating_point() else t for k, t in content.items()}
        )
    found = replay(recipe, models)
    last = made[f"step{len(recipe.runs)}"]
    assert all(is_same(found.read(key), last.read(key)) for key in last.shapes)


def fields(run: MergeStep, letters: str) -> dict[str, Any]:
    return {
        "models": tuple(letters),
        "alpha": run.alpha,
        "mode": run.mode,
        "calculation": run.calculation,
        "elemental": run.elemental,
    }


def test_self_and_adjust_steps_are_the_runs_they_stand_for() -> None:
    from engine.recipes.blocks import Site

    models = {"A": InMemory(load_model("sd15_A_fp16"))}
    short = Recipe(
        steps=(
            SelfStep(factors=((Site.parse("OUT05:attn1"), 0.88), (Site.parse("OUT08:attn1"), 0.88))),
            AdjustStep(values=(0, 0, 0, 5, 0, 0, 0, 0)),
        )
    )
    long = Recipe(
        steps=(
            MergeStep(models=("A", "A"), alpha=1, calculation="self", elemental="OUT05 OUT08:attn1:0.88"),
            MergeStep(models=("previous", "previous"), adjust=(0, 0, 0, 5, 0, 0, 0, 0)),
        )
    )
    first, second = replay(short, models), replay(long, models)
    assert all(is_same(first.read(key), second.read(key)) for key in first.shapes)
    changed = [key for key in first.shapes if not is_same(first.read(key), models["A"].read(key))]
    assert len(changed) == 6 + 1


def test_a_missing_model_is_named() -> None:
    with pytest.raises(RecipeError, match="the recipe takes B; the models at hand are A"):
        replay(Recipe.flat(0.5), {"A": InMemory({})})


def test_other_shapes_are_named() -> None:
    key = "model.diffusion_model.input_blocks.0.0.weight"
    a, b = InMemory({key: torch.zeros(3, 4, 3, 3)}), InMemory({key: torch.zeros(5, 4, 3, 3)})
    with pytest.raises(RecipeError, match=rf"{key} differ in shape \(A \(3, 4, 3, 3\), B \(5, 4, 3, 3\)\)"):
        replay(Recipe.flat(0.5), {"A": a, "B": b})


def test_convolutions_stored_as_matrices_are_merged() -> None:
    key = "first_stage_model.decoder.mid.attn_1.q.weight"
    a, b = torch.randn(6, 6, 1, 1), torch.randn(6, 6)
    found = replay(Recipe.flat(0, base=0.25), {"A": InMemory({key: a}), "B": InMemory({key: b})}).read(key)
    assert off(found, 0.75 * a + 0.25 * b[:, :, None, None], a, b) <= 1
