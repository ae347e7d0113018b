"""Options that change what a command does: each with a value that it takes, and what comes of it."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from engine.recipes.file import RecipeFile
from engine.recipes.recipe import Recipe
from studies.pictures.pictures import parameters_of
from studies.sample.world import write_world
from tests.engine.recipes.recipe_files import write_recipe_file
from tests.studies.cli.test_every_option import ran

SMALL = ("-p", "a red cat", "--width", "64", "--height", "64", "--steps", "1", "--cfg", "1")
ROW = ",".join(["0", *["0.25"] * 25])
BETA = ",".join(["0", *["0.5"] * 25])
IDS = "cond_stage_model.transformer.text_model.embeddings.position_ids"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample world and recipes of it; read only by agreement."""
    folder = tmp_path_factory.mktemp("world")
    files = write_world(folder)
    models = {"A": files.a, "B": files.b}
    write_recipe_file(folder / "half.toml", RecipeFile(recipe=Recipe.flat(0.5), models=models))
    write_recipe_file(folder / "beyond.toml", RecipeFile(recipe=Recipe.flat(1.5, base=1.5), models=models))
    return folder


def done(*words: object) -> str:
    """What a command says that must not fail."""
    found = ran(*words)
    assert found.exit_code == 0, found.output
    return found.output


def drawn(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture).astype(int)


@pytest.mark.parametrize(
    "option", [("--encoders", "host"), ("--speed", "eager"), ("--vae-precision", "fp32"), ("--parents", "disk")]
)
def test_where_and_how_models_work_changes_no_picture(world: Path, tmp_path: Path, option: tuple[str, str]) -> None:
    for name, more in (("usual", ()), ("other", option)):
        done("render", world / "half.toml", tmp_path / name, *SMALL, "--device", "cpu", *more)
    usual, other = (drawn(tmp_path / name / "0001-1.png") for name in ("usual", "other"))
    assert np.abs(usual - other).max() <= 1


def test_hires_has_a_schedule_of_its_own(world: Path, tmp_path: Path) -> None:
    words = ("--hires-upscaler", "Latent", "--hires-scale", "1.5", "--hires-schedule", "Karras")
    done("render", world / "half.toml", tmp_path / "out", *SMALL, *words)
    assert "Hires schedule type: Karras" in parameters_of(tmp_path / "out" / "0001-1.png")


def test_a_plot_has_margins_a_caption_and_a_limit(world: Path, tmp_path: Path) -> None:
    def size(name: str, *more: str) -> tuple[int, int]:
        done("plot", world / "half.toml", tmp_path / name, *SMALL, "-x", "Seed=1,2", *more)
        with Image.open(tmp_path / name) as grid:
            return grid.size

    usual, wide, told = size("a.png"), size("b.png", "--margin", "10"), size("c.png", "--caption")
    assert wide == (usual[0] + 10, usual[1])
    assert told[1] > usual[1]
    assert size("d.png", "--no-caption") == usual
    refused = ran("plot", world / "half.toml", tmp_path / "e.png", *SMALL, "-x", "Seed=1,2", "--limit", "1")
    assert refused.exit_code == 1
    assert "2 pictures are more than 1" in refused.output


def test_position_ids_are_repaired(world: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.safetensors"
    tensors = load_file(world / "closeups.safetensors")
    save_file(tensors | {IDS: torch.arange(77)[None].float() + 0.4}, broken)
    models = {"A": broken, "B": world / "lamplight.safetensors"}
    write_recipe_file(tmp_path / "r.toml", RecipeFile(recipe=Recipe.flat(0.5), models=models))
    done("merge", tmp_path / "r.toml", tmp_path / "out.safetensors", "--reset-clip-ids")
    assert torch.equal(load_file(tmp_path / "out.safetensors")[IDS], torch.arange(77)[None])


def test_comfyui_takes_ratios_beyond_1_where_they_are_linked(world: Path, tmp_path: Path) -> None:
    words = ("recipe", "export", world / "beyond.toml", "--to", "comfyui", "--out", tmp_path / "w.json")
    refused = ran(*words)
    assert refused.exit_code == 1
    assert "--linked" in refused.output
    done(*words, "--linked")
    assert any(path.suffix == ".json" and "Primitive" in path.read_text() for path in tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("--mode", "sum Twice", "--weights-beta", BETA), "beta: BASE 0, all other blocks 0.5"),
        (("--elemental", "OUT05:attn1:0.75"), "OUT05"),
        (("--adjust", "0,0,0,1.5,0,0,0,0"), "1.5"),
    ],
)
def test_texts_beside_a_row_of_weights_are_read(words: tuple[str, ...], part: str) -> None:
    assert part in done("recipe", "show", ROW, "--from", "weights", "--family", "sd1", *words)


@pytest.mark.parametrize(("name", "number"), [("alpha-lower", "0.75"), ("beta-lower", "0.75"), ("beta-upper", "0.25")])
def test_limits_of_random_weights_hold(name: str, number: str) -> None:
    words = [
        "recipe",
        "show",
        ",".join(["R"] * 26),
        "--from",
        "weights",
        "--family",
        "sd1",
        "--read-as",
        "head_patched",
    ]
    words += ["--seed", "7", "--mode", "sum Twice", "--weights-beta", ",".join(["R"] * 26)]
    assert done(*words) != done(*words, f"--{name}", number)


def test_a_night_ends_at_a_time_or_after_hours(copied: Path) -> None:
    soon = (datetime.now() + timedelta(hours=5)).strftime("%H:%M")  # noqa: DTZ005 - as a person types it
    for words in (("--hours", "5"), ("--until", soon)):
        done("run", copied, *words)
    assert "give --until or --hours, not both" in ran("run", copied, "--hours", "5", "--until", soon).output
    refused = ran("run", copied, "--until", "soon")
    assert refused.exit_code in {1, 2}
    assert "07:00" in refused.output


def test_sizes_are_tried_where_they_are_asked_for(copied: Path) -> None:
    words = ("settings", copied, "--pictures", "4", "--no-hires", "--try", "Steps=2", "--size")
    assert "\n  Size: " in done(*words)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("situations", "STUDY", "--suite", "nowhere"), "nowhere"),
        (("view", "STUDY", "--metrics-token-file", "nowhere", "--port", "0"), "nowhere"),
        (("worker", "mysql://me@server/x", "small", "--models", "."), "Invalid value for URL: it is no PostgreSQL"),
    ],
)
def test_what_is_not_there_is_named(copied: Path, words: tuple[str, ...], told: str) -> None:
    refused = ran(*(copied if word == "STUDY" else word for word in words))
    assert refused.exit_code in {1, 2}
    assert told in refused.output
