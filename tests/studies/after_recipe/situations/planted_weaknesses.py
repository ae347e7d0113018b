"""Recipes of the sample world whose weakness is known: checkpoints that lost a word, and recipes that lost nothing.

A weakness is planted into the wanted look's merge: in its text encoder the row of one word, a colour or a subject, is
replaced by that of another word, or by the mean of the other words of its aspect. All else stays as it is, so pictures
of other words are the same to the bit. Harmless recipes are merges of the world's parents by their own words.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from engine.merging.write import write_checkpoint
from engine.recipes.blocks import BLOCKS
from engine.recipes.recipe import Recipe
from studies.sample.scenery.contents import COLOURS, SUBJECTS
from studies.sample.shipping.judging import by_blocks
from studies.sample.training.axes import MAIN
from studies.sample.training.captions import token_ids
from studies.sample.world import TEXT_TOKENS

WANTED_LOOK = by_blocks(MAIN.plant())
"""The merge with the wanted look, which no FLAT mix has."""
WORDS: Mapping[str, tuple[str, ...]] = {"colours": (*COLOURS,), "subjects": SUBJECTS}
"""The words that can be lost, by the aspect of the world's suite."""
AVERAGE = "average"
"""Stands for the mean of the other words of an aspect."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlantedWeakness:
    """A word that a checkpoint lost."""

    aspect: str
    word: str
    instead: str
    """The word whose row it has now, or ``AVERAGE``."""

    @property
    def name(self) -> str:
        """Names the checkpoint's file."""
        return f"{self.word}-as-{self.instead}"


PLANTS = (
    PlantedWeakness(aspect="colours", word="purple", instead="blue"),
    PlantedWeakness(aspect="colours", word="red", instead=AVERAGE),
    PlantedWeakness(aspect="colours", word="green", instead=AVERAGE),
    PlantedWeakness(aspect="colours", word="yellow", instead="orange"),
    PlantedWeakness(aspect="subjects", word="cat", instead=AVERAGE),
    PlantedWeakness(aspect="subjects", word="face", instead="tree"),
    PlantedWeakness(aspect="subjects", word="tree", instead="house"),
)
"""The weaknesses that are planted, clear ones and one that is not: yellow and orange are near to each other."""


def write_planted(models: Mapping[str, Path], plant: PlantedWeakness | None, folder: Path) -> Path:
    """Write the wanted look's checkpoint with a weakness, or without; one that is there already stays.

    Args:
        models: the world's checkpoints, by letter.
        plant: None: the checkpoint as it is.
        folder: made if need be.
    """
    folder.mkdir(parents=True, exist_ok=True)
    whole, path = folder / "wanted.safetensors", folder / f"{plant.name if plant else 'wanted'}.safetensors"
    if not whole.exists():
        write_checkpoint(WANTED_LOOK, models, whole, metadata={})
    if plant is not None and not path.exists():
        tensors = load_file(whole)
        tensors[TEXT_TOKENS] = _without_word(tensors[TEXT_TOKENS], plant)
        part = path.with_suffix(".part")
        save_file(tensors, part, metadata={"format": "pt"})
        part.rename(path)
    return path


def _without_word(table: torch.Tensor, plant: PlantedWeakness) -> torch.Tensor:
    others = [word for word in WORDS[plant.aspect] if word != plant.word]
    taken = others if plant.instead == AVERAGE else [plant.instead]
    changed = table.clone()
    changed[_row(plant.word)] = table[[_row(word) for word in taken]].float().mean(0).to(table.dtype)
    return changed


def _row(word: str) -> int:
    """The row of a word of one token: the second, after the one that begins a text."""
    return int(token_ids([word])[0, 1])


def harmless_recipes() -> dict[str, Recipe]:
    """Return twenty recipes of A and B that lost nothing, by name.

    Eight are the wanted look with block weights scattered a little, four are that with changes too small to see, four
    are a parent with such changes, and four a parent with a little of the other in some blocks.
    """
    found: dict[str, Recipe] = {}
    for number in range(8):
        found[f"wanted-scattered-{number}"] = _scattered(MAIN.plant(), 0.06, number)
    for number in range(4):
        found[f"wanted-twin-{number}"] = _scattered(MAIN.plant(), 0.001, 100 + number)
    for number in range(4):
        found[f"parent-twin-{number}"] = _scattered(_parent(number), 0.001, 200 + number)
    for number in range(4):
        found[f"parent-like-{number}"] = _scattered(_parent(number), 0.12, 300 + number)
    return found


def _parent(number: int) -> dict[str, float]:
    return dict.fromkeys(BLOCKS, float(number % 2))


def _scattered(ratios: Mapping[str, float], amount: float, seed: int) -> Recipe:
    """Each ratio moved inwards, by the absolute value of a normal number with this standard deviation."""
    draw = np.random.default_rng([seed, 2026])
    moved = np.minimum(np.abs(draw.normal(0, amount, len(BLOCKS))), 1)
    pairs: Iterator[tuple[str, float]] = zip(BLOCKS, moved.tolist(), strict=True)
    return by_blocks({block: round(abs(ratios[block] - away), 4) for block, away in pairs})
