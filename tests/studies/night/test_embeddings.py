"""A study with a folder of embeddings: the key, what is checked before the night, what a changed file does."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from engine.engine import Engine
from engine.recipes.recipe import Recipe
from engine.shots.shot import Shot
from studies.errors import StudyError
from studies.inputs.assets import embedding_hashes
from studies.night.continuing.fingerprint import inputs_of, refuse_changes
from studies.preflight.checks import Finding, preflight
from studies.sample.world import SampleWorld, write_world
from studies.store.storage import StudyStore
from studies.studyfile.read import read_study_file
from studies.studyfile.spec import StudySpec
from tests.engine.prompts.test_chunks import ARTICLE_NEGATIVE, ARTICLE_PROMPT
from tests.studies.sample_study import write_small_study
from tests.studies.study_text import STUDY, write_study

NAMES = {"EasyNegativeV2": 8, "negative_hand-neg": 6}


def write_embeddings(folder: Path, width: int, seed: int = 9) -> Path:
    """Random embeddings with the names that the article's negative has."""
    folder.mkdir(exist_ok=True)
    torch.manual_seed(seed)
    for name, count in NAMES.items():
        save_file({"emb_params": torch.randn(count, width) * 0.3}, folder / f"{name}.safetensors")
    return folder


def with_embeddings(text: str, negative: str = "blurry, EasyNegativeV2") -> str:
    return text.replace("[render]\n", f'[render]\nembeddings = "words"\nnegative = "{negative}"\n')


def small_study(folder: Path) -> StudySpec:
    """The sample world's small study, with embeddings of the width of its text encoder."""
    study = write_small_study(folder)
    study.write_text(with_embeddings(study.read_text()))
    write_embeddings(folder / "words", width_of(folder / "closeups.safetensors"))
    return read_study_file(study)


def width_of(checkpoint: Path) -> int:
    from engine.checkpoints.checkpoint import open_checkpoint

    return open_checkpoint(checkpoint).widths.text


def embedding_findings(spec: StudySpec) -> list[Finding]:
    return [finding for finding in preflight(spec) if finding.where.startswith("render.embeddings")]


# ------------------------------------------------------------------------------------------------------- the study


def test_the_folder_is_found_beside_the_study_file(tmp_path: Path) -> None:
    assert read_study_file(write_study(tmp_path)).rendering.embeddings is None
    text = STUDY.replace("[render]\n", '[render]\nembeddings = "words"\n')
    assert read_study_file(write_study(tmp_path, text)).rendering.embeddings == tmp_path / "words"


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    spec = small_study(tmp_path)
    (tmp_path / "words").rename(tmp_path / "others")
    (gone,) = embedding_findings(spec)
    assert (gone.level, "no such folder of embeddings" in gone.problem.what) == ("error", True)
    text = spec.storage.file.read_text().replace("finalists = 2", "finalists = 0")
    spec.storage.file.write_text(text)
    with pytest.raises(StudyError, match=r"render\.embeddings: there is no such file"):
        read_study_file(spec.storage.file)


def test_only_the_files_that_prompts_name_are_hashed(tmp_path: Path) -> None:
    spec = small_study(tmp_path)
    assert set(embedding_hashes(spec.rendering, spec.shots)) == {"EasyNegativeV2"}
    (tmp_path / "words" / "unused.pt").write_bytes(b"broken")
    assert embedding_findings(spec) == []


def test_embeddings_of_another_width_or_damaged_are_errors(tmp_path: Path) -> None:
    spec = small_study(tmp_path)
    write_embeddings(tmp_path / "words", 7)
    (wrong,) = embedding_findings(spec)
    assert (wrong.level, "width 7" in wrong.problem.what) == ("error", True)
    (tmp_path / "words" / "EasyNegativeV2.safetensors").write_bytes(b"broken")
    (broken,) = embedding_findings(spec)
    assert (broken.level, "cannot be read" in broken.problem.what) == ("error", True)


def test_a_changed_file_is_refused(tmp_path: Path) -> None:
    spec = small_study(tmp_path)
    store = StudyStore(spec.storage.folder, spec.storage.name)
    workshop: Any = SimpleNamespace(panel=SimpleNamespace(version="1", made_of={}), device=torch.device("cpu"))
    refuse_changes(store, spec.storage, inputs_of(spec, {"A": "a", "B": "b"}, workshop.panel), workshop)
    refuse_changes(store, spec.storage, inputs_of(spec, {"A": "a", "B": "b"}, workshop.panel), workshop)
    write_embeddings(tmp_path / "words", width_of(tmp_path / "closeups.safetensors"), seed=10)
    with pytest.raises(StudyError, match=r"embeddings\.EasyNegativeV2: was [0-9a-f]{64}, is [0-9a-f]{64}"):
        refuse_changes(store, spec.storage, inputs_of(spec, {"A": "a", "B": "b"}, workshop.panel), workshop)


# -------------------------------------------------------------------------------------------------- the sample world


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> SampleWorld:
    return write_world(tmp_path_factory.mktemp("world"))


def test_the_articles_prompts_render_on_the_sample_world(world: SampleWorld, tmp_path: Path) -> None:
    folder = write_embeddings(tmp_path / "words", width_of(world.a))
    shot = Shot(
        prompt=ARTICLE_PROMPT, negative=ARTICLE_NEGATIVE, seed=1, width=96, height=96, steps=4, cfg=3.0, clip_skip=2
    )
    pictures: list[torch.Tensor] = []
    for embeddings in (folder, None):
        with Engine.open({"A": world.a, "B": world.b}, embeddings=embeddings) as engine:
            engine.build(Recipe.flat(0.4))
            pictures.append(engine.render([shot]))
            assert torch.equal(engine.render([shot]), pictures[-1])
    assert float(pictures[0].std()) > 0.05
    assert float((pictures[0] - pictures[1]).abs().mean()) > 0.001
