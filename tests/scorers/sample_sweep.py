"""FLAT mixes of the sample world, and references rendered from planted ones with other prompts and seeds.

Every content of the sample world is shown once: 48 shots of the search, 48 references. Rendering them all takes
minutes, so what the panel keeps of the pictures is stored beside the tests; ``python -m tests.scorers.sample_sweep``
renders and writes it anew, and a test renders a few of the pictures again.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from engine.engine import Engine
from engine.recipes.recipe import Recipe
from engine.shots.shot import Shot
from scorers.base import Calibration
from scorers.encoders.encoder import Encoder
from scorers.encoders.opened import Encoders
from scorers.extraction.observer import Observer
from scorers.features import Features, joined
from studies.sample.scenery.contents import CONTENTS
from studies.sample.world import write_world

KEPT = Path(__file__).parents[1] / "golden" / "sample_sweep.safetensors"
SIDE = 128
RATIOS = tuple(round(0.1 * tenth, 1) for tenth in range(11))
PLANTED = (0.2, 0.35, 0.5, 0.65, 0.8)
CALIBRATION = {"A": 0.0, "FLAT_20": 0.2, "FLAT_50": 0.5, "FLAT_80": 0.8, "B": 1.0}
SHOTS = 48


def shots() -> tuple[Shot, ...]:
    """The search's shots; the first and the second half are as different from each other as from the references."""
    return _all_shots()[:SHOTS]


def reference_shots() -> tuple[Shot, ...]:
    """What the references show."""
    return _all_shots()[SHOTS:]


def _all_shots() -> tuple[Shot, ...]:
    order = np.random.default_rng(7).permutation(len(CONTENTS))
    seeds = [*range(1, SHOTS + 1), *range(5001, 5001 + len(CONTENTS) - SHOTS)]
    return tuple(
        Shot(prompt=CONTENTS[i].caption, seed=seed, width=SIDE, height=SIDE, steps=8, cfg=5.0)
        for i, seed in zip(order, seeds, strict=True)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """Features of the FLAT mixes by ratio, and of the references by planted ratio."""

    mixes: dict[float, Features]
    references: dict[float, Features]

    def calibration(self, planted: float, rows: np.ndarray, references: np.ndarray) -> Calibration:
        """Some shots of the calibration recipes, and some references."""
        recipes = {label: self.mixes[ratio].take(rows) for label, ratio in CALIBRATION.items()}
        return Calibration(recipes=recipes, references=self.references[planted].take(references))

    def without_statistics(self) -> Sweep:
        """The embeddings alone."""
        return Sweep(
            mixes={k: _blind(v) for k, v in self.mixes.items()},
            references={k: _blind(v) for k, v in self.references.items()},
        )


def _blind(features: Features) -> Features:
    return replace(features, statistics=np.zeros_like(features.statistics))


Render = Callable[[float, tuple[Shot, ...]], torch.Tensor]


@contextmanager
def studio() -> Iterator[tuple[Render, Observer]]:
    """Renders FLAT mixes of the sample world, and the observer that looks at them."""
    with tempfile.TemporaryDirectory() as folder:
        world = write_world(Path(folder))
        encoders = Encoders({"clip": Encoder.open(world.clip_config, world.clip_weights)})
        with Engine.open({"A": world.a, "B": world.b}) as engine:

            def render(ratio: float, wanted: tuple[Shot, ...]) -> torch.Tensor:
                engine.build(Recipe.flat(ratio))
                return engine.render(wanted)

            yield render, Observer(encoders, ["clip"], [], SIDE)


def seen(observer: Observer, pictures: torch.Tensor, wanted: tuple[Shot, ...]) -> Features:
    """Features of pictures of these shots."""
    return observer.see(pictures, [shot.prompt for shot in wanted], [shot.seed for shot in wanted])


def kept() -> Sweep:
    """What is stored."""
    return _split(Features.load(KEPT))


def _split(whole: Features) -> Sweep:
    parts = iter(np.split(np.arange(len(whole)), len(whole) // SHOTS))
    return Sweep(
        mixes={ratio: whole.take(next(parts)) for ratio in RATIOS},
        references={ratio: whole.take(next(parts)) for ratio in PLANTED},
    )


def rendered(render: Render, observer: Observer) -> Sweep:
    """The whole sweep anew, which takes minutes."""
    return Sweep(
        mixes={ratio: seen(observer, render(ratio, shots()), shots()) for ratio in RATIOS},
        references={ratio: seen(observer, render(ratio, reference_shots()), reference_shots()) for ratio in PLANTED},
    )


def main() -> None:
    """Render and store."""
    with studio() as (render, observer):
        sweep = rendered(render, observer)
    joined([*sweep.mixes.values(), *sweep.references.values()]).save(KEPT)


if __name__ == "__main__":
    main()
