"""The inputs of a study in one archive: laid out elsewhere, they make the same study."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from engine.architecture.widths import VAE
from studies.after_recipe.situations.suite import read_suite
from studies.errors import StudyError
from studies.inputs.assets import embedding_hashes
from studies.inputs.models import model_hashes, vae_hashes
from studies.joining import bundle
from studies.joining.bundle import Bundle
from studies.joining.layout import unpack_inputs
from studies.studyfile.read import read_study_file
from studies.studyfile.spec import StudySpec
from tests.studies.night.test_embeddings import width_of, write_embeddings
from tests.studies.sample_study import write_small_study

PROGRAM = "def blue(pictures, prompts, seeds):\n    return [float(picture[..., 2].mean()) for picture in pictures]\n"
RECIPE = 'format = 1\n\n[[steps]]\nkind = "merge"\nalpha = { flat = 0.3, BASE = 0 }\n'


@pytest.fixture
def rich(tmp_path: Path) -> StudySpec:
    """A study that names a file of every kind."""
    study = write_small_study(tmp_path / "here")
    folder = study.parent
    tensors = load_file(folder / "lamplight.safetensors")
    save_file({k: v.contiguous() for k, v in tensors.items() if k.startswith(VAE)}, folder / "clear.vae.safetensors")
    write_embeddings(folder / "words", width_of(folder / "closeups.safetensors"))
    (folder / "words" / "unused.safetensors").write_bytes(b"not named by any prompt")
    (folder / "lists").mkdir()
    (folder / "lists" / "animal.txt").write_text("cat\n")
    (folder / "lists" / "colour.yaml").write_text("colour: [red]\n")
    (folder / "mine.py").write_text(PROGRAM)
    (folder / "warm.toml").write_text(RECIPE)
    text = study.read_text()
    text = text.replace(
        "[render]\n", '[render]\nvae = "clear.vae.safetensors"\nembeddings = "words"\nwildcards = "lists"\n'
    )
    text = text.replace("[render]\n", '[render]\nnegative = "EasyNegativeV2"\n').replace(
        "a red cat", "a red __animal__"
    )
    text = text.replace("[search]\n", '[situations]\nsuite = "lists/animal.txt"\nframe = "__colour__"\n\n[search]\n')
    text = text.replace("[search]\n", '[search]\nbegin = ["warm.toml", "GRAD_V"]\nstart = "warm.toml"\n')
    study.write_text(text + 'weights = { style = 1, "mine.py:blue" = 0.5 }\n')
    return read_study_file(study)


def packed(spec: StudySpec, archive: Path) -> dict[str, str]:
    models = model_hashes(spec.merge, spec.storage)
    Bundle.of(spec).write(archive, models)
    return models


def models_elsewhere(spec: StudySpec, folder: Path) -> Path:
    folder.mkdir()
    for number, path in enumerate(spec.merge.models.values()):
        shutil.copy(path, folder / f"{number}.safetensors")
    return folder


def test_a_study_laid_out_elsewhere_is_the_same(rich: StudySpec, tmp_path: Path) -> None:
    models = packed(rich, tmp_path / "inputs.zip")
    unpack_inputs(tmp_path / "inputs.zip", tmp_path / "there", [models_elsewhere(rich, tmp_path / "models")])
    shutil.rmtree(rich.storage.file.parent)
    there = read_study_file(tmp_path / "there" / "study.toml")
    assert there.fingerprint() == rich.fingerprint()
    assert model_hashes(there.merge, there.storage) == models
    assert vae_hashes(there.rendering, there.storage).keys() == {"render.vae"}
    assert embedding_hashes(there.rendering, there.shots).keys() == {"EasyNegativeV2"}
    assert [path.name for path in there.target.references] == [path.name for path in rich.target.references]
    assert there.search.plan == rich.search.plan
    assert dict(there.scoring.weights) == dict(rich.scoring.weights)
    assert (tmp_path / "there" / "mine.py").read_text() == PROGRAM
    suite = read_suite(there.situations.suite, there.situations.frame)
    assert [one.template for one in suite.situations] == ["__colour__, cat"]


def test_only_what_is_needed_goes_along_and_large_files_are_named(
    rich: StudySpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundle, "SMALL", 1 << 20)
    models = packed(rich, tmp_path / "inputs.zip")
    with zipfile.ZipFile(tmp_path / "inputs.zip") as file:
        names, wanted = file.namelist(), json.loads(file.read("wanted.json"))
    assert not [name for name in names if "unused" in name]
    assert {one["sha256"] for one in wanted} >= set(models.values())
    assert "clear.vae.safetensors" in {one["name"] for one in wanted}
    with pytest.raises(StudyError, match=r"clear\.vae\.safetensors \([\d,]+ bytes") as caught:
        unpack_inputs(tmp_path / "inputs.zip", tmp_path / "there", [models_elsewhere(rich, tmp_path / "models")])
    assert "closeups" not in str(caught.value)


def test_equal_inputs_make_equal_archives(rich: StudySpec, tmp_path: Path) -> None:
    for name in ("one.zip", "two.zip"):
        packed(rich, tmp_path / name)
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


def test_a_program_elsewhere_is_refused_with_its_place(rich: StudySpec, tmp_path: Path) -> None:
    study = rich.storage.file
    (tmp_path / "far.py").write_text(PROGRAM)
    study.write_text(study.read_text().replace("mine.py:blue", "../far.py:blue"))
    with pytest.raises(StudyError, match=r"scorers\.weights.*outside of the study file's folder"):
        Bundle.of(read_study_file(study))


def test_a_damaged_archive_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "inputs.zip").write_bytes(b"PK\x03\x04 and nothing more")
    with pytest.raises(StudyError, match="is damaged"):
        unpack_inputs(tmp_path / "inputs.zip", tmp_path / "there", [])
