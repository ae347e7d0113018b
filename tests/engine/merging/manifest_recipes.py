"""The manifest's plain fields as a recipe of one run, and a run's result as the manifest counts it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from engine.architecture.widths import FamilyName
from engine.merging.evaluate import Arithmetic, known_of
from engine.merging.exact import replay
from engine.merging.folded import plan_for
from engine.merging.sources import half
from engine.modes.registry import MERGE_MODES
from engine.recipes.adjust import parse_adjust
from engine.recipes.dialects import DIALECTS
from engine.recipes.recipe import Filter, MergeStep, Recipe
from tests.engine.models.in_memory import InMemory

Case = Mapping[str, Any]
Models = Mapping[str, Mapping[str, Tensor]]

FAMILIES: dict[str, FamilyName] = {"sd15": "sd1", "sd2": "sd2", "sdxl": "sdxl"}
BETA = ("Triple sum", "sum Twice")
THREE = ("trainDifference", "extract")
"""What computes with A, B and C, whatever merge mode is set."""


def recipe_of(case: Case) -> Recipe:
    """The recipe of a case; what its numbers mean is as in SuperMerger's settings."""
    mode, calculation = case["mode"], case["calcmode"]
    alpha: Any = case["alpha"]
    beta: Any = case["beta"]
    if case["use_mbw"]:
        alpha = numbers(case["weights_alpha"])
        by_block = calculation in {"tensor", "tensor2"} or (mode in BETA and calculation not in THREE)
        beta = numbers(case["weights_beta"]) if by_block and case.get("weights_beta") else beta
    three = MERGE_MODES[mode].models == 3 or calculation in THREE
    step = MergeStep(
        models=("A", "B", "C") if three else ("A", "B"),
        alpha=alpha,
        beta=beta,
        mode=mode,
        calculation=calculation,
        elemental=case["elemental"],
        adjust=parse_adjust(case["adjust"], DIALECTS[case["dialect"]]),
        filter=filter_of(case.get("include_exclude")),
        gamma=case.get("opt_value", 0.3),
        seed=case.get("torch_seed") if calculation == "plus random" else case.get("rand_seed"),
        extended="use extended XL" in (case.get("esettings") or []),
        old_arithmetic="use old calc method" in (case.get("save_sets") or []),
    )
    return Recipe(dialect=case["dialect"], family=FAMILIES[case["arch"]], save="computed", steps=(step,))


def numbers(text: str) -> tuple[float, ...]:
    """A weights line."""
    return tuple(float(word) for word in text.split(","))


def filter_of(choice: Mapping[str, Any] | None) -> Filter | None:
    """Include/Exclude; None for Off."""
    if not choice or choice["mode"] == "Off":
        return None
    elements = tuple(word.strip() for word in choice["elements"].split(",") if word.strip())
    blocks = tuple(name for name in choice["blocks"] if name != "print")
    return Filter(kind=choice["mode"].lower(), blocks=blocks, elements=elements)


def models_by_letter(case: Case, models: Models) -> dict[str, InMemory]:
    """A, B and C; an empty C is A, as in SuperMerger."""
    names = {"A": case["model_A"], "B": case["model_B"], "C": case["model_C"] or case["model_A"]}
    return {letter: InMemory(models[name]) for letter, name in names.items()}


def replayed(case: Case, models: Models) -> dict[str, Tensor]:
    """The exact replay of a case, saved as fp16 where the case says so."""
    result = replay(recipe_of(case), models_by_letter(case, models))
    found = {key: result.read(key).clone() for key in result.shapes}
    saves_half = case.get("saved_through_savemodel") and "fp16" in case["save_sets"]
    return {key: half(key, tensor) for key, tensor in found.items()} if saves_half else found


def folded(recipe: Recipe, models: Mapping[str, InMemory], round_to: torch.dtype) -> dict[str, Tensor]:
    """Every floating tensor of the folded plan."""
    plan = plan_for(recipe, {name: model.shapes for name, model in models.items()})
    read = lambda name, key: models[name].read(key)  # noqa: E731
    known = known_of(plan.prepasses, read, plan.shapes)
    arithmetic, found = Arithmetic(torch.device("cpu"), round_to), dict[str, Tensor]()
    for key, row in plan.rows.items():
        if all(models[name].read(key).is_floating_point() for name in row.models):
            out = torch.empty(torch.Size(plan.shapes[key]).numel(), dtype=round_to)
            arithmetic.evaluate_key(key, row, lambda name, key=key: read(name, key), plan.shapes[key], out, known)
            found[key] = out.reshape(plan.shapes[key])
    return found
