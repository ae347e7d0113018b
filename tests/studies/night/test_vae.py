"""A VAE of choice in studies and for ``render``: checked before, recorded, said in pictures and after exports."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor

from engine.architecture.widths import VAE
from engine.checkpoints.checkpoint import file_sha256
from engine.engine import Engine
from engine.recipes.file import RecipeFile
from engine.recipes.recipe import Recipe
from engine.shots.infotext import read_fields
from engine.shots.shot import Shot
from studies.cli.main import main
from studies.drawing.sheets import as_bytes
from studies.errors import StudyError
from studies.inputs.models import model_hashes, vae_hashes
from studies.night.continuing.fingerprint import inputs_of, refuse_changes
from studies.night.workshop import Workshop
from studies.pictures.pictures import is_black, parameters_of, save_picture
from studies.preflight.checks import preflight
from studies.preflight.findings import Finding
from studies.store.judged.pins import pin_recipe
from studies.store.storage import StudyStore
from studies.studyfile.read import read_study_file
from studies.studyfile.spec import StudySpec
from tests.engine.recipes.recipe_files import write_recipe_file
from tests.studies.sample_study import write_small_study

SMALL = ("-p", "a red cat", "--width", "64", "--height", "64", "--steps", "1", "--cfg", "2")
SHOT = Shot(prompt="a red cat", seed=1, width=64, height=64, steps=1, cfg=2.0)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample world and its small study; VAEs that paint lighter, and black; a recipe of models without a VAE."""
    folder = tmp_path_factory.mktemp("world")
    write_small_study(folder)
    for name in ("closeups", "lamplight"):
        content = load_file(folder / f"{name}.safetensors")
        rest = {key: value for key, value in content.items() if not key.startswith(VAE)}
        save_file(rest, folder / f"{name}-bare.safetensors")
    vae = {key.removeprefix(VAE): value for key, value in content.items() if key.startswith(VAE)}
    for name, shift in (("lighter", 0.2), ("black", -9.0)):
        save_file(vae | {"decoder.conv_out.bias": vae["decoder.conv_out.bias"] + shift}, folder / f"{name}.safetensors")
    save_file(vae | {"quant_conv.bias": torch.full((8,), torch.nan)}, folder / "broken.safetensors")
    models = {letter: folder / f"{name}-bare.safetensors" for letter, name in (("A", "closeups"), ("B", "lamplight"))}
    write_recipe_file(folder / "half.toml", RecipeFile(recipe=Recipe.flat(0.5), models=models))
    return folder


@pytest.fixture(autouse=True)
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("studies.inputs.hashes.user_memory", lambda: tmp_path / "hashes.json")


def study(world: Path, folder: Path, lines: str, *, bare: bool = False) -> StudySpec:
    """The small study with lines of [render]; its own folder is ``folder``."""
    text = (world / "study.toml").read_text().replace("[render]\n", f"[render]\n{lines}\n")
    text = text.replace('name = "small"', f'name = "small"\nfolder = "{folder}"')
    if bare:
        text = re.sub(r'"(closeups|lamplight)\.safetensors"', r'"\1-bare.safetensors"', text)
    path = world / f"of-{folder.name}.toml"
    path.write_text(text)
    return read_study_file(path)


def render(*words: object, status: int = 0) -> Result:
    done = CliRunner().invoke(main, ["render", *map(str, words)])
    assert done.exit_code == status, done.output
    return done


def engine_picture(world: Path, vae: Path | None) -> np.ndarray:
    models = {"A": world / "closeups-bare.safetensors", "B": world / "lamplight-bare.safetensors"}
    with Engine.open(models, device="cpu", vae=vae) as engine:
        engine.build(Recipe.flat(0.5))
        return as_bytes(engine.render([SHOT]))[0]


# ------------------------------------------------------------------------------------------------------ study file


