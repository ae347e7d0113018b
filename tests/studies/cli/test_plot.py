"""`recipe-search plot` with real pictures: what stands where, what it says of itself, what is refused at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image
from safetensors.torch import load_file, save_file

from engine.engine import Engine
from engine.recipes.file import RecipeFile
from engine.recipes.recipe import MergeStep, Recipe
from engine.shots.infotext import read_fields
from engine.shots.shot import Shot
from studies.cli.main import main
from studies.drawing.grids import Grid, GridLabel
from studies.drawing.sheets import RgbPicture, as_bytes, read_picture
from studies.pictures.pictures import parameters_of
from studies.sample.world import write_world
from tests.engine.recipes.recipe_files import write_recipe_file
from tests.engine.shots.infotexts import parse_infotext

SMALL = ("-p", "a red cat", "--width", "64", "--height", "64", "--steps", "1", "--cfg", "1")
SHOT: Mapping[str, Any] = {"prompt": "a red cat", "seed": 1, "width": 64, "height": 64, "steps": 1, "cfg": 1.0}
LEFT = 48  # three quarters of a cell, for the labels of rows


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample world and recipe files for it; read only by agreement."""
    folder = tmp_path_factory.mktemp("world")
    files = write_world(folder)
    models = {"A": files.a, "B": files.b}
    for name, recipe in (("half", Recipe.flat(0.5)), ("quarter", Recipe.flat(0.25)), ("broken", Recipe.flat(1e30))):
        write_recipe_file(folder / f"{name}.toml", RecipeFile(recipe=recipe, models=models))
    return folder


