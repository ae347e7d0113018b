"""Tiny models of which some tensors are equal, as real ones of a family often have the VAE of their parent."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import Tensor

from engine.architecture.widths import FamilyName
from engine.checkpoints.checkpoint import Checkpoint, is_kept, open_checkpoint
from engine.exports.content import ExportContent
from engine.merging.output import MergedTensors, Output
from engine.recipes.recipe import Recipe
from tests.engine.models.tiny import write_tiny
from tests.engine.models.tiny_families import write_family

VAE = ("first_stage_model.",)
UNNAMED = ("conditioner.embedders.1.model.positional_embedding", "conditioner.embedders.1.model.text_projection")
"""What only SuperMerger leaves alone: the names have neither weight nor bias."""
NAMES = {"A": "Aの 親.safetensors", "B": "it's B & co (50% off).safetensors", "C": "$C `three`.safetensors"}
"""Names that shells and formats stumble over."""
Models = Mapping[str, Path]


def write_models(folder: Path, family: FamilyName, shared: tuple[str, ...] = ()) -> Models:
    """Write three models of a family.

    Args:
        folder: a new folder for them.
        family: SD1 or SDXL.
        shared: how the names of the tensors begin that B and C have as A has them.
    """
    folder.mkdir(parents=True)
    paths = {name: folder / file for name, file in NAMES.items()}
    for seed, path in enumerate(paths.values(), start=1):
        write_family(path, "sdxl", seed) if family == "sdxl" else write_tiny(path, seed)
    common = {key: value for key, value in load_file(paths["A"]).items() if shared and key.startswith(shared)}
    for name in ("B", "C") if common else ():
        save_file(load_file(paths[name]) | common, paths[name], metadata={"format": "pt"})
    return paths


def content_of(recipe: Recipe, models: Models, title: str = "混ぜ: mine, 1") -> ExportContent:
    """Return a recipe with its models, as an export takes it."""
    return ExportContent(
        recipe=recipe,
        title=title,
        models={name: models[name] for name in recipe.models},
        hashes={name: name.lower() * 64 for name in recipe.models},
    )


def folded(content: ExportContent) -> dict[str, Tensor]:
    """Return the tensors that pictures are made with, as the recipe makes them: folded, float32."""
    checkpoints: Mapping[str, Checkpoint] = {name: open_checkpoint(path) for name, path in content.models.items()}
    made = MergedTensors(content.recipe, checkpoints, Output(dtype="fp32", arithmetic="folded"))
    return {key: value.clone() for key, value in zip(made.layout, made, strict=True) if is_kept(key)}


def largest_difference(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> float:
    """Return the largest absolute difference; that of a tensor that only one of the two has is infinite."""
    if found.keys() != expected.keys():
        return float("inf")
    return max(float((found[key].double() - expected[key].double()).abs().max()) for key in expected)
