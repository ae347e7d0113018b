"""A scorer of one's own: this file is the plug-in, and a script that judges the pictures of two recipes with it.

Run it with ``python -m studies.sample.examples.own_scorer``. In a study file, the scorer is
``weights = { stats = 1, "own_scorer.py:Warm" = 0.5 }``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from engine import Engine, Recipe, Shot
from scorers import Panel, PanelSettings
from studies.sample.world import write_world


class Warm:
    """How warm the colours of pictures are: the mean of red less blue, -1 to 1."""

    def look(self, images: Tensor, prompts: Sequence[str]) -> Tensor:
        """Return one number for each picture of ``images``, ``[n, 3, h, w]`` in 0..1; more is better."""
        return (images[:, 0] - images[:, 2]).mean((1, 2)).cpu()


def main() -> None:
    """Calibrate a panel on A, B and FLAT_50, and judge two other mixes."""
    world = write_world(Path("sample-world"))
    subjects = ("cat", "house", "tree", "face")
    shots = [Shot(prompt=f"a red {subject}", seed=1, width=96, height=96, steps=6) for subject in subjects]
    ratios = {"A": 0.0, "B": 1.0, "FLAT_50": 0.5, "FLAT_25": 0.25, "FLAT_75": 0.75}
    with Engine.open({"A": world.illustration, "B": world.photo}) as engine:
        pictures: dict[str, Tensor] = {}
        for label, ratio in ratios.items():
            engine.build(Recipe.flat(ratio))
            pictures[label] = engine.render(shots)
    references = tuple(sorted(world.references.glob("*.png")))
    own = f"{Path(__file__).name}:Warm"
    settings = PanelSettings(references=references, weights={"stats": 1.0, own: 0.5}, here=Path(__file__).parent)
    panel = Panel.open(settings)
    prompts, seeds = [shot.prompt for shot in shots], [shot.seed for shot in shots]
    features = {label: panel.features(images, prompts, seeds) for label, images in pictures.items()}
    panel.calibrate({label: features[label] for label in ("A", "B", "FLAT_50")})
    for label in ("FLAT_25", "FLAT_75"):
        verdict = panel.judge(features[label])
        print(f"{label}: objective {verdict.value:+.2f}, beside FLAT_50")
        for name, score in verdict.scores.items():
            print(f"    {name}: {score.raw:+.3f} in its own unit, {score.scaled:+.2f} standard deviations from FLAT_50")


if __name__ == "__main__":
    main()