@pytest.fixture(autouse=True)
def at_home(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(world)
    monkeypatch.setattr("studies.inputs.hashes.user_memory", lambda: tmp_path / "hashes.json")


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What every engine does, in order: opened, a recipe's key, or a VAE."""
    done: list[str] = []
    build, opened, use_vae = Engine.build, Engine.open, Engine.use_vae

    def noted(self: Engine, recipe: Recipe) -> object:
        done.append(recipe.key)
        return build(self, recipe)

    def noted_open(*words: Any, **options: Any) -> Engine:
        done.append("open")
        return opened(*words, **options)

    def noted_vae(self: Engine, path: Path | None) -> None:
        done.append(f"VAE {path}")
        use_vae(self, path)

    monkeypatch.setattr(Engine, "build", noted)
    monkeypatch.setattr(Engine, "use_vae", noted_vae)
    monkeypatch.setattr(Engine, "open", noted_open)
    return done


def plot(*words: object, status: int = 0) -> Result:
    found = CliRunner().invoke(main, ["plot", *map(str, words)])
    if isinstance(found.exception, Exception) and not isinstance(found.exception, SystemExit):
        raise found.exception
    assert found.exit_code == status, found.output
    return found


def alone(
    world: Path, recipe: Recipe, *shots: Shot, round_to: str = "fp16", vae: Path | None = None
) -> list[RgbPicture]:
    """The pictures as the engine makes them, one by one."""
    models = {"A": world / "closeups.safetensors", "B": world / "lamplight.safetensors"}
    with Engine.open(models, device="cpu", round_to=round_to, vae=vae) as engine:
        engine.build(recipe)
        return [as_bytes(engine.render([shot]))[0] for shot in shots]


def part(sheet: RgbPicture, left: int, top: int, width: int = 64, height: int = 64) -> RgbPicture:
    return sheet[top : top + height, left : left + width]


def test_models_down_and_seeds_across_each_model_built_once(world: Path, tmp_path: Path, built: list[str]) -> None:
    out, cells = tmp_path / "grid.png", tmp_path / "cells"
    sources = ("half.toml", "lamplight.safetensors", "quarter.toml")
    done = plot(*sources, out, "-x", "Seed", "-y", "Recipe", "--seed", "1,3", *SMALL, "--no-caption", "--cells", cells)
    assert "6 pictures of 3 models" in done.output
    assert "rendering: 6/6" in done.output
    half, quarter = Recipe.flat(0.5), Recipe.flat(0.25)
    assert [key for key in built if key != "open"][:2] == [half.key, quarter.key]
    assert (len(built), built.count("open")) == (5, 2)
    shots = [replace(Shot(**SHOT), seed=seed) for seed in (1, 3)]
    second = alone(world, Recipe.flat(1, base=1), *shots, round_to="fp32")
    expected = [*alone(world, half, *shots), *second, *alone(world, quarter, *shots)]
    sheet = read_picture(out)
    top = sheet.shape[0] - 3 * 64
    assert sheet.shape[1] == LEFT + 2 * 64
    names = [f"y{y}-x{x}.png" for y in (1, 2, 3) for x in (1, 2)]
    assert sorted(path.name for path in cells.iterdir()) == names
    for number, (picture, name) in enumerate(zip(expected, names, strict=True)):
        y, x = divmod(number, 2)
        assert np.array_equal(part(sheet, LEFT + 64 * x, top + 64 * y), picture)
        assert np.array_equal(read_picture(cells / name), picture)
        assert parse_infotext(parameters_of(cells / name)) == shots[x]
    fields = read_fields(parameters_of(out))
    assert fields["Model"] == "half"
    assert parse_infotext(parameters_of(out)) == shots[0]
    said = {name: fields[name] for name in fields if name.split()[0] in {"Script", "X", "Y", "Fixed"}}
    assert said == {
        "Script": "X/Y/Z plot",
        "X Type": "Seed",
        "X Values": "1,3",
        "Fixed X Values": "1, 3",
        "Y Type": "Recipe",
        "Y Values": ",".join(sources),
    }
    with Image.open(out) as image:
        assert image.info["merge_recipe"] == half.text
    with Image.open(cells / "y2-x1.png") as image:
        assert "merge_recipe" not in image.info
    assert read_fields(parameters_of(cells / "y3-x1.png"))["Recipe"] == quarter.key


def test_supermergers_axis_beside_sizes_as_a_webp_with_the_weights_below(world: Path, tmp_path: Path) -> None:
    out, cells = tmp_path / "grid.webp", tmp_path / "cells"
    weights = ("FLAT_25", ",".join(["0"] * 13 + ["1"] * 13))
    words = ("-x", "Size=64x64,64x72", "-z", rf"mbw alpha={weights[0]}\n{weights[1]}", "--cells", cells)
    done = plot("half.toml", out, *words, *SMALL[:2], *SMALL[6:], "--width", "512")
    assert "note: --width does nothing: the axis Size has values of its own" in done.output
    recipes = [
        Recipe(steps=(MergeStep(alpha=alpha),)) for alpha in ((0.0, *(0.25,) * 25), (*(0.0,) * 13, *(1.0,) * 13))
    ]
    shots = [replace(Shot(**SHOT), height=height) for height in (64, 72)]
    for z, recipe in enumerate(recipes, start=1):
        for x, picture in enumerate(alone(world, recipe, *shots), start=1):
            assert np.array_equal(read_picture(cells / f"z{z}-x{x}.png"), picture)
            assert read_fields(parameters_of(cells / f"z{z}-x{x}.png"))["Recipe"] == recipe.key
    fields = read_fields(parameters_of(out))
    assert fields["Z Type"] == "mbw alpha"
    assert fields["Z Values"] == "\n".join(weights)
    assert parse_infotext(parameters_of(out)) == shots[0]
    sheet = read_picture(out)
    titles = [GridLabel(text=f"mbw alpha: {line.replace(',', ', ')}") for line in weights]
    columns = [GridLabel(text="Size: 64x64"), GridLabel(text="Size: 64x72")]
    width, height = Grid(cell=(64, 72), columns=columns, parts=titles).size
    assert sheet.shape[1] == width
    assert sheet.shape[0] > height + 5 * 12
    assert (sheet[height:] < 100).any()


def test_vaes_change_seldom_and_decode_their_own_cells(world: Path, tmp_path: Path, built: list[str]) -> None:
    out, cells = tmp_path / "grid.png", tmp_path / "cells"
    words = ("-x", "VAE=None,lamplight.safetensors", "-y", "Recipe=half.toml,quarter.toml", "--cells", cells)
    done = plot("half.toml", out, *words, *SMALL, "--vae", "lamplight.safetensors")
    assert "note: --vae does nothing: the axis VAE has values of its own" in done.output
    half, quarter = Recipe.flat(0.5), Recipe.flat(0.25)
    assert built == ["open", half.key, "VAE lamplight.safetensors", quarter.key, "VAE None"]
    found = {name: read_picture(cells / f"{name}.png") for name in ("y1-x1", "y1-x2", "y2-x1", "y2-x2")}
    for y, recipe in ((1, half), (2, quarter)):
        for x, vae in ((1, None), (2, world / "lamplight.safetensors")):
            (picture,) = alone(world, recipe, Shot(**SHOT), vae=vae)
            assert np.array_equal(found[f"y{y}-x{x}"], picture)
    assert "VAE" not in read_fields(parameters_of(out))
    assert read_fields(parameters_of(cells / "y1-x2.png"))["VAE"] == "lamplight.safetensors"
    assert len(read_fields(parameters_of(cells / "y1-x2.png"))["VAE hash"]) == 10


def test_a_cell_that_comes_out_broken_stays_empty_and_the_others_are_kept(world: Path, tmp_path: Path) -> None:
    out = tmp_path / "grid.jpg"
    words = ("-x", "Seed=1-2", "-y", "Recipe=broken.toml,half.toml", *SMALL, "--batch", "2", "--no-caption")
    done = plot("half.toml", out, *words, status=1)
    assert "these cells stay empty" in done.output
    assert "Seed: 1, broken.toml: the UNet gave NaN or infinite latents" in done.output
    assert "Seed: 2, broken.toml: " in done.output
    sheet = read_picture(out)
    top = sheet.shape[0] - 2 * 64
    assert part(sheet, LEFT, top, 128, 60).min() > 240
    (picture,) = alone(world, Recipe.flat(0.5), Shot(**SHOT))
    assert abs(part(sheet, LEFT, top + 64).astype(int) - picture).mean() < 12  # as far as JPEG goes
    assert read_fields(parameters_of(out))["X Values"] == "1-2"
    done = plot("broken.toml", tmp_path / "none.png", "-x", "Seed=1-2", *SMALL, status=1)
    assert "every picture came out broken" in done.output
    assert not (tmp_path / "none.png").exists()


def test_everything_that_is_wrong_is_told_at_once_before_anything_is_made(tmp_path: Path, built: list[str]) -> None:
    out = tmp_path / "grid.png"
    words = ("-x", "CFG Scale=5,99,x", "-y", "Recipe=half.toml,none.toml", "-z", "Sampler=Eular,Euler")
    done = plot("half.toml", out, *words, *SMALL, "--seed", "1-2", status=1)
    for said in (
        "axis CFG Scale: value 'x': is neither a number",
        "axis CFG Scale, value '99.0': cfg: must be",
        "axis Recipe: none.toml: cannot be read",
        "did you mean Euler?",
        "2 values for seed and no axis for them; add -x Seed",
    ):
        assert said in done.output
    assert built == []
    assert not out.exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("half.toml", "o.png"), "no axis; give one"),
        (("half.toml", "o.png", "-x", "Sampeler=Euler"), "-x: there is no axis 'Sampeler'; did you mean Sampler?"),
        (("half.toml", "o.png", "-x", "Seed=1", "-y", "Seed=2"), "two axes set what Seed sets"),
        (("half.toml", "o.png", "-x", "Recipe=half.toml", "-y", "Checkpoint name=half.toml"), "two axes set what"),
        (("half.toml", "o.png", "-x", "Seed"), "axis Seed: has no values"),
        (("half.toml", "quarter.toml", "o.png", "-x", "Seed=1"), "2 models and no axis for them; add -x Recipe"),
        (
            ("half.toml", "o.png", "-x", "Seed=1-600"),
            "600 pictures are more than 500; take fewer values, or --limit 600",
        ),
        (("half.toml", "o.png", "-x", "Seed=1-90", "--max-megapixels", "9"), "or --max-megapixels 27"),
        (("half.toml", "o.webp", "-x", "Seed=1-90"), ".webp files have at most 16383 to a side"),
        (("half.toml", "o.gif", "-x", "Seed=1-2"), "its format is not known"),
        (("half.toml", "o.png", "-x", "Seed=1-2", "--font", "half.toml"), "half.toml: cannot be read as a font"),
        (("lamplight.safetensors", "o.png", "-x", "alpha=0.1"), "axis alpha: changes a recipe; give a recipe file"),
        (("half.toml", "o.png", "-x", "alpha=0.1", "--run", "2"), "--run 2: the recipe has 1 step; write 1"),
        (("half.toml", "o.png", "-x", "VAE=None,none.safetensors"), "none.safetensors: there is no such file"),
        (
            ("half.toml", "o.png", "-x", "Hires upscaler=Latent,4x-Best"),
            'takes a model file ("4x-Best"); name its folder with',
        ),
        (("half.toml", "o.png", "-x", "model_B=Z"), "has no path of the models Z;"),
        (("half.toml", "o.png", "-x", "pinpoint adjust=CONT"), "pinpoint adjust needs the number from another axis"),
    ],
)
def test_problems_are_told_plainly(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    paths = [str(tmp_path / word) if word.startswith("o.") else word for word in words]
    extra = () if "-p" in words else ("-p", "a red cat")
    assert said in plot(*paths, *extra, status=1).output
    assert not [path for path in tmp_path.iterdir() if path.name != "hashes.json"]


def test_problems_of_axes_and_options_are_told_together_with_their_places(tmp_path: Path, built: list[str]) -> None:
    words = ("-x", "Seed=1-600", "-y", "Sampeler=Euler", "-z", "Seed=1", "--seed", "x", "--hires-steps", "999")
    done = plot("half.toml", tmp_path / "o.png", *words, "-p", "a", "--embeddings", "none", status=1)
    for said in (
        "-y: there is no axis 'Sampeler'; did you mean Sampler?",
        "-z: two axes set what Seed sets",
        "600 pictures are more than 500",
        '--seed: must be a whole number from 0, or a range ("x")',
        "hires.steps: must be a whole number from 0 to 150 (999)",
        "none: there is no such folder of embeddings",
    ):
        assert said in done.output
    assert built == []


def test_what_the_webui_calls_gpu_is_said_to_be_nv(tmp_path: Path) -> None:
    done = plot("half.toml", tmp_path / "o.png", "-x", "RNG source=GPU,CPU", *SMALL)
    assert "note: RNG source GPU is read as NV" in done.output
    assert "GPU is read" not in plot("half.toml", tmp_path / "p.png", "-x", "RNG source=NV,CPU", *SMALL).output


def test_kinds_of_prediction_are_looked_at_before_anything_is_made(
    world: Path, tmp_path: Path, built: list[str]
) -> None:
    second = load_file(world / "lamplight.safetensors")
    save_file(second | {"edm_mean": torch.zeros(4)}, tmp_path / "edm.safetensors")
    save_file(second | {"v_pred": torch.zeros(0)}, tmp_path / "v.safetensors")
    models = {"A": world / "closeups.safetensors", "B": tmp_path / "v.safetensors"}
    write_recipe_file(tmp_path / "mixed.toml", RecipeFile(recipe=Recipe.flat(0.5), models=models))
    axis = f"Recipe=half.toml,{tmp_path / 'edm.safetensors'},{tmp_path / 'mixed.toml'}"
    done = plot("half.toml", tmp_path / "o.png", "-x", axis, *SMALL, status=1)
    assert "edm.safetensors: edm_mean say that it has EDM's noise levels, as Playground 2.5 has" in done.output
    assert "mixed: the models are marked for different predictions (A nothing, B v_pred)" in done.output
    assert built == []
    plot("half.toml", tmp_path / "o.png", "-x", f"Recipe={tmp_path / 'mixed.toml'}", *SMALL, "--prediction", "epsilon")


def test_nothing_is_written_over_unasked(tmp_path: Path) -> None:
    (tmp_path / "cells").mkdir()
    (tmp_path / "cells" / "x2.png").write_text("precious")
    (tmp_path / "grid.png").write_text("precious")
    words = ("-x", "Seed=1-2", *SMALL)
    assert "already holds grid.png" in plot("half.toml", tmp_path / "grid.png", *words, status=1).output
    done = plot("half.toml", tmp_path / "new.png", *words, "--cells", tmp_path / "cells", status=1)
    assert "already holds x2.png" in done.output
    assert (tmp_path / "grid.png").read_text() == (tmp_path / "cells" / "x2.png").read_text() == "precious"


def test_a_prompt_is_needed_unless_an_axis_has_it(tmp_path: Path) -> None:
    done = plot("half.toml", tmp_path / "o.png", "-x", "Seed=1-2", status=1)
    assert "nothing to show" in done.output
