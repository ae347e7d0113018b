"""Features of rendered pictures, kept in a folder: no recipe is rendered twice on the same shots, by any benchmark run.

What pictures show does not depend on who asked for them, so plants, methods, seeds and pairs share them. A run that was
killed goes on where it stopped.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from torch import Tensor

from engine.engine import Engine
from engine.recipes.recipe import Recipe
from engine.shots.shot import Shot
from scorers.extraction.observer import Observer
from scorers.features import Features
from studies.sample.world import SampleWorld
from studies.store.renders import shots_key


class KeptFeatures:
    """Renders recipes of one pair of checkpoints, or reads what an earlier run kept of their pictures."""

    def __init__(self, folder: Path, files: SampleWorld) -> None:
        """Keep features under a folder, apart for every pair of checkpoints."""
        self._files = files
        stamp = hashlib.sha256(files.a.read_bytes() + files.b.read_bytes()).hexdigest()[:12]
        self._folder = folder / stamp
        self._folder.mkdir(parents=True, exist_ok=True)
        self.rendered = 0
        """Pictures that were rendered by this process."""

    @cached_property
    def engine(self) -> Engine:
        """The engine, which is opened when the first picture is made."""
        return Engine.open({"A": self._files.a, "B": self._files.b})

    def pictures(self, recipe: Recipe, shots: Sequence[Shot]) -> Tensor:
        """Render, and keep nothing; ``(n, 3, side, side)`` in 0..1."""
        self.engine.build(recipe)
        self.rendered += len(shots)
        return self.engine.render(shots)

    def features(self, recipe: Recipe, shots: Sequence[Shot], observer: Observer) -> Features:
        """Return the features of a recipe's pictures, no picture of them marked but those that show nothing at all."""
        path = self._folder / f"{recipe.key[:20]}-{shots_key(shots)}.safetensors"
        if path.exists() and not (kept := Features.load(path)).lacks(observer.versions):
            return kept
        pictures = self.pictures(recipe, shots)
        made = observer.see(pictures, [shot.prompt for shot in shots], [shot.seed for shot in shots])
        made.save(path)
        return made
