"""`recipe-search render`, from a recipe file or a checkpoint to pictures, without any network."""

from __future__ import annotations

import socket
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image
from safetensors.torch import load_file, save_file

from engine.checkpoints.checkpoint import file_sha256
from engine.engine import Engine
from engine.recipes.file import RecipeFile, read_recipe_file
from engine.recipes.recipe import Recipe
from engine.shots.infotext import infotext, read_fields
from engine.shots.options import PictureOptions
from engine.shots.shot import Shot
from studies.cli.main import main
from studies.drawing.sheets import as_bytes
from studies.pictures.pictures import parameters_of, save_picture
from studies.sample.world import write_world
from tests.engine.models.tiny import write_tiny
from tests.engine.models.tiny_families import V_MARKS, write_family
from tests.engine.models.tiny_models import NARROWEST
from tests.engine.recipes.recipe_files import write_recipe_file
from tests.engine.shots.infotexts import parse_infotext

SMALL = ("--width", "64", "--height", "72", "--steps", "2", "--cfg", "2")
NOISE = ("--eta", "0.5", "--s-noise", "0.9", "--ensd", "31337")
OPTIONS = ("--emphasis", "No norm", "--ngms", "1.5", "--variation-seed", "9", "--variation-strength", "0.25")
SHOT = Shot(prompt="a red cat", seed=1, width=64, height=72, steps=2, cfg=2.0)
XL = """
format = 1
family = "sdxl"
[models]
A = "xa.safetensors"
B = "xb.safetensors"
[[steps]]
alpha = { flat = 0.5, BASE = 0.25 }
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample world and two tiny SDXL checkpoints; read only by agreement."""
    folder = tmp_path_factory.mktemp("world")
    files = write_world(folder)
    models = {"A": files.a, "B": files.b}
    write_recipe_file(folder / "half.toml", RecipeFile(recipe=Recipe.flat(0.5), models=models))
    write_family(folder / "xa.safetensors", "sdxl", 1)
    write_family(folder / "xb.safetensors", "sdxl", 2)
    (folder / "xl.toml").write_text(XL)
    return folder