def test_the_keys_are_read(world: Path, tmp_path: Path) -> None:
    plain = study(world, tmp_path / "plain", "")
    assert (plain.rendering.vae, plain.rendering.prediction) == (None, "auto")
    chosen = study(world, tmp_path / "chosen", 'vae = "lighter.safetensors"\nprediction = "v"')
    assert (chosen.rendering.vae, chosen.rendering.prediction) == (world / "lighter.safetensors", "v")
    with pytest.raises(StudyError, match=r'render\.prediction: .*"x".*auto, epsilon, v'):
        study(world, tmp_path / "odd", 'prediction = "x"')
    none = study(world, tmp_path / "none", 'vae = "none.pt"')
    none.storage.file.write_text(none.storage.file.read_text().replace("finalists = 2", "finalists = 0"))
    with pytest.raises(StudyError, match=r"render\.vae: there is no such file"):
        read_study_file(none.storage.file)


def findings(spec: StudySpec, level: str = "error") -> list[Finding]:
    return [finding for finding in preflight(spec) if finding.level == level]


def test_a_bad_vae_is_found_before_the_night(world: Path, tmp_path: Path) -> None:
    for name, said in (
        ("broken.safetensors", "NaN or infinite weights in"),
        ("sample-clip.safetensors", "has no VAE in it"),
        ("nothing.pt", "cannot be read"),
    ):
        (error,) = findings(study(world, tmp_path / name, f'vae = "{name}"'))
        assert error.where == f"render.vae: {world / name}"
        assert said in error.problem.what
        assert error.problem.remedy


def test_models_without_a_vae_need_one(world: Path, tmp_path: Path) -> None:
    lacking = findings(study(world, tmp_path / "lacking", "", bare=True))
    assert [error.where.partition(":")[0] for error in lacking] == ["models.A", "models.B"]
    assert all("give a VAE file (option --vae, or vae under [render])" in error.problem.remedy for error in lacking)
    assert findings(study(world, tmp_path / "given", 'vae = "lighter.safetensors"', bare=True)) == []


def test_another_vae_or_prediction_ends_the_study(world: Path, tmp_path: Path) -> None:
    workshop: Any = SimpleNamespace(panel=SimpleNamespace(version="1", made_of={}), device=torch.device("cpu"))
    store = StudyStore(tmp_path / "s", "small")

    def begin(lines: str) -> None:
        spec = study(world, tmp_path / "s", lines)
        refuse_changes(store, spec.storage, inputs_of(spec, {"A": "a", "B": "b"}, workshop.panel), workshop)

    begin("")
    begin('prediction = "auto"')
    for lines, said in (
        ('vae = "lighter.safetensors"', f"render.vae: was not there, is {file_sha256(world / 'lighter.safetensors')}"),
        ('prediction = "v"', "render.prediction: was not there, is v"),
    ):
        with pytest.raises(StudyError, match=said):
            begin(lines)


def test_the_workshop_decodes_with_it_and_keeps_its_renders_apart(world: Path, tmp_path: Path) -> None:
    folders: list[Path] = []
    pictures: list[Tensor] = []
    for name, lines in (("plain", ""), ("vae", 'vae = "lighter.safetensors"'), ("v", 'prediction = "v"')):
        spec = study(world, tmp_path / name, lines)
        workshop = Workshop.open(spec, model_hashes(spec.merge, spec.storage))
        folders.append(Path(workshop.renders.folder.name))
        workshop.engine.build(Recipe.flat(0.5))
        pictures.append(workshop.engine.render([SHOT]))
        workshop.close()
    assert len({*folders}) == 3
    plain, lighter, v = pictures
    lift = lighter - plain
    assert float(lift.min()) > -1e-3
    assert 0.02 < float(lift.mean()) <= 0.101, "what was white before cannot be lighter"
    assert not torch.allclose(v, plain, atol=1e-2)
    spec = study(world, tmp_path / "vae", 'vae = "lighter.safetensors"')
    assert vae_hashes(spec.rendering, spec.storage) == {"render.vae": file_sha256(world / "lighter.safetensors")}
    assert "lighter.safetensors" in (spec.storage.folder / "hashes.json").read_text()


# -------------------------------------------------------------------------------------------------------- pictures


