"""The engine in ten lines: merge two models in memory, and render two pictures of the result.

Run it with ``python -m studies.sample.examples.engine_in_ten_lines``. It writes the sample world's models and two PNG
files into the folder it is run in.
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from engine import Engine, MergeStep, Recipe, SelfStep, Shot, Site
from studies.sample.world import write_world


def main() -> None:
    """Build one recipe, render two shots of it."""
    world = write_world(Path("sample-world"))
    mix = MergeStep(models=("A", "B"), alpha=0.35)
    stronger = SelfStep(factors=((Site.parse("OUT05:attn1"), 1.1),))
    recipe = Recipe(steps=(mix, stronger))
    prompts = ("a blue cat in the forest", "a red house on the beach")
    shots = [Shot(prompt=prompt, seed=4, width=128, height=128, steps=8) for prompt in prompts]
    with Engine.open({"A": world.a, "B": world.b}) as engine:
        engine.build(recipe)
        pictures = engine.render(shots)  # (2, 3, 128, 128), from 0 to 1
    print("The recipe, as text:", recipe.text, sep="\n")
    for number, (shot, picture) in enumerate(zip(shots, pictures, strict=True), start=1):
        pixels = (picture.permute(1, 2, 0) * 255).round().byte().cpu().numpy()
        Image.fromarray(pixels).save(f"picture-{number}.png")
        print(f"picture-{number}.png shows {shot.prompt!r}, seed {shot.seed}")


if __name__ == "__main__":
    main()
