"""The sample world: what ships, what it becomes on disk, and that its two checkpoints are what they are said to be."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from engine.checkpoints.checkpoint import check_finite, check_pair, open_complete
from engine.engine import Engine
from engine.recipes.recipe import Recipe
from engine.shots.shot import Shot
from studies.drawing.sheets import read_picture
from studies.sample.scenery.contents import CONTENTS
from studies.sample.shipping.__main__ import README
from studies.sample.shipping.gate import with_table
from studies.sample.shipping.judging import CFG, SIDE, STEPS, by_blocks
from studies.sample.training.axes import MAIN
from studies.sample.world import CHECKPOINTS, CLIP_TOKENS, NAMES, STUDY, TEXT_TOKENS, WORLD, SampleWorld, write_world

PROMPTS = (
    "a red house on the beach",
    "a blue cat in the forest",
    "an orange face in the mountains",
    "a blue tree in the forest",
    "a green cat in the forest",
    "a red face on the beach",
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> SampleWorld:
    return write_world(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def pictures(world: SampleWorld) -> dict[str, torch.Tensor]:
    """Six prompts drawn by A, by B and by the wanted look's recipe, ``(6, 3, side, side)``."""
    shots = [Shot(prompt=p, seed=i, width=SIDE, height=SIDE, steps=STEPS, cfg=CFG) for i, p in enumerate(PROMPTS)]
    recipes = {"A": Recipe.flat(0.0), "B": Recipe.flat(1.0, base=1.0), "wanted": by_blocks(MAIN.plant())}
    made: dict[str, torch.Tensor] = {}
    with Engine.open({"A": world.a, "B": world.b}) as engine:
        for name, recipe in recipes.items():
            engine.build(recipe)
            made[name] = engine.render(shots)
    return made


def test_all_that_ships_is_under_thirty_four_megabytes() -> None:
    files = [path for path in WORLD.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 34e6
    weights = {path.stem for path in files if path.suffix == ".safetensors"}
    assert weights == {*CHECKPOINTS, "shared", "clip"}


def test_every_stage_has_its_figures_and_the_gate_was_passed() -> None:
    figures = json.loads((WORLD / "training.json").read_text())
    assert figures.keys() == {"vae", "decoder", "base", f"pair_{MAIN.name}", "clip", "classifier"}
    assert all(stage["steps"] > 0 and stage["seconds"] > 0 for stage in figures.values())
    rows = json.loads((WORLD / "gate.json").read_text())
    assert rows
    assert [row["what"] for row in rows if not row["passed"]] == []


def test_the_readme_has_the_table_of_the_gate() -> None:
    readme, table = README.read_text(), (WORLD / "gate.md").read_text()
    assert with_table(readme, table) == readme
    assert with_table(readme, "| other |\n") != readme


def test_both_checkpoints_are_whole_sd1_files_in_fp16(world: SampleWorld) -> None:
    assert (world.a.stem, world.b.stem) == NAMES
    a, b = open_complete(world.a), open_complete(world.b)
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
    for path, table in ((world.a, TEXT_TOKENS), (world.clip_weights, CLIP_TOKENS)):
        rows = load_file(path)[table]
        assert rows.shape[0] == 49408
        assert 30 < int((rows != 0).any(1).sum()) < 80


def test_writing_again_leaves_files_as_they_are(world: SampleWorld) -> None:
    before = world.a.stat().st_mtime_ns
    write_world(world.a.parent)
    assert world.a.stat().st_mtime_ns == before


def test_references_are_pictures_of_the_size_that_the_demo_renders(world: SampleWorld) -> None:
    pictures = [read_picture(path) for path in world.references.iterdir()]
    assert len(pictures) >= 16
    assert {picture.shape for picture in pictures} == {(SIDE, SIDE, 3)}


def test_the_demo_asks_for_contents_that_were_drawn_and_proves_on_others() -> None:
    demo = tomllib.loads(STUDY.read_text())
    searched, proved = [table["text"] for table in demo["prompts"]], demo["proof"]["prompts"]
    assert (demo["models"]["A"], demo["models"]["B"]) == tuple(f"{name}.safetensors" for name in NAMES)
    assert len(searched) == 16
    assert len(proved) == 24
    assert len({*searched, *proved}) == 40, "no prompt twice"
    assert {*searched, *proved} <= {content.caption for content in CONTENTS}


def test_a_is_pale_daylight_and_b_and_the_wanted_look_are_lamplight(pictures: dict[str, torch.Tensor]) -> None:
    a, b, wanted = (pictures[name].mean((1, 2, 3)) for name in ("A", "B", "wanted"))
    assert float(a.mean()) > 1.2 * float(b.mean()), (a, b)
    assert float(a.mean()) > 1.2 * float(wanted.mean()), (a, wanted)


def test_the_wanted_look_is_composed_as_a_is(pictures: dict[str, torch.Tensor]) -> None:
    """Where brightness changes is where things stand; light changes it everywhere."""
    a, b, wanted = (_edges(pictures[name]) for name in ("A", "B", "wanted"))
    near, far = (torch.nn.functional.cosine_similarity(wanted, other, dim=1) for other in (a, b))
    assert float(near.mean()) > float(far.mean()), (near, far)


def _edges(pictures: torch.Tensor) -> torch.Tensor:
    """How much the brightness changes about each eighth of the picture, ``(n, 64)``, about their mean."""
    grey = pictures.mean(1, keepdim=True)
    steps = (grey[..., 1:, :-1] - grey[..., :-1, :-1]).abs() + (grey[..., :-1, 1:] - grey[..., :-1, :-1]).abs()
    cells = torch.nn.functional.adaptive_avg_pool2d(steps, 8).flatten(1)
    return cells - cells.mean(1, keepdim=True)


def test_what_ships_is_named_by_relative_paths_only() -> None:
    for path in (*WORLD.glob("*.json"), *WORLD.glob("*.md")):
        assert str(Path.home()) not in path.read_text()


def test_the_worlds_lists_of_situations_lie_beside_it_and_stay_as_somebody_changed_them(tmp_path: Path) -> None:
    suite = write_world(tmp_path).suite
    assert {path.name for path in suite.iterdir()} == {"colours.txt", "places.txt", "subjects.txt"}
    (suite / "colours.txt").write_text("pink\n")
    (suite / "places.txt").unlink()
    write_world(tmp_path)
    assert {path.name: path.read_text() for path in suite.glob("[cp]*")} == {"colours.txt": "pink\n"}
