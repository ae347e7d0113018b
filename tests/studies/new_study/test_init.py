"""`recipe-search init`: by options, and by answers in a terminal."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from studies.cli.main import main
from studies.studyfile.read import read_study_file
from tests.studies.sample_study import write_small_study

pty = pytest.importorskip("pty")


@pytest.fixture(autouse=True)
def _ctrl_c() -> Generator[None]:
    """Ctrl+C as in a terminal: what a shell starts in the background ignores it, and so do its children."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the sample world's models and references and no study; the command is typed here."""
    write_small_study(tmp_path).unlink()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("studies.cli.init._is_terminal", lambda: True)
    return tmp_path


def asked(*answers: str) -> Result:
    return CliRunner().invoke(main, ["init"], input="".join(f"{answer}\n" for answer in answers))


ANSWERS = ("", "illustration.safetensors", "photo.safetensors", "", "references", "", "", "", "night")


def test_answers_write_what_the_printed_command_writes(here: Path) -> None:
    done = asked(*ANSWERS)
    assert done.exit_code == 0, done.output
    study = here / "study.toml"
    spec = read_study_file(study)
    assert spec.storage.name == "night"
    assert len(spec.target.references) > 8
    text = study.read_text()
    study.unlink()
    command = done.output.splitlines()[-1].strip()
    assert command == ("recipe-search init study.toml -a illustration.safetensors -b photo.safetensors --name night")
    again = CliRunner().invoke(main, shlex.split(command)[1:])
    assert again.exit_code == 0, again.output
    assert study.read_text() == text


def test_every_answer_is_checked_at_once_and_asked_for_again(here: Path) -> None:
    (here / "old.toml").write_text("mine")
    (here / "empty").mkdir()
    (here / "prompts.txt").write_text("a cat\n")
    done = asked(
        *("old.toml", "new.toml", "gone.safetensors", "'illustration.safetensors'"),
        *("illustration.safetensors", "photo.safetensors", "", "empty", "references"),
        *("flat", "photo", "prompts.txt", "", "gone.txt", "prompts.txt", "a/b", "night"),
    )
    assert done.exit_code == 0, done.output
    for said in (
        "old.toml: already exists",
        "gone.safetensors",
        "illustration.safetensors: is the same file as one before",
        "empty: holds no picture",
        "prompts.txt: ",
        "gone.txt: cannot be read",
        "is not a name for a folder",
    ):
        assert said in done.output, said
    spec = read_study_file(here / "new.toml")
    assert (spec.target.like, spec.target.unlike) == ("flat", "photo")
    assert {shot.prompt for shot in spec.shots.every} == {"a cat"}


def test_few_references_ask_for_the_look_in_words(here: Path) -> None:
    for picture in sorted((here / "references").iterdir())[2:]:
        picture.unlink()
    done = asked(*ANSWERS[:5], "", "flat", "", "", "", "night")
    assert done.exit_code == 0, done.output
    assert "the look in words, which so few pictures need: " in done.output
    assert read_study_file(here / "study.toml").target.like == "flat"


def test_answers_that_end_early_write_nothing(here: Path) -> None:
    done = asked(*ANSWERS[:3])
    assert done.exit_code == 130
    assert "stopped; nothing was written" in done.output
    assert not [*here.glob("*.toml")]


def test_endless_wrong_answers_end(here: Path) -> None:
    done = asked("", *["gone"] * 30)
    assert done.exit_code == 1
    assert "20 answers in a row were wrong; nothing was written" in done.output
    assert not [*here.glob("*.toml")]


def test_without_a_terminal_nothing_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, ["init"])
    assert done.exit_code == 2
    assert "there is no terminal to ask in: name the new file" in done.output
    assert not [*tmp_path.iterdir()]


def test_options_give_the_look_and_the_prompts(here: Path) -> None:
    (here / "mine.txt").write_text("\n".join(f"prompt {number}" for number in range(40)))
    words = "init study.toml -a illustration.safetensors -b photo.safetensors --prompts mine.txt --like flat"
    done = CliRunner().invoke(main, [*words.split(), "--unlike", "photo"])
    assert done.exit_code == 0, done.output
    assert "16 prompts to search with, 16 pictures a recipe; 24 other prompts to prove with" in done.output
    spec = read_study_file(here / "study.toml")
    assert (spec.target.like, spec.target.unlike) == ("flat", "photo")
    refused = CliRunner().invoke(main, ["init", "other.toml", "--unlike", "photo"])
    assert "--unlike: means nothing without --like" in refused.output
    assert not (here / "other.toml").exists()


def test_ctrl_c_in_a_terminal_leaves_nothing(here: Path) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "studies.cli.main", "init"]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True) as asking:
        os.close(theirs)
        os.write(ours, b"\n")
        seen = b""
        until = time.monotonic() + 60
        while b"checkpoint A" not in seen and time.monotonic() < until:
            seen += os.read(ours, 1000)
        try:
            while asking.poll() is None and time.monotonic() < until:
                time.sleep(0.3)  # as a person: a signal just before the reading begins is seen at the next one
                os.kill(asking.pid, signal.SIGINT)
            assert asking.wait(5) == 130
            seen += os.read(ours, 1000)
        finally:
            asking.kill()
    os.close(ours)
    assert b"nothing was written" in seen
    assert not [*here.glob("*.toml")]
