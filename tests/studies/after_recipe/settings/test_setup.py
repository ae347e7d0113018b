"""What a search for settings works with, and what it refuses to render."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from engine.architecture.widths import Widths
from engine.checkpoints.checkpoint import open_checkpoint
from engine.shots.hires import Hires
from studies.after_recipe.settings.axes import asked_values
from studies.after_recipe.settings.setup import opened_models, refusal_of, upscalers_of, vaes_of
from studies.results.settings import PictureSettings
from studies.studyfile.read import read_study_file
from studies.studyfile.spec import StudySpec
from tests.studies.sample_study import write_small_study


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> StudySpec:
    return read_study_file(write_small_study(tmp_path_factory.mktemp("small")))


def test_a_picture_below_what_scorers_judge_at_is_refused(small: StudySpec) -> None:
    refusal = refusal_of(small, shot_sides=96, widths=Widths())
    start = PictureSettings.of_shot(small.shots.trials[0])
    assert refusal(start) == "the scorers judge pictures at 96 pixels on the shorter side, and 64x64 has less"
    assert refusal(replace(start, hires=Hires(scale=1.5))) == ""
    assert refusal_of(small, shot_sides=64, widths=Widths())(start) == ""


def test_clip_skip_beyond_the_text_encoder_is_refused(small: StudySpec) -> None:
    widths = opened_models(small)["A"].widths
    layers = widths.encoders[0].used_layers
    refusal = refusal_of(small, shot_sides=64, widths=widths)
    start = PictureSettings.of_shot(small.shots.trials[0])
    assert refusal(replace(start, clip_skip=layers)) == ""
    assert refusal(replace(start, clip_skip=layers + 1)) == f"the text encoder has {layers} layers"


def test_upscalers_are_those_of_the_studys_folder(small: StudySpec, tmp_path: Path) -> None:
    start = PictureSettings.of_shot(small.shots.trials[0])
    assert upscalers_of(small.rendering) == ()
    (tmp_path / "4x-Sharp.pth").write_bytes(b"no tensors")
    spec = replace(small, rendering=replace(small.rendering, upscalers=tmp_path))
    assert upscalers_of(spec.rendering) == ("4x-Sharp",)
    refusal = refusal_of(spec, shot_sides=64, widths=Widths())
    assert "4x-Sharp.pth" in refusal(replace(start, hires=Hires(upscaler="4x-Sharp")))
    assert "4x-None" in refusal(replace(start, hires=Hires(upscaler="4x-None")))
    assert refusal(replace(start, hires=Hires(upscaler="Lanczos"))) == ""


def test_models_without_a_vae_have_none_to_merge(small: StudySpec, tmp_path: Path) -> None:
    models = opened_models(small)
    (whole,) = vaes_of(small.rendering, asked_values([]), models)
    assert whole.reason == ""
    tensors = load_file(small.merge.models["B"])
    bare = {key: value for key, value in tensors.items() if not key.startswith("first_stage_model.")}
    save_file(bare, tmp_path / "bare.safetensors")
    models["B"] = open_checkpoint(tmp_path / "bare.safetensors")
    (lacking,) = vaes_of(small.rendering, asked_values([]), models)
    assert lacking.reason == "there is no VAE in B, so none can be merged"
