"""What the gate judges a pair with: its engine, a panel with the wanted look as references, and prompts and seeds."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from engine.engine import Engine
from engine.recipes.blocks import ADJUST_FIELDS, BLOCKS, Site
from engine.recipes.recipe import Recipe
from engine.recipes.steps import AdjustStep, MergeStep, SelfStep
from engine.shots.shot import Shot
from scorers.catalogue.sources import EncoderFiles
from scorers.features import Features
from scorers.panel.panel import Panel
from scorers.panel.settings import PanelSettings
from scorers.scoring.style import Style
from search.plan import SearchPlan
from search.space.build import build_space
from search.suggester import Suggester
from studies.drawing.sheets import as_bytes
from studies.sample.scenery.contents import CONTENTS
from studies.sample.world import STUDY, SampleWorld

DEMO: dict[str, Any] = tomllib.loads(STUDY.read_text(encoding="utf-8"))
"""The demo's study, which says what is searched, and on which prompts."""
SIDE, STEPS, CFG = (DEMO["render"][key] for key in ("width", "steps", "cfg"))
"""Side of the pictures in pixels, steps of the sampler, and guidance."""
REFERENCES, RECOGNISED = 48, 48
"""Numbers of pictures of the wanted look, and to recognise subjects in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shots:
    """Prompts and seeds of each purpose; no two share a picture."""

    shifted: tuple[Shot, ...]
    """The demo's, which show a shift."""
    held_out: tuple[Shot, ...]
    """The prompts of the demo's proof, on which recipes are compared."""
    references: tuple[Shot, ...]
    """Prompts that the demo does not use."""
    recognised: tuple[Shot, ...]
    subjects: tuple[str, ...]
    """What ``recognised`` asks for."""


def gate_shots(*, side: int = SIDE, steps: int = STEPS, share: float = 1.0) -> Shots:
    """Return the gate's shots; smaller pictures, fewer steps or a ``share`` of them for tests."""
    searched, held_out = [table["text"] for table in DEMO["prompts"]], DEMO["proof"]["prompts"]
    contents = [CONTENTS[place] for place in np.random.default_rng(5).permutation(len(CONTENTS))]
    others = [content.caption for content in contents if content.caption not in {*searched, *held_out}]

    def shots(prompts: Sequence[str], seed: int) -> tuple[Shot, ...]:
        few = prompts[: max(4, round(share * len(prompts)))]
        return tuple(
            Shot(prompt=prompt, seed=seed + n, width=side, height=side, steps=steps, cfg=CFG)
            for n, prompt in enumerate(few)
        )

    recognised = shots([content.caption for content in contents[:RECOGNISED]], 4001)
    return Shots(
        shifted=shots(searched, DEMO["prompts"][0]["seeds"][0]),
        held_out=shots(held_out, DEMO["proof"]["seeds"][0]),
        references=shots(others[:REFERENCES], 5001),
        recognised=recognised,
        subjects=tuple(content.subject for content in contents[: len(recognised)]),
    )


def by_blocks(ratios: Mapping[str, float]) -> Recipe:
    """Return a merge with these blocks' ratios, the others' 0."""
    return Recipe(steps=(MergeStep(alpha=tuple(ratios.get(block, 0.0) for block in BLOCKS)),))


def multiplied(recipe: Recipe, site: str, factor: float) -> Recipe:
    """Return the recipe with a Self step after it."""
    return Recipe(steps=(*recipe.steps, SelfStep(factors=((Site.parse(site), factor),))))


def adjusted(recipe: Recipe, field: str, value: float) -> Recipe:
    """Return the recipe with an Adjust step after it."""
    step = AdjustStep(values=tuple(value if name == field else 0.0 for name in ADJUST_FIELDS))
    return Recipe(steps=(*recipe.steps, step))


class Judge:
    """Renders recipes and compares their pictures."""

    def __init__(self, files: SampleWorld, wanted: Recipe, shots: Shots, folder: Path) -> None:
        """Render the references into ``folder`` and calibrate a panel, as a night does."""
        self.engine = Engine.open({"A": files.a, "B": files.b})
        self.shots = shots
        paths = self._references(wanted, folder)
        clip = EncoderFiles(config=files.clip_config, weights=files.clip_weights)
        settings = PanelSettings(encoders={"clip": clip}, references=paths, render_size=shots.references[0].width)
        self.panel = Panel.open(settings)
        space = build_space(sites=(), adjust=())
        calibration = Suggester(space=space, plan=SearchPlan(calibration=4), seed=1).calibration()
        self.panel.calibrate({one.label: self.features(space.decode(one.point), shots.shifted) for one in calibration})

    def pictures(self, recipe: Recipe, shots: Sequence[Shot]) -> torch.Tensor:
        """Return a recipe's pictures, ``(n, 3, side, side)`` in 0..1."""
        self.engine.build(recipe)
        return self.engine.render(shots)

    def features(self, recipe: Recipe, shots: Sequence[Shot]) -> Features:
        """Return the features of a recipe's pictures."""
        pictures = self.pictures(recipe, shots)
        return self.panel.features(pictures, [shot.prompt for shot in shots], [shot.seed for shot in shots])

    def shift(self, first: Recipe, second: Recipe) -> float:
        """Return how far the style of one recipe's pictures is from the other's, in standard errors: d'."""
        style = next(scorer for scorer in self.panel.scorers if isinstance(scorer, Style))
        return shift_of(*(style.relative(self.features(recipe, self.shots.shifted)) for recipe in (first, second)))

    def close(self) -> None:
        """Give the engine's memory back."""
        self.engine.close()

    def _references(self, wanted: Recipe, folder: Path) -> tuple[Path, ...]:
        folder.mkdir(parents=True, exist_ok=True)
        pictures = as_bytes(self.pictures(wanted, self.shots.references))
        paths = tuple(folder / f"{number:02d}.png" for number in range(len(pictures)))
        for path, picture in zip(paths, pictures, strict=True):
            Image.fromarray(picture).save(path)
        return paths


def shift_of(first: npt.NDArray[np.floating], second: npt.NDArray[np.floating]) -> float:
    """Return d' between two recipes' features of the same shots, ``(n, d)``.

    Each shot's difference is seen along the mean difference of the other shots, so that chance alone gives about 0. The
    unit is the standard error of the difference of two means of ``n`` pictures of different contents.
    """
    apart = second - first
    count = len(apart)
    others = (apart.sum(0) - apart) / (count - 1)
    directions = others / np.maximum(np.linalg.norm(others, axis=1, keepdims=True), 1e-12)
    moved = float((apart * directions).sum(1).mean())
    whole = apart.mean(0) / max(float(np.linalg.norm(apart.mean(0))), 1e-12)
    spread = np.mean([np.var(part @ whole, ddof=1) for part in (first, second)])
    return moved / max(float(np.sqrt(2 * spread / count)), 1e-12)
