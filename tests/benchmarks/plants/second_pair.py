"""The second pair, in which other blocks hold other axes of look, so that nothing is tuned to the pair that ships.

It is trained from the base of the sample world when it is first asked for, which takes about an hour of two cores, and
kept in the training's folder. It does not ship, nor does the base: only whoever trained the sample world has both.
"""

from __future__ import annotations

import os
from pathlib import Path

import torch

from studies.sample.shipping.packed import pack
from studies.sample.training.axes import SECOND
from studies.sample.training.settings import PROCESSOR
from studies.sample.training.stages import Workshop, train_pair, trained_vae, training_latents

FOLDER = "SAMPLE_WORLD_TRAINING"
"""The environment variable that names the training's folder."""
NEEDED = ("vae.pt", "base.pt", "decoder.pt", "clip.pt", "classifier.pt")
"""Files of a training that is finished, but for the pair that ships."""


def lacking(folder: Path | None) -> str:
    """Return why there can be no second pair, in a sentence; empty where there can."""
    if folder is None:
        return f"set {FOLDER} to the folder that `python -m studies.sample.training --work FOLDER` filled"
    gone = [name for name in NEEDED if not (folder / name).exists()]
    if gone:
        return f"{folder}: lacks {', '.join(gone)}; finish `python -m studies.sample.training --work {folder}`"
    return ""


def training_folder() -> Path | None:
    """Return the folder that the environment names."""
    named = os.environ.get(FOLDER)
    return Path(named) if named else None


def second_pair(folder: Path) -> Path:
    """Return the folder of the packed second pair, after training what is not trained yet."""
    shop = Workshop(folder=folder, settings=PROCESSOR, device=torch.device("cpu"))
    packed = folder / f"packed_{SECOND.name}"
    if not (packed / "training.json").exists():  # which is written last
        train_pair(shop, training_latents(shop, trained_vae(shop), SECOND.axes), SECOND)
        pack(shop, SECOND, packed)
    return packed
