"""Bad input through the command line: a clear message, a non-zero exit, nothing lost and nothing written over."""

from __future__ import annotations

import pickle
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result
from safetensors.torch import load_file, save_file

from studies.cli.main import main
from studies.store.storage import StudyStore
from studies.studyfile.read import read_study_file
from tests.studies.sample_study import write_small_study


def command(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1000])


def pickled(path: Path) -> None:
    path.write_bytes(pickle.dumps({"state_dict": {"a": 1}}))


def torch_saved(path: Path) -> None:
    torch.save({"state_dict": {"a": torch.zeros(2)}}, path)


def of_another_architecture(path: Path) -> None:
    save_file({"conditioner.embedders.1.model.ln_final.weight": torch.ones(4)}, path)


def not_finite(path: Path) -> None:
    tensors = load_file(path)
    tensors["model.diffusion_model.input_blocks.1.0.in_layers.2.weight"][0, 0, 0, 0] = float("nan")
    save_file(tensors, path)


def without_a_block(path: Path) -> None:
    tensors = load_file(path)
    save_file({k: v for k, v in tensors.items() if "output_blocks.5." not in k}, path)


def missing(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (missing, "lamplight.safetensors"),
        (truncated, "truncated|cut|too short|ends"),
        (pickled, "pickle"),
        (torch_saved, "pickle|PyTorch"),
        (of_another_architecture, "SDXL"),
        (not_finite, "NaN|not finite"),
        (without_a_block, "output_blocks.5."),
    ],
)
def test_a_bad_checkpoint_stops_check_and_run_before_anything_is_written(
    tmp_path: Path, spoil: Callable[[Path], None], said: str
) -> None:
    study = write_small_study(tmp_path)
    spoil(tmp_path / "lamplight.safetensors")
    for name in ("check", "run"):
        result = command(name, str(study))
        assert result.exit_code == 1, result.output
        assert "lamplight.safetensors" in result.output
        assert any(word in result.output for word in said.split("|")), result.output
        assert "Traceback" not in result.output
    assert not (tmp_path / "runs" / "small" / "journal.log").exists()


def test_references_that_are_no_pictures_are_all_named(tmp_path: Path) -> None:
    study = write_small_study(tmp_path)
    for name in ("00.png", "07.png"):
        (tmp_path / "references" / name).write_text("not a picture")
    result = command("run", str(study))
    assert result.exit_code == 1
    assert "00.png" in result.output
    assert "07.png" in result.output
    assert not (tmp_path / "runs").exists()


def test_five_problems_of_a_study_file_are_told_at_once(tmp_path: Path) -> None:
    study = write_small_study(tmp_path)
    text = study.read_text()
    for good, bad in (
        ("width = 64", "width = 65"),
        ("steps = 2", "stepz = 2"),
        ("CONT = [-3, 3]", "CONT = [3, -3]"),
        ('["OUT11:attn1"]', '["OUT99:attn1"]'),
        ("groups = 3", 'groups = "many"'),
    ):
        assert good in text
        text = text.replace(good, bad)
    study.write_text(text)
    result = command("check", str(study))
    assert result.exit_code == 1
    for place in ("render.width", "stepz", "space.adjust.CONT", "OUT99", "search.groups"):
        assert place in result.output, result.output


def test_a_folder_that_cannot_be_written_is_said_before_the_search(tmp_path: Path) -> None:
    study = write_small_study(tmp_path)
    (tmp_path / "file").write_text("in the way")
    study.write_text(study.read_text().replace("seed = 3", 'seed = 3\nfolder = "file/runs"', 1))
    for name in ("check", "run"):
        result = command(name, str(study))
        assert result.exit_code == 1
        assert str(tmp_path / "file") in result.output
        assert "Traceback" not in result.output
    assert (tmp_path / "file").read_text() == "in the way"


def test_a_full_disk_stops_the_night_and_the_next_one_goes_on(tmp_path: Path) -> None:
    study = write_small_study(tmp_path)
    spec = read_study_file(study)
    run = [sys.executable, "-m", "studies.cli.main", "run", str(study)]
    limit = 30_000  # bytes of a single file: the journal reaches it in the middle of the search
    full = subprocess.run(
        run,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    assert full.returncode == 1, full.stderr
    assert "disk is full" in full.stderr
    assert "every finished trial is kept" in full.stderr
    assert "Traceback" not in full.stderr
    kept = [trial.user_attrs["recipe_key"] for trial in StudyStore(spec.storage.folder, spec.storage.name).trials()]
    assert kept
    after = subprocess.run(run, capture_output=True, text=True, check=False)
    assert after.returncode == 0, after.stderr
    done = [trial.user_attrs["recipe_key"] for trial in StudyStore(spec.storage.folder, spec.storage.name).trials()]
    assert done[: len(kept)] == kept
    assert len(done) == 23


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run", "nowhere.toml"), "there is no such study file"),
        (("approve", "{study}", "--note", "n"), "no outcome yet"),
        (("export", "{study}"), "nothing is approved yet"),
        (("show", "{study}"), "has not been run yet"),
        (("merge", "{study}", "{out}"), "format"),
        (("init", "{study}"), "already exists"),
    ],
)
def test_commands_out_of_turn_say_what_to_do(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    study = write_small_study(tmp_path)
    before = study.read_text()
    filled = [a.format(study=study, out=tmp_path / "out.safetensors") for a in arguments]
    result = command(*filled)
    assert result.exit_code == 1, result.output
    assert said in result.output
    assert study.read_text() == before
    assert not (tmp_path / "out.safetensors").exists()


def test_merge_never_writes_over_a_file_unasked(tmp_path: Path) -> None:
    write_small_study(tmp_path)
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        'format = 1\ndialect = "classic"\n[models]\nA = "closeups.safetensors"\nB = "lamplight.safetensors"\n'
        '[[steps]]\nkind = "merge"\nalpha = { flat = 0.35 }\n'
    )
    out = tmp_path / "merged.safetensors"
    out.write_text("precious")
    refused = command("merge", str(recipe), str(out))
    assert refused.exit_code == 1
    assert "exists already" in refused.output
    assert out.read_text() == "precious"
    text = tmp_path / "merged.supermerger.txt"
    text.mkdir()
    refused = command("merge", str(recipe), str(out), "--overwrite")
    assert refused.exit_code == 1
    assert f"{text}: is a folder" in refused.output
    assert out.read_text() == "precious"
    text.rmdir()
    done = command("merge", str(recipe), str(out), "--overwrite")
    assert done.exit_code == 0, done.output
    merged, a, b = (load_file(tmp_path / name) for name in (out.name, "closeups.safetensors", "lamplight.safetensors"))
    key = "model.diffusion_model.output_blocks.5.0.in_layers.2.weight"
    exact = (0.65 * a[key].double() + 0.35 * b[key].double()).half()
    torch.testing.assert_close(merged[key], exact, rtol=2**-10, atol=2**-24)  # one step of fp16


def test_a_merge_without_recipe_leaves_no_text_of_another(tmp_path: Path) -> None:
    write_small_study(tmp_path)
    recipe, out = tmp_path / "recipe.toml", tmp_path / "out.safetensors"
    recipe.write_text(
        'format = 1\n[models]\nA = "closeups.safetensors"\nB = "lamplight.safetensors"\n[[steps]]\nalpha = 0.5\n'
    )
    assert command("merge", str(recipe), str(out)).exit_code == 0
    text = out.with_suffix(".supermerger.txt")
    assert text.exists()
    assert command("merge", str(recipe), str(out), "--no-recipe", "--overwrite").exit_code == 0
    assert not text.exists()