@pytest.fixture(autouse=True)
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any attempt to reach a network fails the test; hashes are remembered in a folder of the test's own."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a network was asked for")

    for name in ("socket", "create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, refuse)
    monkeypatch.setattr("studies.inputs.hashes.user_memory", lambda: tmp_path / "hashes.json")


def render(*words: object, status: int = 0) -> Result:
    found = CliRunner().invoke(main, ["render", *map(str, words)])
    if isinstance(found.exception, Exception) and not isinstance(found.exception, SystemExit):
        raise found.exception
    assert found.exit_code == status, found.output
    return found


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def texts(path: Path) -> dict[str, str]:
    with Image.open(path) as image:
        return dict(image.text)  # pyright: ignore[reportAttributeAccessIssue]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# --------------------------------------------------------------------------------------------------------- pictures


@pytest.mark.parametrize("name", ["half.toml", "xl.toml"])
def test_the_pictures_are_those_of_the_engine(world: Path, tmp_path: Path, name: str) -> None:
    out = tmp_path / "new" / "out"
    done = render(world / name, out, "-p", "a red cat", "-p", "a house", "-n", "grey", "--seed", "1-2", *SMALL)
    assert "wrote" in done.output
    assert "rendering: 4/4" in done.output
    assert names(out) == ["0001-1.png", "0002-2.png", "0003-1.png", "0004-2.png"]
    content = read_recipe_file(world / name)
    with Engine.open(content.models, device="cpu") as engine:
        engine.build(content.recipe)
        for number, (prompt, seed) in enumerate([(p, s) for p in ("a red cat", "a house") for s in (1, 2)], start=1):
            shot = Shot(prompt=prompt, negative="grey", seed=seed, width=64, height=72, steps=2, cfg=2.0)
            path = out / f"{number:04d}-{seed}.png"
            assert np.array_equal(pixels(path), as_bytes(engine.render([shot]))[0])
            assert parse_infotext(parameters_of(path)) == shot


def test_a_picture_carries_its_recipe_beside_the_webuis_line(world: Path, tmp_path: Path) -> None:
    render(world / "half.toml", tmp_path / "out", "-p", "a red cat", *SMALL)
    recipe = read_recipe_file(world / "half.toml").recipe
    said = infotext(SHOT, model="half", model_hash=recipe.key[:10], more={"Recipe": recipe.key})
    found = texts(tmp_path / "out" / "0001-1.png")
    assert found == {"parameters": said, "merge_recipe": recipe.text}
    assert Recipe.parse(found["merge_recipe"]) == recipe


def test_a_checkpoint_is_rendered_as_it_is(world: Path, tmp_path: Path) -> None:
    render(world / "lamplight.safetensors", tmp_path / "out", "-p", "a red cat", *SMALL)
    path = tmp_path / "out" / "0001-1.png"
    models = {"A": world / "closeups.safetensors", "B": world / "lamplight.safetensors"}
    with Engine.open(models, device="cpu") as engine:
        engine.build(Recipe.flat(1, base=1))
        assert np.array_equal(pixels(path), as_bytes(engine.render([SHOT]))[0])
    digits = file_sha256(world / "lamplight.safetensors")[:10]
    assert texts(path) == {"parameters": infotext(SHOT, model="lamplight", model_hash=digits)}


def test_a_merged_checkpoint_gives_its_recipe_and_the_pictures_of_its_recipe_file(world: Path, tmp_path: Path) -> None:
    merged = tmp_path / "merged.safetensors"
    done = CliRunner().invoke(main, ["merge", "--folded", str(world / "half.toml"), str(merged)])
    assert done.exit_code == 0, done.output
    for source, folder in ((merged, "merged"), (world / "half.toml", "recipe")):
        render(source, tmp_path / folder, "-p", "a red cat", *SMALL)
    one, other = (tmp_path / folder / "0001-1.png" for folder in ("merged", "recipe"))
    assert np.array_equal(pixels(one), pixels(other))
    assert texts(one)["merge_recipe"] == texts(other)["merge_recipe"] == Recipe.flat(0.5).text


def test_a_recipe_in_a_header_that_cannot_be_read_is_a_note(world: Path, tmp_path: Path) -> None:
    odd = tmp_path / "odd.safetensors"
    save_file(load_file(world / "lamplight.safetensors"), odd, metadata={"sd_merge_recipe": "{}"})
    done = render(odd, tmp_path / "out", "-p", "a red cat", *SMALL)
    assert "note: the recipe in its header is left out of the pictures" in done.output
    assert list(texts(tmp_path / "out" / "0001-1.png")) == ["parameters"]


def test_an_sdxl_checkpoint_that_predicts_v_is_rendered(tmp_path: Path) -> None:
    marked = write_family(tmp_path / "v.safetensors", "sdxl", 1, more=V_MARKS)
    render(marked, tmp_path / "v", "-p", "a red cat", *SMALL)
    render(marked, tmp_path / "epsilon", "-p", "a red cat", *SMALL, "--prediction", "epsilon")
    v, epsilon = (pixels(tmp_path / name / "0001-1.png") for name in ("v", "epsilon"))
    assert not np.array_equal(v, epsilon)


def test_noise_levels_that_end_in_pure_noise_can_be_chosen(tmp_path: Path) -> None:
    plain = write_family(tmp_path / "plain.safetensors", "sdxl", 1)
    for word in ("off", "on"):
        render(plain, tmp_path / word, "-p", "a red cat", *SMALL, "--ztsnr", word)
    off, on = (pixels(tmp_path / word / "0001-1.png") for word in ("off", "on"))
    assert not np.array_equal(off, on)


def test_a_checkpoint_with_edm_noise_levels_is_refused(tmp_path: Path) -> None:
    edm = write_family(tmp_path / "edm.safetensors", "sdxl", 1, more={"edm_vpred.sigma_max": torch.tensor(120.0)})
    done = render(edm, tmp_path / "out", "-p", "a red cat", *SMALL, status=1)
    assert "edm.safetensors: edm_vpred.sigma_max" in done.output
    assert "EDM's noise levels, as CosXL has" in done.output
    assert "merge it without rendering" in done.output
    assert not list((tmp_path / "out").glob("*.png"))


def test_several_at_once_are_the_same_but_for_rounding(world: Path, tmp_path: Path) -> None:
    for count in ("1", "2"):
        render(world / "half.toml", tmp_path / count, "-p", "cat", "--seed", "1,5,8", *SMALL, "--batch", count)
    assert names(tmp_path / "2") == ["0001-1.png", "0002-5.png", "0003-8.png"]
    for name in names(tmp_path / "1"):
        one, other = (pixels(tmp_path / count / name).astype(int) for count in ("1", "2"))
        assert abs(one - other).max() <= 1


# --------------------------------------------------------------------------------------------------------- settings


def test_a_picture_of_a_webui_is_made_again_and_options_win(world: Path, tmp_path: Path) -> None:
    old = tmp_path / "old.png"
    text = (
        "a red cat, on\nthe beach\nNegative prompt: grey, dull\n"
        "Steps: 3, Sampler: DPM++ 2M SDE, Schedule type: Karras, Eta: 0.5, CFG scale: 2.5, "
        "Seed: 77, Size: 64x64, Model: other, Clip skip: 2, Hires upscale: 2, Version: v1.8.0"
    )
    save_picture(np.zeros((8, 8, 3), np.uint8), old, parameters=text)
    done = render(world / "half.toml", tmp_path / "out", "--from", old)
    assert "note: old.png says Hires upscale: 2, which is not followed here" in done.output
    said = parse_infotext(parameters_of(tmp_path / "out" / "0001-77.png"))
    assert said == parse_infotext(text)
    render(world / "half.toml", tmp_path / "mine", "--from", old, "--sampler", "DDIM", "-n", "", "--seed", "5")
    said = parse_infotext(parameters_of(tmp_path / "mine" / "0001-5.png"))
    expected = Shot(
        prompt="a red cat, on\nthe beach", seed=5, width=64, height=64, steps=3, cfg=2.5, sampler="DDIM", clip_skip=2,
        rng="NV",
    )  # fmt: skip
    assert said == expected


def test_a_text_of_a_webui_without_a_seed_has_that_of_the_options_or_the_first(world: Path, tmp_path: Path) -> None:
    old = tmp_path / "old.png"
    text = "a red cat\nSteps: 2, Sampler: Euler, CFG scale: 2, Size: 64x64, Model: other"
    save_picture(np.zeros((8, 8, 3), np.uint8), old, parameters=text)
    render(world / "half.toml", tmp_path / "first", "--from", old)
    render(world / "half.toml", tmp_path / "mine", "--from", old, "--seed", "9")
    assert (names(tmp_path / "first"), names(tmp_path / "mine")) == (["0001-1.png"], ["0001-9.png"])
    said = parse_infotext(parameters_of(tmp_path / "first" / "0001-1.png"))
    assert (said.prompt, said.seed, said.steps) == ("a red cat", 1, 2)


def seen(path: Path, pairs: str, prompt: str = "a red cat") -> Path:
    """A picture of a WebUI whose text has these pairs."""
    save_picture(np.zeros((8, 8, 3), np.uint8), path, parameters=f"{prompt}\nSteps: 2, CFG scale: 2, {pairs}")
    return path


def test_what_a_picture_leaves_open_is_said(world: Path, tmp_path: Path) -> None:
    old = seen(tmp_path / "old.png", "Sampler: Euler, Size: 65x73")
    done = render(world / "half.toml", tmp_path / "out", "--from", old)
    assert "note: old.png does not say Seed (1 unless an option says another)" in done.output
    assert "note: old.png says Size: 65x73, of which a WebUI makes 64x72" in done.output
    assert pixels(tmp_path / "out" / "0001-1.png").shape == (72, 64, 3)
    assert "does not say" not in render(world / "half.toml", tmp_path / "mine", "--from", old, "--seed", "2").output


def test_a_sampler_is_not_guessed(world: Path, tmp_path: Path) -> None:
    old = seen(tmp_path / "old.png", "Seed: 1, Size: 64x64, Model: other")
    done = render(world / "half.toml", tmp_path / "out", "--from", old, status=1)
    assert "old.png: its text names no sampler; name the one that it was made with: --sampler" in done.output
    render(world / "half.toml", tmp_path / "out", "--from", old, "--sampler", "Euler")


def test_pictures_of_other_programs_are_said_to_be_such(world: Path, tmp_path: Path) -> None:
    pairs = "Sampler: dpmpp_2m, Schedule type: sgm_uniform, Seed: 1, Size: 64x64, Version: ComfyUI"
    done = render(world / "half.toml", tmp_path / "out", "--from", seen(tmp_path / "old.png", pairs))
    assert "note: old.png was made by ComfyUI: its settings are read as the WebUI 1.10 reads them" in done.output
    shot = parse_infotext(parameters_of(tmp_path / "out" / "0001-1.png"))
    assert (shot.sampler, shot.schedule, shot.rng) == ("DPM++ 2M", "SGM Uniform", "CPU")


def test_old_schedules_are_followed_and_not_warned_of(world: Path, tmp_path: Path) -> None:
    for version, old in (("v1.5.2", True), ("v1.10.1", False)):
        picture = seen(
            tmp_path / f"{version}.png", f"Sampler: Euler, Seed: 1, Size: 64x64, Version: {version}", "[cat:dog:1.5]"
        )
        done = render(world / "half.toml", tmp_path / version, "--from", picture)
        assert ("switches at" in done.output) is not old
        said = parameters_of(tmp_path / version / "0001-1.png")
        assert ("Old prompt editing timelines: True" in said) is old
        assert ("Downcast alphas_cumprod: True" in said) is old
    one, other = (pixels(tmp_path / version / "0001-1.png") for version in ("v1.5.2", "v1.10.1"))
    assert not np.array_equal(one, other)


def test_embeddings_of_a_picture_are_looked_for(world: Path, tmp_path: Path) -> None:
    folder = tmp_path / "embeddings"
    folder.mkdir()
    save_file({"emb_params": torch.randn(2, 64)}, folder / "styled.safetensors")
    digits = file_sha256(folder / "styled.safetensors")[:12]
    pairs = f'Sampler: Euler, Seed: 1, Size: 64x64, TI hashes: "styled: {digits}, lost: 0123456789ab"'
    old = seen(tmp_path / "old.png", pairs, "a cat, styled, lost")
    bare = render(world / "half.toml", tmp_path / "bare", "--from", old)
    assert f'warning: old.png was made with the embedding "styled" ({digits}), and no folder' in bare.output
    assert "TI hashes" not in parameters_of(tmp_path / "bare" / "0001-1.png")
    other = seen(tmp_path / "other.png", pairs.replace(digits, "f" * 12), "a cat")
    done = render(world / "half.toml", tmp_path / "other", "--from", other, "--embeddings", folder)
    assert f"and the one in the folder of --embeddings is another ({digits})" in done.output
    assert 'embedding "lost" (0123456789ab), which is not in that folder: its name is read as words' in done.output


def test_embeddings_are_named_in_the_text_with_the_webuis_hashes(tmp_path: Path) -> None:
    narrow = write_tiny(tmp_path / "narrow.safetensors", 1, widths=NARROWEST)
    folder = tmp_path / "embeddings"
    folder.mkdir()
    for name in ("one", "two"):
        save_file({"emb_params": torch.randn(2, 32)}, folder / f"{name}.safetensors")
    words = ("-p", "a cat", "-p", "a cat, one", "-n", "two", *SMALL, "--embeddings", folder)
    render(narrow, tmp_path / "out", *words)
    digits = {name: file_sha256(folder / f"{name}.safetensors")[:12] for name in ("one", "two")}
    for number, names in ((1, ("two",)), (2, ("one", "two"))):
        fields = read_fields(parameters_of(tmp_path / "out" / f"000{number}-1.png"))
        assert fields["TI hashes"] == ", ".join(f"{name}: {digits[name]}" for name in names)
    again = render(narrow, tmp_path / "again", "--from", tmp_path / "out" / "0002-1.png", "--embeddings", folder)
    assert "warning" not in again.output
    assert np.array_equal(pixels(tmp_path / "again" / "0001-1.png"), pixels(tmp_path / "out" / "0002-1.png"))
    plotted = (narrow, tmp_path / "grid.png", "-x", "Seed=1", "-p", "one", *SMALL, "--embeddings", folder)
    assert CliRunner().invoke(main, ["plot", *map(str, plotted)]).exit_code == 0
    assert read_fields(parameters_of(tmp_path / "grid.png"))["TI hashes"] == f"one: {digits['one']}"


def test_noise_levels_that_end_in_pure_noise_are_followed_and_said(tmp_path: Path) -> None:
    plain = write_tiny(tmp_path / "plain.safetensors", 1, widths=NARROWEST)
    pairs = "Sampler: Euler, Seed: 1, Size: 64x64, RNG: CPU, Noise Schedule: Zero Terminal SNR"
    old = seen(tmp_path / "old.png", pairs)
    assert "not followed" not in render(plain, tmp_path / "old", "--from", old).output
    render(plain, tmp_path / "on", "--from", old, "--ztsnr", "on")
    render(plain, tmp_path / "off", "--from", old, "--ztsnr", "off")
    found = {name: tmp_path / name / "0001-1.png" for name in ("old", "on", "off")}
    assert np.array_equal(pixels(found["old"]), pixels(found["on"]))
    assert not np.array_equal(pixels(found["old"]), pixels(found["off"]))
    said = {name: "Noise Schedule: Zero Terminal SNR" in parameters_of(path) for name, path in found.items()}
    assert said == {"old": True, "on": True, "off": False}


def test_all_that_is_wrong_with_options_is_told_at_once(world: Path, tmp_path: Path) -> None:
    words = ("-p", "a", "--sampler", "Eular", "--schedule", "Karas", "--hires-sampler", "Heunn", "--hires-steps", "999")
    done = render(world / "half.toml", tmp_path, *words, "--seed", "x,3", "--width", "100", status=1)
    for said in (
        'sampler: unknown sampler ("Eular"); did you mean Euler?',
        'schedule: unknown schedule ("Karas"); did you mean Karras?',
        'hires.sampler: unknown sampler ("Heunn"); did you mean Heun?',
        "hires.steps: must be a whole number from 0 to 150 (999)",
        '--seed: must be a whole number from 0, or a range ("x")',
        "width: must be a multiple of 8 (100); the nearest are 96 and 104",
    ):
        assert said in done.output
    assert "6 problems:" in done.output


def test_every_option_reaches_the_shot(world: Path, tmp_path: Path) -> None:
    words = ("--sampler", "DPM2 a", "--schedule", "Exponential", "--clip-skip", "2", "--rng", "NV")
    render(world / "half.toml", tmp_path, "-p", "cat", *SMALL, *words, *NOISE, *OPTIONS)
    assert parse_infotext(parameters_of(tmp_path / "0001-1.png")) == Shot(
        prompt="cat", seed=1, width=64, height=72, steps=2, cfg=2.0, sampler="DPM2 a", schedule="Exponential",
        clip_skip=2, rng="NV", eta=0.5, s_noise=0.9, ensd=31337,
        options=PictureOptions(emphasis="No norm", ngms=1.5, variation_seed=9, variation_strength=0.25),
    )  # fmt: skip


def test_odd_prompts_are_warned_of(world: Path, tmp_path: Path) -> None:
    done = render(world / "half.toml", tmp_path, "-p", "cat, eyes:1.5, fur", "-n", "a AND b", *SMALL)
    assert 'warning: prompt: "eyes:1.5" has a weight without round brackets' in done.output
    assert 'warning: negative: "AND" composes nothing' in done.output


def test_pictures_are_never_written_over_unasked(world: Path, tmp_path: Path) -> None:
    (tmp_path / "0002-5.png").write_text("precious")
    words = (world / "half.toml", tmp_path, "-p", "cat", "--seed", "4-5", *SMALL)
    assert "already holds 0002-5.png" in render(*words, status=1).output
    assert names(tmp_path) == ["0002-5.png"]
    render(*words, "--overwrite")
    assert parse_infotext(parameters_of(tmp_path / "0002-5.png")).seed == 5


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("half.toml",), "nothing to show"),
        (("half.toml", "-p", "a", "--seed", "-1"), '--seed: must be a whole number from 0, or a range ("-1"); write'),
        (("half.toml", "-p", "a", "--seed", "4-1"), '--seed: must be a whole number from 0, or a range ("4-1"); write'),
        (("half.toml", "-p", "a", "--seed", "0-99999"), '--seed: has 100000 seeds ("0-99999"); at most 9999'),
        (("half.toml", "--from", "none.png"), "none.png: cannot be read as a picture (no such file)"),
        (("half.toml", "-p", "a", "--upscalers", "none"), "none: there is no such folder of upscalers"),
        (("half.toml", "-p", "a", "--sampler", "uni_pc_bh2"), "this sampler of ComfyUI has no equal among the WebUI's"),
        (("half.toml", "-p", "a", "-p", "b", "--seed", "1-9000"), "18,000 pictures are too many"),
        (("half.toml", "-p", "a", "--width", "100"), "width: must be a multiple of 8 (100)"),
        (("half.toml", "-p", "a", "--sampler", "Eular"), "did you mean Euler?"),
        (("half.toml", "--from", "half.toml"), "cannot be read as a picture"),
        (("half.toml", "-p", "a", "--embeddings", "none"), "there is no such folder of embeddings"),
        (("half.toml", "-p", "a", "--device", "abacus"), 'unknown device ("abacus")'),
        (("none.toml", "-p", "a"), "none.toml: cannot be read"),
        (("sample-clip.json", "-p", "a"), "give a recipe file (.toml) or a checkpoint (.safetensors)"),
        (("sample-clip.safetensors", "-p", "a"), "sample-clip.safetensors"),
    ],
)
def test_problems_are_told_plainly(world: Path, tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    recipe, *others = (str(world / word) if Path(word).suffix else word for word in words)
    done = render(recipe, tmp_path, *others, status=1)
    assert said in done.output
    assert names(tmp_path) in ([], ["hashes.json"])
