"""Which stage a study is, and what was done before it: in `show`, on its page, in its report."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from engine.recipes.recipe import Recipe
from studies.review.exporting.history import study_stage
from studies.studyfile.read import read_study_file
from tests.studies.chain_studies import approved, begun, typed


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a study, the next one, and the one after that."""
    folder = tmp_path_factory.mktemp("stages")
    study = begun(folder)
    approved(study, Recipe.flat(0.3))
    third = folder / "third.safetensors"
    done = typed("init", folder / "two.toml", "--from", study, "-a", folder / "alpha.safetensors", "-b", third)
    assert done.exit_code == 0, done.output
    assert "alpha: 1 step (Weight sum of A, B, alpha 0.3 (BASE 0)), saved as alpha.safetensors" in done.output
    approved(folder / "two.toml", Recipe.flat(0.25))
    done = typed("init", folder / "three.toml", "--from", folder / "two.toml", "-a", folder / "beta.safetensors")
    assert done.exit_code == 0, done.output
    return folder


def test_a_study_of_first_parents_is_no_stage(stages: Path) -> None:
    assert study_stage(read_study_file(stages / "study.toml").merge.models) is None


def test_a_later_stage_says_what_was_done_before(stages: Path) -> None:
    second = study_stage(read_study_file(stages / "two.toml").merge.models)
    third = study_stage(read_study_file(stages / "three.toml").merge.models)
    assert second is not None
    assert third is not None
    assert (second.number, third.number) == (2, 3)
    assert second.lines == (
        "A is alpha.safetensors, which was merged before",
        "alpha: 1 step (Weight sum of A, B, alpha 0.3 (BASE 0)), saved as alpha.safetensors",
        "first parents: A closeups.safetensors, B lamplight.safetensors",
    )
    assert third.lines[1:3] == (
        "alpha: 1 step (Weight sum of A, B, alpha 0.3 (BASE 0)), saved as alpha.safetensors",
        "beta: 1 step (Weight sum of alpha, C, alpha 0.25 (BASE 0)), saved as beta.safetensors",
    )
    assert third.lines[3].endswith("C third.safetensors")


def test_models_that_are_gone_say_nothing(stages: Path, tmp_path: Path) -> None:
    models = dict(read_study_file(stages / "two.toml").merge.models)
    assert study_stage({**models, "A": tmp_path / "gone.safetensors"}) is None


def test_show_says_it(copied: Path, stages: Path) -> None:
    shutil.copy(stages / "alpha.safetensors", copied.parent / "closeups.safetensors")
    shown = typed("show", copied)
    assert "stage 2 of a chain:\n  A is closeups.safetensors, which was merged before\n" in shown.output
