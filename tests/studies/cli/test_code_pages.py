"""Texts from Windows are read; characters that a terminal's code page lacks are escapes, and no traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from studies.cli.main import main
from studies.studyfile.read import read_study_file
from tests.studies.study_text import STUDY, write_study

ROOT = Path(__file__).parents[3]
RECIPE = 'format = 1\n[models]\nA = "日本.safetensors"\nB = "b.safetensors"\n[[steps]]\nkind = "merge"\nalpha = 0.5\n'


def run(*arguments: str, encoding: str, folder: Path) -> tuple[int, bytes]:
    """The exit status and all that the command prints, to a pipe."""
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "0"}
    command = [sys.executable, "-m", "studies.cli.main", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("encoding", ["cp1252", "cp932"])
def test_what_the_code_page_lacks_is_an_escape(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "a.toml").write_text(RECIPE, encoding="utf-8")
    status, output = run("recipe", "convert", "a.toml", "-", "--to", "toml", encoding=encoding, folder=tmp_path)
    assert status == 0, output
    shown = "日本" if encoding == "cp932" else r"\u65e5\u672c"
    assert shown in output.decode(encoding)


def test_messages_too(tmp_path: Path) -> None:
    status, output = run("check", "ルック.toml", encoding="latin-1", folder=tmp_path)
    assert status == 1
    assert output.startswith(b"Error: ")
    assert b"\\u30eb\\u30c3\\u30af.toml: there is no such study file" in output


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le"])
def test_recipes_and_studies_of_windows_are_read(tmp_path: Path, encoding: str) -> None:
    study = write_study(tmp_path, STUDY.replace("a cat on grass", "猫"))
    study.write_bytes(study.read_text(encoding="utf-8").replace("\n", "\r\n").encode(encoding))
    assert read_study_file(study).shots.trials[0].prompt == "猫"
    text = RECIPE.replace("\n", "\r\n").encode(encoding)
    (tmp_path / "a.toml").write_bytes(text)
    for source in ((str(tmp_path / "a.toml"),), ("-", "--from", "toml")):
        found = CliRunner().invoke(main, ["recipe", "convert", *source, "-", "--to", "toml"], input=text)
        assert (found.exit_code, "日本" in found.output) == (0, True), found.output


def test_history_and_presets_of_windows_are_read(tmp_path: Path) -> None:
    presets = "preset_name\tpreset_weights\r\nMINE\t" + ",".join(["0.5"] * 26) + "\r\n"
    (tmp_path / "p.txt").write_bytes(presets.encode("utf-16"))
    arguments = ["recipe", "show", str(tmp_path / "p.txt"), "--from", "preset", "--preset", "MINE"]
    assert CliRunner().invoke(main, arguments).exit_code == 0
    (tmp_path / "p.txt").write_bytes("é".encode("cp1252"))
    found = CliRunner().invoke(main, arguments)
    assert (found.exit_code, "p.txt: line 1 is not UTF-8 text" in found.output) == (1, True), found.output
