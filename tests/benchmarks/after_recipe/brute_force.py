"""What every knob of a small demo does, by brute force: one knob at a time, at both ends, on fresh seeds.

The study is the demo's, with smaller pictures in fewer steps and without guidance. The prompts are those of the study,
the seeds are its own: what is estimated is what ``recipe-search probe`` estimates, and no picture is shared with it.
Pictures are kept as they come, a round of 16 shots of one recipe in a file, so a killed run goes on where it was.

`python -m tests.benchmarks.after_recipe.brute_force FOLDER --rounds 5` renders; `bench_probe` reads.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from engine.engine import Engine
from engine.recipes.blocks import BLOCKS
from engine.recipes.recipe import Recipe
from engine.recipes.steps import MergeStep
from engine.shots.shot import Shot
from search.space.build import SELF_BOUNDS
from studies.drawing.sheets import as_bytes
from studies.sample.shipping.gate import FIELDS, SITES
from studies.sample.shipping.judging import adjusted, multiplied
from studies.sample.world import STUDY, write_world
from studies.studyfile.read import read_study_file
from studies.studyfile.spec import StudySpec

SIDE, STEPS, CFG = 112, 5, 1.0
"""Side of the pictures in pixels, steps, guidance: subjects and looks are still drawn, for 0.4 of the demo's time."""
FIRST_SEED, SEEDS_PER_ROUND = 70_000, 1_000
"""Seeds of the first round, and how far those of the next ones are."""

Pixels = npt.NDArray[np.uint8]
"""Pictures of a recipe, ``(n, side, side, 3)``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnobEnds:
    """A knob and the recipes at both ends of it, everything else in the middle."""

    name: str
    """As a space names it: `OUT05`, `self:OUT09:attn1`, `adjust:CONT`."""
    low: Recipe
    high: Recipe


def knob_ends(*, base: float = 0.0) -> tuple[KnobEnds, ...]:
    """Return every block ratio, Self site and Adjust value of the demo, at its ends from FLAT_50.

    Args:
        base: BASE's ratio in the middle.
    """
    middle = Recipe.flat(0.5, base=base)

    def with_ratio(block: str, ratio: float) -> Recipe:
        ratios = dict(zip(BLOCKS, (base, *(0.5,) * 25), strict=True)) | {block: ratio}
        return Recipe(steps=(MergeStep(alpha=tuple(ratios.values())),))

    blocks = (KnobEnds(name=one, low=with_ratio(one, 0.0), high=with_ratio(one, 1.0)) for one in BLOCKS)
    sites = (
        KnobEnds(name=f"self:{site}", low=multiplied(middle, site, low), high=multiplied(middle, site, high))
        for site, (low, high) in ((site, SELF_BOUNDS) for site in SITES)
    )
    fields = (
        KnobEnds(name=f"adjust:{field}", low=adjusted(middle, field, low), high=adjusted(middle, field, high))
        for field, (low, high) in FIELDS.items()
    )
    return (*blocks, *sites, *fields)


def write_probed_study(folder: Path) -> Path:
    """Write the sample world and the study that is probed; returns the study file."""
    write_world(folder)
    study = folder / "study.toml"
    if not study.exists():
        text = STUDY.read_text(encoding="utf-8")
        for key, before, now in (
            ("width", "128", SIDE), ("height", "128", SIDE), ("steps", "8", STEPS), ("cfg", "5.0", CFG),
        ):  # fmt: skip
            assert f"\n{key} = {before}\n" in text
            text = text.replace(f"\n{key} = {before}\n", f"\n{key} = {now}\n")
        study.write_text(text, encoding="utf-8")
    return study


class BruteForce:
    """Renders of the knobs' ends, kept in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "brute_force"
        self._folder.mkdir(parents=True, exist_ok=True)
        self.spec: StudySpec = read_study_file(write_probed_study(folder / "study"))

    @cached_property
    def engine(self) -> Engine:
        """What renders; opened with the first picture that is not kept."""
        return Engine.open(self.spec.merge.models)

    def shots(self, number: int) -> tuple[Shot, ...]:
        """Return a round's shots: one for each shot of the study's trials, its prompt with another seed."""
        first = FIRST_SEED + SEEDS_PER_ROUND * number
        return tuple(replace(shot, seed=first + place) for place, shot in enumerate(self.spec.shots.trials))

    def pictures(self, recipe: Recipe, number: int) -> Pixels:
        """Return a recipe's pictures of a round, rendered where they are not kept."""
        path = self._folder / f"{recipe.key[:20]}-{number}.npy"
        if not path.exists():
            self.engine.build(recipe)
            made = np.stack(as_bytes(self.engine.render(self.shots(number))))
            temporary = path.with_suffix(".part")
            with temporary.open("wb") as file:
                np.save(file, made)
            temporary.rename(path)
        return np.load(path)

    def rounds(self, recipes: Sequence[Recipe]) -> int:
        """Return how many rounds are kept of all these recipes."""
        number = 0
        while all((self._folder / f"{recipe.key[:20]}-{number}.npy").exists() for recipe in recipes):
            number += 1
        return number

    def all_pictures(self, recipe: Recipe, rounds: int) -> Pixels:
        """Return a recipe's pictures of the first rounds, in the order of ``all_shots``."""
        return np.concatenate([self.pictures(recipe, number) for number in range(rounds)])

    def all_shots(self, rounds: int) -> tuple[Shot, ...]:
        """Return the shots of the first rounds."""
        return tuple(shot for number in range(rounds) for shot in self.shots(number))


def every_recipe(ends: Sequence[KnobEnds]) -> Mapping[str, Recipe]:
    """Return the middle and both ends of every knob, by a label; each recipe once."""

    def labelled() -> Iterator[tuple[str, Recipe]]:
        yield "middle", Recipe.flat(0.5)
        for one in ends:
            yield f"{one.name} low", one.low
            yield f"{one.name} high", one.high

    found: dict[str, Recipe] = {}
    for label, recipe in labelled():
        if recipe not in found.values():
            found[label] = recipe
    return found


def main() -> None:
    """Render what is not kept yet, a round of every recipe before the next round of any."""
    reader = argparse.ArgumentParser(description="Render both ends of every knob of the small demo.")
    reader.add_argument("folder", type=Path)
    reader.add_argument("--rounds", type=int, default=5)
    given = reader.parse_args()
    kept, recipes = BruteForce(given.folder), every_recipe(knob_ends())
    for number in range(given.rounds):
        for label, recipe in recipes.items():
            kept.pictures(recipe, number)
            print(f"round {number + 1} of {given.rounds}: {label}", flush=True)


if __name__ == "__main__":
    main()
