"""Exports written for many recipes, executed by the tool in one process, and compared with the folded result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from safetensors.torch import load_file
from torch import Tensor

from engine.exports.content import ExportContent
from engine.exports.registry import TARGETS, export
from engine.exports.target import ExportOptions, WrittenExport
from engine.merging.output import Output
from engine.merging.write import write_checkpoint
from engine.recipes.recipe import Recipe
from tests.engine.exports.parents import write_clipped

FOLDED = ExportOptions(output=Output(dtype="fp32", arithmetic="folded"))
LETTERS = "ABC"
FAMILIES: tuple[Literal["sd1", "sdxl"], ...] = ("sd1", "sdxl")


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenCase:
    """An export of a recipe, and its models."""

    recipe: Recipe
    models: Mapping[str, Path]
    done: WrittenExport


def write_parents(folder: Path, *, whole: bool = False) -> dict[str, dict[str, Path]]:
    """Three parents for each family; see ``clipped``."""
    return {
        family: {
            name: write_clipped(folder / f"{family}-{name}-モデル.safetensors", family, seed, whole=whole)
            for seed, name in enumerate(LETTERS)
        }
        for family in FAMILIES
    }


def written_case(
    target: str, recipe: Recipe, models: Mapping[str, Path], folder: Path, options: ExportOptions = FOLDED
) -> WrittenCase:
    """Export a recipe into a folder of its own, under the folder's name: tools that run many take files by name."""
    taken = {name: models[name] for name in recipe.models}
    content = ExportContent(recipe=recipe, title=folder.name, models=taken)
    return WrittenCase(
        recipe=recipe,
        models=taken,
        done=export(target, content, folder / f"{folder.name}{TARGETS[target].suffix}", options),
    )


def folded(case: WrittenCase, folder: Path) -> dict[str, Tensor]:
    """The result that an export must give."""
    out = folder / "folded.safetensors"
    write_checkpoint(case.recipe, dict(case.models), out, output=FOLDED.output, metadata={})
    return load_file(out)


def largest_difference(expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> float:
    """The largest absolute difference of two checkpoints with the same keys and shapes."""
    assert expected.keys() == found.keys(), sorted(expected.keys() ^ found.keys())
    largest = 0.0
    for key, value in expected.items():
        assert value.shape == found[key].shape, key
        difference = (value.double() - found[key].double()).abs().max().item() if value.numel() else 0.0
        assert torch.isfinite(found[key].double()).all(), key
        largest = max(largest, difference)
    return largest
