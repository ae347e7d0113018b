"""The sample world as files on disk: two SD1 checkpoints, a tiny CLIP, reference pictures, lists of situations.

The package ships the parts without repetition (see ``studies.sample.shipping.packed``); ``write_world`` writes complete
files, as a user's own would be: every key of an SD1 checkpoint, full token tables, fp16.
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
"""Folder of what ships."""
STUDY = Path(__file__).with_name("study.toml")
"""The demo's study file; the gate measures what it searches."""
SUITE = Path(__file__).with_name("suite")
"""The world's suite of situations: lists of its subjects, colours and places."""
NAMES = ("closeups", "lamplight")
"""Names of the checkpoints A and B: what each is good at. A draws from close by, inked, in pale daylight; B from far
away, soft, by lamplight."""
WANTED = "close-ups by lamplight"
"""What the references show: inked close-ups as A's, in the light of B."""
CHECKPOINTS = ("a", "b")
"""Names of the packed files of what A and B do not share."""
TEXT_TOKENS = "cond_stage_model.transformer.text_model.embeddings.token_embedding.weight"
"""Key of the text encoder's token table."""
CLIP_TOKENS = "token_embedding.weight"
"""Key of the CLIP's token table."""
ROWS = "sample_world.token_rows"
"""Key, in packed files, of the ids of the rows that a token table has."""
VOCABULARY = 49408
"""Rows of a full token table."""
POSITION_IDS = "cond_stage_model.transformer.text_model.embeddings.position_ids"
"""Key of the places that the text encoder counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleWorld:
    """Where the files of the sample world, or of another packed pair, were written."""

    a: Path
    """Checkpoint A."""
    b: Path
    """Checkpoint B."""
    clip_config: Path
    clip_weights: Path
    references: Path
    """Folder of pictures of the target look."""
    suite: Path
    """Folder of the lists of situations."""


def write_world(folder: Path, *, packed: Path = WORLD, names: tuple[str, str] = NAMES) -> SampleWorld:
    """Write a packed pair into ``folder``; checkpoints, CLIP and lists that are there already are left as they are.

    Args:
        folder: made if need be.
        packed: folder of the packed files; without it, the sample world's.
        names: of the two checkpoints' files, without their ending.
    """
    first, second = (folder / f"{name}.safetensors" for name in names)
    world = SampleWorld(
        a=first,
        b=second,
        clip_config=folder / "sample-clip.json",
        clip_weights=folder / "sample-clip.safetensors",
        references=folder / "references",
        suite=folder / "suite",
    )
    folder.mkdir(parents=True, exist_ok=True)
    if not world.clip_weights.exists():
        _save(with_full_table(_read(packed / "clip.safetensors"), CLIP_TOKENS), world.clip_weights)
    shutil.copyfile(packed / "clip.json", world.clip_config)
    for name, path in zip(CHECKPOINTS, (world.a, world.b), strict=True):
        if not path.exists():
            _save(_checkpoint(packed, name), path)
    world.references.mkdir(exist_ok=True)
    for picture in sorted((packed / "references").glob("*.png")):
        shutil.copyfile(picture, world.references / picture.name)
    if not world.suite.exists():  # its lists may have been changed
        world.suite.mkdir()
        for path in sorted(SUITE.glob("*.txt")):
            shutil.copyfile(path, world.suite / path.name)
    return world


def _read(path: Path) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    return load_file(path)


def _checkpoint(packed: Path, name: str) -> dict[str, torch.Tensor]:
    import torch

    shared = with_full_table(_read(packed / "shared.safetensors"), TEXT_TOKENS)
    return _read(packed / f"{name}.safetensors") | shared | {POSITION_IDS: torch.arange(77)[None]}


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