def test_render_decodes_with_the_file_and_says_so(world: Path, tmp_path: Path) -> None:
    vae = world / "lighter.safetensors"
    done = render(world / "half.toml", tmp_path / "out", *SMALL, "--vae", vae)
    path = tmp_path / "out" / "0001-1.png"
    with Image.open(path) as image:
        assert np.array_equal(np.asarray(image), engine_picture(world, vae))
    text = parameters_of(path)
    said = read_fields(text)
    assert (said["VAE hash"], said["VAE"]) == (file_sha256(vae)[:10], "lighter.safetensors")
    order = [text.index(f"{key}: ") for key in ("Model hash", "Model", "VAE hash", "VAE", "RNG")]
    assert order == sorted(order)
    assert "warning" not in done.output
    again = render(world / "half.toml", tmp_path / "again", "--from", path, "--vae", vae)
    assert "note" not in again.output
    assert parameters_of(tmp_path / "again" / "0001-1.png") == text
    without = render(world / "lamplight.safetensors", tmp_path / "without", "--from", path)
    assert "note: 0001-1.png was decoded by lighter.safetensors; give that file with --vae" in without.output


def test_render_of_models_without_a_vae_names_the_option(world: Path, tmp_path: Path) -> None:
    done = render(world / "half.toml", tmp_path, *SMALL, status=1)
    assert "it lacks 248 tensors" in done.output
    assert "give a VAE file (option --vae, or vae under [render])" in done.output


def test_black_pictures_are_written_and_warned_of(world: Path, tmp_path: Path) -> None:
    done = render(world / "half.toml", tmp_path, *SMALL, "--seed", "3-4", "--vae", world / "black.safetensors")
    for name in ("0001-3.png", "0002-4.png"):
        with Image.open(tmp_path / name) as image:
            assert np.asarray(image).max() == 0
        assert f"warning: {tmp_path / name}: is black all over; try another VAE (--vae)" in done.output


def test_dark_is_not_black() -> None:
    picture = np.zeros((4, 4, 3), np.uint8)
    assert is_black(picture)
    picture[0, 0, 0] = 5  # below the limit of the study's own guard, 0.02
    assert is_black(picture)
    picture[0, 0, 0] = 6
    assert not is_black(picture)


def test_a_picture_of_a_webui_with_a_vae_is_told(world: Path, tmp_path: Path) -> None:
    text = "a cat\nSteps: 1, Sampler: Euler, CFG scale: 2, Seed: 1, Size: 64x64, VAE hash: 0123456789, VAE: x.vae.pt"
    save_picture(np.zeros((8, 8, 3), np.uint8), tmp_path / "old.png", parameters=text)
    done = render(world / "lamplight.safetensors", tmp_path / "out", "--from", tmp_path / "old.png")
    assert "note: old.png was decoded by x.vae.pt; give that file with --vae" in done.output
    assert "VAE" not in read_fields(parameters_of(tmp_path / "out" / "0001-1.png"))


# --------------------------------------------------------------------------------------------------------- exports


@pytest.mark.parametrize("bare", [False, True], ids=["with", "without"])
def test_an_export_holds_the_merged_vae_and_says_so(world: Path, tmp_path: Path, bare: bool) -> None:
    spec = study(world, tmp_path / "study", 'vae = "lighter.safetensors"', bare=bare)
    spec.storage.folder.mkdir()
    pin_recipe(
        spec.storage.folder,
        Recipe.flat(0.5),
        source="test",
        models=model_hashes(spec.merge, spec.storage),
        note="",
        by="me",
    )

    def export(*words: object) -> str:
        done = CliRunner().invoke(
            main, ["export", str(spec.storage.file), "--out", str(tmp_path / "out.safetensors"), *map(str, words)]
        )
        assert done.exit_code == 0, done.output
        return " ".join(done.output.split())

    said = export()
    assert "the pictures of this study were decoded by lighter.safetensors, which is not in this checkpoint" in said
    content = load_file(tmp_path / "out.safetensors")
    assert any(key.startswith(VAE) for key in content) is not bare
    if bare:
        assert "for this checkpoint has no other" in said
        return
    bias = f"{VAE}decoder.conv_out.bias"
    assert torch.equal(content[bias], load_file(world / "closeups.safetensors")[bias].half())
    assert f"or bake it in with --vae {world / 'lighter.safetensors'} --overwrite" in said
    assert "note" not in export("--vae", world / "lighter.safetensors", "--overwrite")
    baked = load_file(tmp_path / "out.safetensors")[bias]
    assert torch.equal(baked, load_file(world / "lighter.safetensors")["decoder.conv_out.bias"].half())
    assert "note: the pictures of this study" in export("--vae", world / "lamplight.safetensors", "--overwrite")
