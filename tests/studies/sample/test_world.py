"""The sample world: what ships, what it becomes on disk, and that its two checkpoints are what they are said to be."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from engine.checkpoints.checkpoint import check_finite, check_pair, open_complete
from engine.engine import Engine
from engine.recipes.recipe import Recipe
from engine.shots.shot import Shot
from studies.drawing.sheets import read_picture
from studies.sample.scenes import draw, random_scene
from studies.sample.shapes import COLOURS, PLACES, SUBJECTS, Scene, caption
from studies.sample.world import CLIP_TOKENS, TEXT_TOKENS, WORLD, SampleWorld, write_world


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> SampleWorld:
    return write_world(tmp_path_factory.mktemp("world"))


def test_all_that_ships_is_under_twenty_megabytes() -> None:
    files = [path for path in WORLD.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 20e6
    assert {"illustration.safetensors", "photo.safetensors", "shared.safetensors", "clip.safetensors"} <= {
        path.name for path in files
    }
    assert json.loads((WORLD / "training.json").read_text()).keys() >= {
        "vae_2",
        "base",
        "illustration_2",
        "photo_2",
        "clip",
    }


def test_both_checkpoints_are_whole_sd1_files_in_fp16(world: SampleWorld) -> None:
    a, b = open_complete(world.illustration), open_complete(world.photo)
    check_pair(a, b)
    for checkpoint in (a, b):
        check_finite(checkpoint)
        assert checkpoint.family == "sd1"
        floats = {k: info.dtype for k, info in checkpoint.tensors.items() if "position_ids" not in k}
        assert set(floats.values()) == {"F16"}
        for block in (
            *(f"input_blocks.{i}." for i in range(12)),
            "middle_block.",
            *(f"output_blocks.{i}." for i in range(12)),
        ):
            assert any(f"model.diffusion_model.{block}" in key for key in checkpoint.tensors)


def test_token_tables_are_full_and_mostly_zero(world: SampleWorld) -> None:
    for path, table in ((world.illustration, TEXT_TOKENS), (world.clip_weights, CLIP_TOKENS)):
        rows = load_file(path)[table]
        assert rows.shape[0] == 49408
        assert 30 < int((rows != 0).any(1).sum()) < 80


def test_writing_again_leaves_files_as_they_are(world: SampleWorld) -> None:
    before = world.illustration.stat().st_mtime_ns
    write_world(world.illustration.parent)
    assert world.illustration.stat().st_mtime_ns == before


def test_references_are_pictures_of_the_size_that_the_demo_renders(world: SampleWorld) -> None:
    pictures = [read_picture(path) for path in world.references.iterdir()]
    assert len(pictures) >= 16
    assert {picture.shape for picture in pictures} == {(96, 96, 3)}


def test_the_parents_draw_what_they_were_trained_on(world: SampleWorld) -> None:
    """A's pictures are more saturated and contrasty than B's at every prompt."""
    prompts = [caption("house", "red", "beach"), caption("cat", "blue", "forest")]
    shots = [Shot(prompt=p, seed=i, width=96, height=96, steps=8, cfg=3.0) for i, p in enumerate(prompts)]
    with Engine.open({"A": world.illustration, "B": world.photo}) as engine:
        engine.build(Recipe.flat(0.0))
        a = engine.render(shots)
        engine.build(Recipe.flat(1.0))
        b = engine.render(shots)
    chroma_a, chroma_b = ((x.amax(1) - x.amin(1)).mean((1, 2)) for x in (a, b))
    assert bool((chroma_a > 1.15 * chroma_b).all()), (chroma_a, chroma_b)


def test_a_scene_is_drawn_the_same_every_time_and_blends_between_the_looks() -> None:
    scene = random_scene(np.random.default_rng(3), scale=(0.5, 0.6), horizon=(0.5, 0.6))
    drawn = [draw(scene, 48, subject_photo=v, background_photo=v).astype(float) for v in (0, 0.5, 1)]
    again = draw(scene, 48, subject_photo=0.5, background_photo=0.5)
    assert np.array_equal(drawn[1], again)
    ends = np.abs(drawn[0] - drawn[2]).mean()
    assert np.abs(drawn[0] - drawn[1]).mean() < ends
    assert np.abs(drawn[2] - drawn[1]).mean() < ends


@pytest.mark.parametrize("subject", SUBJECTS)
@pytest.mark.parametrize("place", PLACES)
def test_every_subject_can_stand_in_every_place(subject: str, place: str) -> None:
    for colour in COLOURS:
        scene = Scene(subject=subject, colour=colour, place=place, scale=0.6, x=0.5, horizon=0.6, seed=1)
        picture = torch.from_numpy(draw(scene, 32, subject_photo=0, background_photo=1).copy())
        assert picture.shape == (32, 32, 3)
        assert picture.float().std() > 10
    assert caption(subject, "orange", place).startswith(f"an orange {subject} ")


def test_what_ships_is_named_by_relative_paths_only() -> None:
    for path in WORLD.glob("*.json"):
        assert str(Path.home()) not in path.read_text()
