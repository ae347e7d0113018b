"""A scorer of your own: this file is the plug-in, and a script that judges two mixes with it.

Run it with ``python -m studies.sample.examples.own_scorer``. It writes the sample world's models and references into
the folder it is run in. A study file names the scorer so: ``weights = { style = 1, "own_scorer.py:Warm" = 0.5 }``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from engine import Engine, Recipe, Shot
from scorers import EncoderFiles, Features, Panel, PanelSettings
from studies.sample.world import write_world


class Warm:
    """How warm the colours are: the mean of red less blue, from -1 to 1; more is better."""

    def look(self, images: Tensor, prompts: Sequence[str]) -> Tensor:
        """Return one number for each of the pictures ``[n, 3, h, w]``, which are in 0..1."""
        return (images[:, 0] - images[:, 2]).mean((1, 2)).cpu()


def main() -> None:
    """Calibrate a panel on A, B and FLAT_50, and judge two other mixes."""
    world = write_world(Path("sample-world"))
    settings = PanelSettings(
        encoders={"clip": EncoderFiles(config=world.clip_config, weights=world.clip_weights)},
        references=tuple(sorted(world.references.glob("*.png"))),
        weights={"style": 1.0, "own_scorer.py:Warm": 0.5},
        here=Path(__file__).parent,
    )
    panel = Panel.open(settings)
    prompts, seeds = ["a red cat", "a red house", "a red tree", "a red face"], [1, 2, 3, 4]
    shots = [Shot(prompt=p, seed=s, width=128, height=128, steps=6) for p, s in zip(prompts, seeds, strict=True)]
    features: dict[str, Features] = {}
    with Engine.open({"A": world.a, "B": world.b}) as engine:
        for label, ratio in {"A": 0.0, "FLAT_25": 0.25, "FLAT_50": 0.5, "FLAT_75": 0.75, "B": 1.0}.items():
            engine.build(Recipe.flat(ratio))
            features[label] = panel.features(engine.render(shots), prompts, seeds)
    panel.calibrate({label: features[label] for label in ("A", "FLAT_50", "B")})
    for label in ("FLAT_25", "FLAT_75"):
        verdict = panel.judge(features[label])
        print(f"{label}: objective {verdict.value:+.2f}, and that of FLAT_50 is 0")
        for name, score in verdict.scores.items():
            print(f"    {name}: {score.raw:+.3f} in its own unit, {score.scaled:+.2f} standard deviations from FLAT_50")


if __name__ == "__main__":
    main()
