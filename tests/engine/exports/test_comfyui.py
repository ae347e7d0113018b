"""ComfyUI: both forms are one valid graph, and what the graph makes is the folded recipe, key by key."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from engine.checkpoints.checkpoint import open_checkpoint
from engine.errors import RecipeError
from engine.exports.content import ExportContent
from engine.exports.registry import export, nearest, refusals_of
from engine.exports.target import ExportOptions, WrittenExport
from engine.merging.output import MergedTensors, Output
from engine.recipes.recipe import AdjustStep, MergeStep, Recipe
from engine.recipes.steps import Filter
from tests.engine.exports.comfy_definitions import DEFINITIONS, api_of, problems
from tests.engine.exports.comfy_interpreter import Interpreter
from tests.engine.exports.recipes import NONLINEAR, RISING, SD1, SDXL, drawn
from tests.engine.models.tiny import write_tiny
from tests.engine.models.tiny_families import write_family

LINKED = ExportOptions(linked=True)
PLAIN = ExportOptions()
TOLERANCE = 1e-6


@pytest.fixture(scope="module")
def parents(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("comfy")
    for seed, name in enumerate("ABC", start=1):
        write_tiny(folder / f"sd1 {name} \u30e2\u30c7\u30eb.safetensors", seed)
        write_family(folder / f"sdxl {name} \u30e2\u30c7\u30eb.safetensors", "sdxl", seed)
    return folder


def content_of(parents: Path, recipe: Recipe, title: str = "mine") -> ExportContent:
    models = {name: parents / f"{recipe.family} {name} \u30e2\u30c7\u30eb.safetensors" for name in "ABC"}
    return ExportContent(recipe=recipe, title=title, models=models, hashes={name: name * 64 for name in models})


@pytest.fixture(scope="module")
def interpreter(parents: Path) -> Interpreter:
    return Interpreter(parents)


def written(
    parents: Path, recipe: Recipe, options: ExportOptions = PLAIN, title: str = "mine"
) -> tuple[WrittenExport, dict]:
    """Export beside the parents, and return the API form as well."""
    out = parents / f"{title}.comfyui.json"
    done = export("comfyui", content_of(parents, recipe, title), out, replace(options, overwrite=True))
    api = json.loads(next(p for p in done.files[:2][::-1] if p.suffix == ".json").read_text(encoding="utf-8"))
    return done, api


def folded(parents: Path, recipe: Recipe) -> Iterator[tuple[str, torch.Tensor]]:
    content = content_of(parents, recipe)
    models = {name: open_checkpoint(content.models[name]) for name in recipe.models}
    merged = MergedTensors(recipe, models, Output(dtype="fp32", arithmetic="folded"))
    yield from zip(merged.layout, merged, strict=True)


def largest_difference(parents: Path, interpreter: Interpreter, recipe: Recipe, api: dict) -> float:
    saved = interpreter.saved(api)
    made = saved["model"] | saved["clip"]
    compared, worst = 0, 0.0
    for key, value in folded(parents, recipe):
        if key.startswith(("model.diffusion_model.", "cond_stage_model.", "conditioner.")):
            compared += 1
            if not key.endswith(".position_ids"):
                worst = max(worst, float((made[key] - value).abs().max()))
    assert compared == len(made)
    return worst


def test_something_is_worth_comparing(parents: Path, interpreter: Interpreter) -> None:
    """The comparison fails where a workflow makes another recipe."""
    _, api = written(parents, SD1["blocks"])
    assert largest_difference(parents, interpreter, SD1["one ratio"], api) > 1e-3


_HELD = [name for name in SD1 if name not in {"beyond 0 and 1", "elements"}]


@pytest.mark.parametrize("name", [*_HELD, *SDXL])
def test_the_graph_makes_the_recipe(parents: Path, interpreter: Interpreter, name: str) -> None:
    recipe = {**SD1, **SDXL}[name]
    done, api = written(parents, recipe)
    assert problems(api) == []
    page = json.loads(done.files[0].read_text(encoding="utf-8"))
    assert api_of(page) == {number: {k: node[k] for k in ("class_type", "inputs")} for number, node in api.items()}
    assert largest_difference(parents, interpreter, recipe, api) < TOLERANCE
