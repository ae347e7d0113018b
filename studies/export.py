"""Export of a pinned recipe: the merged checkpoint, and the text to type into SuperMerger."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.errors import CheckpointError
from engine.recipe import Recipe
from studies.approval import Pin
from studies.errors import StudyError
from studies.files import write_text
from studies.studyfile import StudySpec
from studies.workshop import model_hashes

if TYPE_CHECKING:
    from engine.write import Written

METADATA_KEY = "sd_recipe_search"
"""Header key under which a checkpoint carries its recipe and its parents."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What an export wrote."""

    checkpoint: Written
    supermerger: Path
    """The recipe as lines to type into SuperMerger."""


def export_pin(
    spec: StudySpec,
    pin: Pin,
    out: Path | None = None,
    *,
    dtype: str | None = None,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Exported:
    """Write the checkpoint of a pinned recipe, in the original key layout, and its SuperMerger text beside it.

    Args:
        spec: the study.
        pin: what to export.
        out: the checkpoint; default: named after study and recipe, in the study's ``exports`` folder.
        dtype: fp16, bf16 or fp32; default: what the search rounded to, so that the checkpoint renders the same.
        overwrite: replace files that are there.
        progress: called with (bytes written, bytes in all).

    Raises:
        StudyError: a checkpoint is not the one that the recipe was approved with.
        CheckpointError: the file cannot be written.
    """
    models = model_hashes(spec)
    changed = [f"  {letter}: {spec.models[letter]}" for letter in models if models[letter] != pin.models.get(letter)]
    if changed:
        raise StudyError(
            "these checkpoints are not the ones that the recipe was approved with (SHA-256 differs):\n"
            + "\n".join(changed)
            + "\nput the old files back, or search and approve with the new ones"
        )
    if out is None:
        folder = spec.folder / "exports"
        folder.mkdir(parents=True, exist_ok=True)
        out = folder / f"{spec.name}-{pin.number}-{pin.recipe_key[:8]}.safetensors"
    approval = {"by": pin.by, "at": pin.at, "note": pin.note, "study": spec.name, "source": pin.source}
    return export_recipe(
        Recipe.parse(pin.recipe),
        spec.models,
        models,
        out,
        dtype=dtype or spec.export_dtype,
        overwrite=overwrite,
        approval=approval,
        progress=progress,
    )


def export_recipe(
    recipe: Recipe,
    models: Mapping[str, Path],
    hashes: Mapping[str, str],
    out: Path,
    *,
    dtype: str,
    overwrite: bool = False,
    approval: Mapping[str, str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Exported:
    """Write a recipe's checkpoint with recipe and parents in its header, and its SuperMerger text beside it.

    Args:
        recipe: what to merge.
        models: path by letter.
        hashes: SHA-256 by letter.
        out: the checkpoint.
        dtype: fp16, bf16 or fp32.
        overwrite: replace files that are there.
        approval: who approved it, when and why.
        progress: called with (bytes written, bytes in all).

    Raises:
        CheckpointError: the file cannot be written, or its text file exists already.
    """
    from engine.write import write_checkpoint

    text = out.with_suffix(".supermerger.txt")
    if text.exists() and not overwrite:
        raise CheckpointError(f"{text}: exists already; choose another name, or ask for it to be overwritten")
    used = {letter: {"name": path.name, "sha256": hashes[letter]} for letter, path in models.items()}
    header: dict[str, Any] = {
        "format": 1,
        "recipe": recipe.text,
        "recipe_key": recipe.key,
        "models": used,
        "dtype": dtype,
    }
    if approval is not None:
        header["approval"] = dict(approval)
    written = write_checkpoint(
        recipe,
        models,
        out,
        dtype=dtype,
        metadata={METADATA_KEY: json.dumps(header, ensure_ascii=False)},
        progress=progress,
        overwrite=overwrite,
    )
    named = "\n".join(f"model {letter}: {model['name']}  sha256 {model['sha256']}" for letter, model in used.items())
    write_text(text, f"{named}\n{recipe.supermerger()}\n")
    return Exported(checkpoint=written, supermerger=text)
