from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from engine.architecture.layout import Widths
from engine.checkpoints.checkpoint import open_checkpoint
from engine.shots.shot import Shot
from studies.amounts import size_text, time_text
from studies.errors import StudyError
from studies.preflight import estimate
from studies.preflight.checks import preflight
from studies.preflight.findings import Finding, is_fatal
from studies.studyfile.read import read_study_file
from tests.engine.models.tiny import write_tiny
from tests.studies import study_text
from tests.studies.study_text import write_study

STUDY = study_text.STUDY.replace("seeds = [3]\n", "seeds = [3, 4]\n")
"""The study with a fourth picture a recipe: noise is measured from no fewer."""

CLIP: dict[str, Any] = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 1, "layers": 1},
}


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with everything that the study of `study_text` needs."""
    import open_clip

    folder = tmp_path_factory.mktemp("parts")
    write_tiny(folder / "a.safetensors", 1)
    write_tiny(folder / "b.safetensors", 2)
    (folder / "clip.json").write_text(json.dumps(CLIP))
    state = open_clip.CLIP(**CLIP).state_dict()
    save_file({key: tensor.contiguous() for key, tensor in state.items()}, folder / "clip.safetensors")
    (folder / "wanted").mkdir()
    rng = np.random.default_rng(0)
    for number in range(8):
        pixels = rng.integers(0, 255, (40, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "wanted" / f"{number}.png")
    return folder


@pytest.fixture
def here(parts: Path, tmp_path: Path) -> Path:
    """A copy of the parts that a test may damage; the files themselves are links until they are replaced."""
    for path in parts.iterdir():
        if path.is_dir():
            shutil.copytree(path, tmp_path / path.name)
        else:
            (tmp_path / path.name).symlink_to(path)
    return tmp_path


def look(here: Path, text: str = STUDY, **replaced: str) -> tuple[Finding, ...]:
    return preflight(read_study_file(write_study(here, text, **replaced)))


def errors(findings: tuple[Finding, ...]) -> list[Finding]:
    return [finding for finding in findings if finding.level == "error"]


def test_a_right_study_passes_and_is_estimated(here: Path) -> None:
    findings = look(here)
    assert errors(findings) == []
    assert not is_fatal(findings)
    notes = {finding.where.split(":")[0]: finding.problem.what for finding in findings if finding.level == "note"}
    assert set(notes) == {"time", "disk", "memory", "memory plan"}
    assert notes["time"].startswith("21 trials, 176 pictures: about ")
    assert not (here / "runs").exists(), "looking leaves nothing behind"


def test_trials_of_few_shots_take_less_disk(here: Path) -> None:
    twelve = STUDY.replace("seeds = [1, 2]", "seeds = [1, 2, 5, 6, 7, 8, 9, 10, 11, 12, 13]")
    few = twelve.replace("[search]", "[search]\nshots = 4")
    said = [f.problem.what for text in (twelve, few) for f in look(here, text) if f.where.startswith("disk")]
    assert len(set(said)) == 2


def test_everything_wrong_is_in_one_list(here: Path) -> None:
    for name in ("b.safetensors", "clip.safetensors"):
        (here / name).unlink()
    (here / "a.safetensors").unlink()
    (here / "a.safetensors").write_bytes(b"\x80\x02}q\x00" + bytes(80))
    (here / "wanted" / "0.png").write_text("no picture")
    (here / "runs").write_text("a file where the folder should be")
    findings = look(here)
    assert is_fatal(findings)
    places = [finding.where for finding in errors(findings)]
    assert len(places) == 5
    for start in ("models.A", "models.B", "target.references", "scorers", str(here / "runs")):
        assert any(place.startswith(start) for place in places), (start, places)
    assert all(finding.problem.what for finding in findings)


def _truncate(path: Path) -> None:
    data = path.resolve().read_bytes()
    path.unlink()
    path.write_bytes(data[:-1000])


def _spoil(path: Path) -> None:
    tensors = load_file(path)
    tensors["model.diffusion_model.out.2.bias"][0] = torch.nan
    path.unlink()
    save_file(tensors, path)


def _other_architecture(path: Path) -> None:
    path.unlink()
    save_file({"double_blocks.0.img_attn.qkv.weight": torch.zeros(4, 4)}, path)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e6])
@pytest.mark.parametrize("key", ["model_ema.decay", "model_ema.diffusion_modelinput_blocks00weight"])
def test_what_no_picture_shows_and_no_export_can_hold_is_a_warning(here: Path, key: str, value: float) -> None:
    _add(here / "b.safetensors", **{key: torch.tensor([value])})
    findings = look(here)
    assert errors(findings) == []
    (found,) = [finding for finding in findings if finding.where.startswith("models")]
    assert (found.level, found.where) == ("warning", f"models.B: {here / 'b.safetensors'}")
    assert key in found.problem.what
    assert found.problem.remedy == "export with --prune, which leaves them out"
    (error,) = errors(look(here, STUDY + '[merge]\ncalculation = "cosineA"\n'))
    assert "cosineA compares them too" in error.problem.what


def _other_widths(path: Path) -> None:
    from engine.architecture.layout import Widths

    narrow = Widths(unet=(32, 32, 32, 32), vae=(32, 32, 32, 32), text=64, text_layers=1, text_hidden=64, vocabulary=512)
    path.unlink()
    write_tiny(path, 3, widths=narrow)


def _add(path: Path, **more: torch.Tensor) -> None:
    tensors = load_file(path)
    path.unlink()
    save_file(tensors | more, path)


def _of_edm(path: Path) -> None:
    _add(path, edm_mean=torch.zeros(4), edm_std=torch.ones(4))


def _of_v(path: Path) -> None:
    _add(path, v_pred=torch.zeros(0))


def test_noise_levels_of_one_model_alone_are_warned_of(here: Path) -> None:
    _add(here / "b.safetensors", v_pred=torch.zeros(0), ztsnr=torch.zeros(0))
    by_hand = STUDY.replace("[render]", '[render]\nprediction = "v"')
    (found,) = (finding for finding in look(here, by_hand) if "ztsnr" in finding.problem.what)
    assert (found.level, found.where) == ("warning", "models")
    assert "only B is marked" in found.problem.what
    assert 'write ztsnr = "on" or "off"' in found.problem.remedy
    decided = by_hand.replace("[render]", '[render]\nztsnr = "on"')
    assert not [finding for finding in look(here, decided) if "ztsnr" in finding.problem.what]


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (Path.unlink, "there is no such file"),
        (_of_edm, "edm_mean and edm_std say that it has EDM's noise levels, as Playground 2.5 has"),
        (_of_v, "marked for different predictions (A nothing, B v_pred)"),
        (_truncate, "cut short"),
        (_spoil, "NaN or infinite"),
        (_other_architecture, "FLUX"),
        (_other_widths, "cannot be merged"),
    ],
    ids=["missing", "EDM", "v", "truncated", "NaN", "architecture", "widths"],
)
def test_bad_checkpoints_are_errors(here: Path, damage: object, words: str) -> None:
    assert callable(damage)
    damage(here / "b.safetensors")
    (error,) = errors(look(here))
    assert error.where.startswith("models")
    assert words in error.problem.what


def test_references_that_are_no_pictures(here: Path) -> None:
    for number in range(5):
        (here / "wanted" / f"{number}.png").write_text("nothing to see")
    wrong = errors(look(here))
    assert len(wrong) == 6
    assert all("not a picture" in finding.problem.what for finding in wrong[:5])
    assert wrong[5].problem.what == "3 pictures, 4 are needed"


def test_few_references_are_a_warning(here: Path) -> None:
    for number in range(3):
        (here / "wanted" / f"{number}.png").unlink()
    findings = look(here)
    assert not is_fatal(findings)
    (warning,) = [finding for finding in findings if finding.where == "target.references"]
    assert warning.line.startswith("warning: target.references: 5 pictures show little of a style; give 8 to 40")


def test_words_make_few_references_enough(here: Path) -> None:
    for number in range(6):
        (here / "wanted" / f"{number}.png").unlink()
    (wrong,) = errors(look(here))
    assert wrong.problem.what == "2 pictures, 4 are needed"
    assert "with the look in words (like)" in wrong.problem.remedy
    assert not is_fatal(look(here, STUDY.replace("[target]\n", '[target]\nlike = "a flat drawing"\n')))


def test_jpeg_references_are_mentioned(here: Path) -> None:
    with Image.open(here / "wanted" / "0.png") as picture:
        picture.convert("RGB").save(here / "wanted" / "0.jpg")
    (here / "wanted" / "0.png").unlink()
    notes = [finding for finding in look(here) if finding.where == "target.references"]
    assert [note.level for note in notes] == ["note"]
    assert "1 of 8 are JPEG files" in notes[0].problem.what


def test_missing_references_folder(here: Path) -> None:
    shutil.rmtree(here / "wanted")
    messages = [finding.line for finding in errors(look(here))]
    assert len(messages) == 2
    assert "no such file" in messages[0]
    assert "there is no picture" in messages[1]


def test_a_full_disk_is_an_error(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("studies.preflight.checks.shutil.disk_usage", lambda _: SimpleNamespace(free=1000))
    (error,) = errors(look(here))
    assert error.where.startswith("disk")
    assert "1.0 kB are free" in error.problem.what


def test_an_unwritable_folder_is_an_error(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("studies.preflight.checks.tempfile.TemporaryFile", refuse)
    (error,) = errors(look(here))
    text = "cannot be written (Permission denied); set [study] folder to a place where you may write"
    assert error.line.endswith(text)


def test_more_than_a_night_is_a_warning_with_a_way_out(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimate, "matrix_speed", lambda device: 1e6)
    (warning,) = [finding for finding in look(here) if finding.where == "time"]
    assert warning.level == "warning"
    assert warning.problem.remedy


def test_a_gpu_that_is_not_there_is_an_error(here: Path) -> None:
    (error,) = errors(look(here, STUDY.replace("[search]", '[device]\ndevice = "cuda:99"\n[search]')))
    assert error.where == "device.device"
    assert error.problem.what.startswith("torch sees")
    assert error.problem.seen == "cuda:99"


def test_weights_of_another_encoder_are_an_error(here: Path) -> None:
    config = CLIP | {"embed_dim": 24}
    (here / "clip.json").unlink()
    (here / "clip.json").write_text(json.dumps(config))
    (error,) = errors(look(here))
    assert error.where == f"scorers: {here / 'clip.safetensors'}"


def test_both_files_of_an_encoder_are_told_of_at_once(here: Path) -> None:
    (here / "clip.json").unlink()
    (here / "clip.safetensors").unlink()
    config, weights = errors(look(here))
    assert config.line.startswith(f"error: scorers.encoder.config: {here / 'clip.json'}: no such encoder config")
    assert weights.line.startswith(f"error: scorers: {here / 'clip.safetensors'}: no such weights file")


def test_a_folder_that_is_a_file_is_told_at_its_key(here: Path) -> None:
    (error,) = errors(look(here, STUDY.replace("[study]", '[study]\nfolder = "study.toml"')))
    assert error.line.startswith(f"error: study.folder: {here / 'study.toml'}: {here / 'study.toml'} is a file")


@pytest.mark.parametrize("key", ["embeddings", "wildcards"])
def test_a_file_in_place_of_a_folder_is_called_one(here: Path, key: str) -> None:
    with_key = STUDY.replace("[render]", f'[render]\n{key} = "clip.json"')
    try:
        lines = [finding.line for finding in errors(look(here, with_key))]
    except StudyError as error:
        lines = [str(error)]
    assert len(lines) == 1
    assert "this is a file, not a folder" in lines[0]


def test_names_that_are_too_long_are_told(here: Path) -> None:
    lines = [finding.line for finding in errors(look(here, STUDY.replace("a.safetensors", "x" * 5000)))]
    assert ["File name too long" in line for line in lines] == [True]


def test_files_and_plug_ins_of_scorers_are_looked_at(here: Path) -> None:
    more = '[scorers]\nweights = { style = 1, laion = 0.1, "mine.py" = 0 }'
    (here / "mine.py").write_text("def score(image):\n    return 1\n")
    found = errors(look(here, STUDY.replace("[scorers]", more)))
    assert [finding.where for finding in found] == ["scorers: clip-l", "scorers: laion"]
    assert "recipe-search scorers get laion" in found[1].problem.remedy
    (here / "mine.py").write_text("import nothing_of_that_name")
    (error,) = errors(look(here, STUDY.replace("[scorers]", more)))
    assert "mine.py: cannot be loaded: ModuleNotFoundError" in error.line


def test_what_is_odd_in_prompts_and_negatives_is_a_warning(here: Path) -> None:
    text = STUDY.replace('"a house"', '"a (house:1.2), rust eyes:1.5, x"').replace('"blurry"', '"a AND b"')
    found = [finding for finding in look(here, text) if finding.where.startswith(("prompt", "negative"))]
    assert [finding.level for finding in found] == ["warning", "warning"]
    assert [finding.where.split(" ")[0] for finding in found] == ["negative", "prompt"]
    assert found[1].problem.what == '"rust eyes:1.5" has a weight without round brackets, read as words'
    assert found[1].problem.remedy == "write (rust eyes:1.5)"


def test_a_calculation_mode_beside_a_merge_mode_that_it_is_not_made_for_is_a_warning(here: Path) -> None:
    (here / "c.safetensors").symlink_to(here / "a.safetensors")
    text = STUDY.replace('B = "b.safetensors"', 'B = "b.safetensors"\nC = "c.safetensors"')
    choices = '[space.choices]\nmode = ["Weight sum", "Add difference"]\ncalculation = ["normal", "cosineA"]\n[search]'
    (found,) = [finding for finding in look(here, text.replace("[search]", choices)) if finding.where == "merge"]
    assert found.level == "warning"
    assert found.problem.what == "cosineA is made for Weight sum; with Add difference it may give noise"
    assert found.problem.remedy == 'write mode = "Weight sum", or another calculation mode'
    smooth = '[merge]\nmode = "Add difference"\ncalculation = "smoothAdd"\n[search]'
    assert not [one for one in look(here, text.replace("[search]", smooth)) if one.where == "merge"]


def test_three_models_are_counted(here: Path) -> None:
    shutil.copyfile(here / "a.safetensors", here / "c.safetensors")
    text = STUDY.replace('B = "b.safetensors"', 'B = "b.safetensors"\nC = "c.safetensors"')
    text = text.replace("[search]", '[merge]\nmode = "Add difference"\n[search]')
    spec = read_study_file(write_study(here, text))
    models = {letter: open_checkpoint(path) for letter, path in spec.merge.models.items()}
    two = read_study_file(write_study(here, STUDY))
    more = estimate.estimate(spec.search, spec.shots, spec.rendering, models)
    less = estimate.estimate(two.search, two.shots, two.rendering, {x: models[x] for x in "AB"})
    assert more.pictures - less.pictures == len(spec.shots.proof)
    (here / "c.safetensors").unlink()
    (error,) = errors(look(here, text))
    assert error.where.startswith("models.C")


def test_sizes_and_times_are_for_people() -> None:
    assert [size_text(n) for n in (999, 1500, 25_000_000, 4_200_000_000, 7e12)] == [
        "999 bytes", "1.5 kB", "25 MB", "4.2 GB", "7.0 TB",
    ]  # fmt: skip
    assert [time_text(s) for s in (40, 600, 27_000)] == ["40 s", "10 min", "7.5 h"]


@pytest.mark.parametrize(("sampler", "steps"), [("Heun", 10), ("DPM2", 10), ("DPM++ 2S a", 10), ("DPM++ SDE", 10)])
def test_steps_of_two_calls_are_estimated_as_two(monkeypatch: pytest.MonkeyPatch, sampler: str, steps: int) -> None:
    monkeypatch.setattr(estimate, "matrix_speed", lambda device: 1e12)

    def seconds(name: str, count: int) -> float:
        shot = Shot(prompt="x", seed=1, sampler=name, steps=count)
        return estimate.picture_seconds(shot, Widths(), torch.device("cpu"))

    assert seconds(sampler, steps) == seconds("DPM++ 2M", 2 * steps - 1)


def test_without_guidance_a_call_is_of_one_pass() -> None:
    shot = Shot(prompt="x", seed=1, steps=10)
    guided, plain = (estimate.picture_work(replace(shot, cfg=cfg), Widths()) for cfg in (7.0, 1.0))
    decoded = estimate.DECODE_FLOP
    assert guided - decoded == pytest.approx(2 * (plain - decoded))
    assert guided - decoded == pytest.approx(10 * estimate.call_work((512, 512), Widths()))
