"""Settings whose answer is known: references drawn by the wanted recipe of the sample world with settings of their own.

A study's trials have other settings. Whether the panel can tell a value of a setting from the planted one is measured
by brute force here: the wanted recipe drawn with every value on the same prompts and seeds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from engine.recipes.recipe import Recipe
from engine.shots.shot import Shot
from scorers.encoders.opened import EncoderFiles
from scorers.features import Features
from scorers.panel.panel import Panel
from scorers.panel.settings import PanelSettings
from scorers.panel.verdict import PairedDifference
from search.plan import SearchPlan
from search.space.build import build_space
from search.suggester import Suggester
from studies.drawing.sheets import as_bytes
from studies.sample.scenery.contents import CONTENTS
from studies.sample.shipping.judging import by_blocks
from studies.sample.training.axes import MAIN
from studies.sample.world import write_world
from tests.benchmarks.plants.kept_features import KeptFeatures

SIDE = 128
"""Side of the pictures in pixels."""
CALIBRATION = 4
"""Random recipes that calibrate the panel, beside A, B and three FLAT mixes."""
REFERENCES = 48
"""Reference pictures, of prompts that nothing else uses."""
WANTED: Recipe = by_blocks(MAIN.plant())
"""The recipe whose look the sample world's references show."""

STUDY = """
[study]
name = "planted"
seed = 1

[models]
A = "{a}"
B = "{b}"

[target]
references = "{references}"

[render]
width = {side}
height = {side}
steps = {steps}
sampler = "{sampler}"
cfg = {cfg}

{prompts}
[proof]
prompts = {proof}
seeds = [7001]

[search]
calibration = {calibration}

[scorers]
encoder = {{ config = "{config}", weights = "{weights}" }}
"""
"""The study file."""

_CAPTIONS = [CONTENTS[place].caption for place in np.random.default_rng(21).permutation(len(CONTENTS))]


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawingSettings:
    """The settings that are planted and searched."""

    cfg: float
    sampler: str
    steps: int

    def shots(self, prompts: Sequence[str], seed: int) -> list[Shot]:
        """Return one picture a prompt, with consecutive seeds."""
        return [
            Shot(
                prompt=prompt, seed=seed + n, width=SIDE, height=SIDE, cfg=self.cfg, sampler=self.sampler,
                steps=self.steps,
            )
            for n, prompt in enumerate(prompts)
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"CFG {self.cfg:g}, {self.sampler}, {self.steps} steps"


PLANTED = DrawingSettings(cfg=3.0, sampler="Euler a", steps=12)
"""What the references are drawn with."""
TRIALS = DrawingSettings(cfg=6.0, sampler="DPM++ 2M Karras", steps=8)
"""What the study's trials are drawn with."""
VALUES: dict[str, tuple[Any, ...]] = {
    "cfg": (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 9.0),
    "sampler": ("DPM++ 2M Karras", "Euler a", "Euler", "DDIM", "UniPC", "DPM++ SDE Karras", "Heun"),
    "steps": (4, 6, 8, 12, 16, 24),
}
"""The values that brute force draws."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueAgainstPlant:
    """How much better pictures with one value are than those with the planted one, on the same prompts and seeds."""

    setting: str
    value: Any
    others: DrawingSettings
    """The settings that stay."""
    difference: PairedDifference


class PlantedWorld:
    """The sample world's files, a panel calibrated with the trials' settings, and references with the planted ones."""

    def __init__(self, folder: Path, planted: DrawingSettings = PLANTED, trials: DrawingSettings = TRIALS) -> None:
        """Use what earlier runs kept in the folder; draw the references, and calibrate."""
        self._folder, self.planted, self.trials = folder, planted, trials
        self.files = write_world(folder / "checkpoints")
        self.kept = KeptFeatures(folder / "features", self.files)
        self.references = self._references()

    def _references(self) -> tuple[Path, ...]:
        folder = self._folder / "references" / str(self.planted)
        paths = tuple(folder / f"{n:02d}.png" for n in range(REFERENCES))
        if not all(path.exists() for path in paths):
            folder.mkdir(parents=True, exist_ok=True)
            pictures = as_bytes(self.kept.pictures(WANTED, self.planted.shots(_CAPTIONS[-REFERENCES:], 5001)))
            for path, picture in zip(paths, pictures, strict=True):
                Image.fromarray(picture).save(path)
        return paths

    @cached_property
    def panel(self) -> Panel:
        """The panel, calibrated on pictures with the trials' settings."""
        clip = EncoderFiles(config=self.files.clip_config, weights=self.files.clip_weights)
        panel = Panel.open(
            PanelSettings(
                encoders={"clip": clip}, references=self.references, render_size=SIDE, kept=self._folder / "looked_at"
            )
        )
        space = build_space(sites=(), adjust=())
        calibration = Suggester(space=space, plan=SearchPlan(calibration=CALIBRATION), seed=1).calibration()
        shots = self.trials.shots(_CAPTIONS[:16], 1)
        panel.calibrate(
            {one.label: self.kept.features(space.decode(one.point), shots, panel.observer) for one in calibration}
        )
        return panel

    def write_study(self, folder: Path) -> Path:
        """Write a study of the trials' settings and the planted references; returns the study file."""
        folder.mkdir(parents=True, exist_ok=True)
        tables = (f'[[prompts]]\ntext = "{text}"\nseeds = [{n}]\n' for n, text in enumerate(_CAPTIONS[:16], start=1))
        files, trials, study = self.files, self.trials, folder / "study.toml"
        text = STUDY.format(
            a=files.a, b=files.b, config=files.clip_config, weights=files.clip_weights, side=SIDE, steps=trials.steps,
            sampler=trials.sampler, cfg=trials.cfg, prompts="\n".join(tables), proof=_CAPTIONS[16:48],
            references=self.references[0].parent, calibration=CALIBRATION,
        )  # fmt: skip
        study.write_text(text, encoding="utf-8")
        return study

    def features(self, settings: DrawingSettings, pictures: int, seed: int) -> Features:
        """Return what the panel sees of the wanted recipe's pictures with some settings, on held-out prompts."""
        prompts = [_CAPTIONS[16 + n % 32] for n in range(pictures)]
        return self.panel.reviewed(self.kept.features(WANTED, settings.shots(prompts, seed), self.panel.observer))

    def against_plant(
        self, setting: str, others: DrawingSettings, pictures: int, seed: int
    ) -> Iterator[ValueAgainstPlant]:
        """Compare every value of a setting with the planted one, all else equal."""
        best = self.features(replace(others, **{setting: getattr(self.planted, setting)}), pictures, seed)
        for value in VALUES[setting]:
            features = self.features(replace(others, **{setting: value}), pictures, seed)
            difference = self.panel.compare(features, best)
            yield ValueAgainstPlant(setting=setting, value=value, others=others, difference=difference)
