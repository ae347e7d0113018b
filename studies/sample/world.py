"""The sample world as files on disk: two SD1 checkpoints, a tiny CLIP, reference pictures.

The package ships the parts without repetition (see ``studies.sample.pack``); ``write_world`` writes complete files, as
a user's own would be: every key of an SD1 checkpoint, full token tables, fp16.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from engine.files import replaced

if TYPE_CHECKING:
    import torch

WORLD = Path(__file__).with_name("world")
TEXT_TOKENS = "cond_stage_model.transformer.text_model.embeddings.token_embedding.weight"
CLIP_TOKENS = "token_embedding.weight"
ROWS = "sample_world.token_rows"
VOCABULARY = 49408
POSITION_IDS = "cond_stage_model.transformer.text_model.embeddings.position_ids"


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleWorld:
    """Where the files of the sample world were written."""

    illustration: Path
    """Checkpoint A: flat, outlined, seen from close by."""
    photo: Path
    """Checkpoint B: shaded, grainy, seen from far away."""
    clip_config: Path
    clip_weights: Path
    references: Path
    """Folder of pictures of the target look."""


def write_world(folder: Path) -> SampleWorld:
    """Write the sample world into ``folder``; files that are there already are left as they are."""
    world = SampleWorld(
        illustration=folder / "illustration.safetensors",
        photo=folder / "photo.safetensors",
        clip_config=folder / "sample-clip.json",
        clip_weights=folder / "sample-clip.safetensors",
        references=folder / "references",
    )
    folder.mkdir(parents=True, exist_ok=True)
    if not world.clip_weights.exists():
        _save(with_full_table(_read("clip"), CLIP_TOKENS), world.clip_weights)
    shutil.copyfile(WORLD / "clip.json", world.clip_config)
    for path in (world.illustration, world.photo):
        if not path.exists():
            _save(_checkpoint(path.stem), path)
    world.references.mkdir(exist_ok=True)
    for picture in sorted((WORLD / "references").glob("*.png")):
        shutil.copyfile(picture, world.references / picture.name)
    return world


def _read(name: str) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    return load_file(WORLD / f"{name}.safetensors")


def _checkpoint(name: str) -> dict[str, torch.Tensor]:
    import torch

    shared = with_full_table(_read("shared"), TEXT_TOKENS)
    return _read(name) | shared | {POSITION_IDS: torch.arange(77)[None]}


def with_full_table(tensors: dict[str, torch.Tensor], table: str) -> dict[str, torch.Tensor]:
    """Put the used rows of a token table back into a full one of zeros."""
    rows = tensors.pop(ROWS)
    full = tensors[table].new_zeros(VOCABULARY, tensors[table].shape[1])
    full[rows] = tensors[table]
    return tensors | {table: full}


def _save(tensors: dict[str, torch.Tensor], path: Path) -> None:
    from safetensors.torch import save_file

    with replaced(path) as temporary:
        save_file(tensors, temporary, metadata={"format": "pt"})
