"""Render the reference pictures: ``python -m studies.sample.references``.

The target look is a planted recipe, of block weights and Adjust as a person's would be: the composition of one parent
with the lines and colours of the other, which needs the late OUT blocks apart from all others, and brighter than either
(Adjust CONT; what a latent channel means is a VAE's own affair). No FLAT ratio reaches it. The references are rendered
from it with prompts and seeds that the demo's study does not use.
"""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path

from engine.engine import Engine
from engine.files import replaced
from engine.recipes.blocks import ADJUST_FIELDS, BLOCKS
from engine.recipes.recipe import Recipe
from engine.recipes.steps import AdjustStep, MergeStep
from engine.shots.shot import Shot
from search.space.build import DEFAULT_GROUPS
from studies.drawing.sheets import as_bytes
from studies.sample.shapes import COLOURS, PLACES, SUBJECTS, caption
from studies.sample.world import WORLD, write_world

COUNT = 48
FIRST_SEED = 5001
RENDERING, COMPOSITION = 0.1, 0.9
"""Ratio of the late OUT blocks, which draw lines and colours, and of all other UNet blocks, which place things."""
CONT = 4.0


def planted() -> Recipe:
    """The recipe that the demo's search should find again."""
    late = DEFAULT_GROUPS["OUT_LATE"]
    ratios = {block: RENDERING if block in late else COMPOSITION for block in BLOCKS} | {"BASE": 0.0}
    merge = MergeStep(alpha=tuple(ratios[block] for block in BLOCKS))
    adjust = AdjustStep(values=tuple(CONT if field == "CONT" else 0.0 for field in ADJUST_FIELDS))
    return Recipe(steps=(merge, adjust))


def shots() -> tuple[Shot, ...]:
    """Every subject in every place three times, in turning colours."""
    contents = list(itertools.product(SUBJECTS, PLACES))
    colours = itertools.cycle(COLOURS)
    prompts = [caption(subject, next(colours), place) for subject, place in (contents * 3)[:COUNT]]
    return tuple(
        Shot(prompt=prompt, seed=FIRST_SEED + i, width=96, height=96, steps=8, cfg=5.0)
        for i, prompt in enumerate(prompts)
    )


def main() -> None:
    """Render and write."""
    from PIL import Image

    folder = WORLD / "references"
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.png"):
        old.unlink()
    with tempfile.TemporaryDirectory() as place:
        world = write_world(Path(place))
        with Engine.open({"A": world.illustration, "B": world.photo}) as engine:
            engine.build(planted())
            pictures = as_bytes(engine.render(shots()))
    for number, picture in enumerate(pictures):
        with replaced(folder / f"{number:02d}.png") as temporary:
            Image.fromarray(picture).save(temporary)


if __name__ == "__main__":
    main()
