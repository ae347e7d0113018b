"""Pictures of a recipe are rendered once; what is kept is what the panel would see."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from engine.recipes.recipe import Recipe
from engine.shots.shot import Shot
from scorers.encoders.opened import EncoderFiles
from scorers.panel.panel import Panel
from scorers.panel.settings import PanelSettings
from studies.sample.world import CHECKPOINTS, SampleWorld, write_world
from tests.benchmarks.plants.kept_features import KeptFeatures

SHOTS = [Shot(prompt=prompt, seed=1, width=64, height=64, steps=1, cfg=1.0) for prompt in ("a red cat", "a blue tree")]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> SampleWorld:
    return write_world(tmp_path_factory.mktemp("world"), names=CHECKPOINTS)


@pytest.fixture(scope="module")
def panel(files: SampleWorld) -> Panel:
    clip = EncoderFiles(config=files.clip_config, weights=files.clip_weights)
    references = tuple(sorted(files.references.iterdir())[:8])
    return Panel.open(PanelSettings(encoders={"clip": clip}, references=references, render_size=64))


def test_nothing_is_rendered_twice(files: SampleWorld, panel: Panel, tmp_path: Path) -> None:
    first, later = KeptFeatures(tmp_path, files), KeptFeatures(tmp_path, files)
    made = first.features(Recipe.flat(0.5), SHOTS, panel.observer)
    kept = later.features(Recipe.flat(0.5), SHOTS, panel.observer)
    assert (first.rendered, later.rendered) == (2, 0)
    assert kept.resembles(made)
    assert kept.slots == tuple((shot.prompt, shot.seed) for shot in SHOTS)


def test_other_shots_and_other_recipes_are_rendered(files: SampleWorld, panel: Panel, tmp_path: Path) -> None:
    kept = KeptFeatures(tmp_path, files)
    whole = kept.features(Recipe.flat(0.5), SHOTS, panel.observer)
    other = kept.features(Recipe.flat(1.0), SHOTS, panel.observer)
    kept.features(Recipe.flat(0.5), SHOTS[:1], panel.observer)
    assert kept.rendered == 5
    assert not other.resembles(whole)


def test_what_is_kept_is_what_the_panel_sees(files: SampleWorld, panel: Panel, tmp_path: Path) -> None:
    kept = KeptFeatures(tmp_path, files)
    with torch.inference_mode():
        pictures = kept.pictures(Recipe.flat(0.5), SHOTS)
    seen = panel.features(pictures, [shot.prompt for shot in SHOTS], [shot.seed for shot in SHOTS])
    assert panel.reviewed(kept.features(Recipe.flat(0.5), SHOTS, panel.observer)).resembles(seen)
