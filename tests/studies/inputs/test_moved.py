"""What a search moves, by comparing candidates: of files of real size, whose headers are enough."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.architecture.widths import REAL, FamilyName
from engine.checkpoints.checkpoint import Checkpoint
from engine.footprint.weights import PartBytes, live_bytes
from engine.recipes.blocks import block_of
from search.space.build import build_space
from search.space.frame import RecipeFrame
from search.space.space import Space
from studies.inputs.moved import moved_keys, moved_parents
from tests.engine.sparse_files import sparse_checkpoint


@pytest.fixture(params=["sd1", "sdxl"])
def family(request: pytest.FixtureRequest) -> FamilyName:
    return request.param


def pair(folder: Path, family: FamilyName, *, second: str = "F16") -> dict[str, Checkpoint]:
    a = sparse_checkpoint(folder / "a.safetensors", family)
    return {"A": a, "B": sparse_checkpoint(folder / "b.safetensors", family, dtype=second)}


def space_of(family: FamilyName, **how: object) -> Space:
    return build_space(frame=RecipeFrame(family=family), **how)  # pyright: ignore[reportArgumentType]


def test_a_frozen_base_costs_nothing(tmp_path: Path, family: FamilyName) -> None:
    models, each = pair(tmp_path, family), live_bytes(REAL[family], "fp16", "fp16")
    assert moved_parents(space_of(family), models, vae=True) == PartBytes(unet=2 * each.unet)
    frozen = space_of(family, freeze={"BASE": 0.5})
    assert moved_parents(frozen, models, vae=True) == PartBytes(unet=2 * each.unet)


def test_a_base_that_moves_brings_text_encoders_and_the_vae(tmp_path: Path, family: FamilyName) -> None:
    models, each = pair(tmp_path, family), live_bytes(REAL[family], "fp16", "fp16")
    space = space_of(family, bounds={"BASE": (0.0, 1.0)})
    moved = moved_parents(space, models, vae=True)
    assert (moved.unet, moved.vae) == (2 * each.unet, 2 * each.vae)
    assert moved.text == pytest.approx(2 * each.text, rel=0.01)
    assert moved_parents(space, models, vae=False).vae == 0


def test_one_free_block_moves_that_block_alone(tmp_path: Path, family: FamilyName) -> None:
    blocks = RecipeFrame(family=family).blocks
    space = space_of(family, freeze={block: 0.3 for block in blocks if block != "OUT05"})
    assert {block_of(key) for key in moved_keys(space, pair(tmp_path, family))} == {"OUT05"}


def test_multipliers_adjust_values_and_choices_move_what_they_touch(tmp_path: Path) -> None:
    frozen = dict.fromkeys(RecipeFrame().blocks, 0.3)
    models = pair(tmp_path, "sd1")
    sites = space_of("sd1", freeze=frozen, sites=("OUT05:attn1",))
    assert {key for key in moved_keys(sites, models) if "attn1" not in key} == set()
    assert moved_keys(sites, models)
    adjust = moved_keys(space_of("sd1", freeze=frozen, adjust=("CONT",)), models)
    assert {block_of(key) for key in adjust} <= {"IN00", "OUT11"}
    assert adjust
    calculations = space_of("sd1", freeze=frozen, choices={"calculation": ("normal", "cosineA")})
    assert moved_parents(calculations, models, vae=True).unet > 3e9


def test_parents_count_in_their_own_format_and_one_file_counts_once(tmp_path: Path) -> None:
    each = live_bytes(REAL["sd1"], "fp16", "fp16").unet
    wide = pair(tmp_path, "sd1", second="F32")
    assert moved_parents(space_of("sd1"), wide, vae=True).unet == 3 * each
    same = {"A": wide["A"], "B": wide["A"]}
    assert moved_parents(space_of("sd1"), same, vae=True).unet == each


def test_models_that_do_not_fit_each_other_count_whole(tmp_path: Path) -> None:
    models = {"A": sparse_checkpoint(tmp_path / "a.safetensors", "sd1")}
    assert moved_keys(space_of("sd1"), models) == frozenset(models["A"].tensors)
