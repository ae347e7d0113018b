"""Arguments that begin with a minus, arguments that lack something, and what commands print to go on with."""

from __future__ import annotations

import re
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from engine.recipes.steps import MergeStep
from engine.supermerger.weights import parse_weights
from studies.cli.main import main
from studies.progress import meter
from studies.store.judged.outcome import read_outcome

NEGATIVE = ",".join(["-0.5", *["0"] * 25])


def called(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.mark.parametrize("first", ["-0.5", "-.5", "-1", "-5e-1"])
def test_weights_may_begin_with_a_minus(first: str) -> None:
    text = ",".join([first, *["0"] * 25])
    done = called("recipe", "convert", text, "-", "--from", "weights", "--family", "sd1", "--to", "weights")
    assert done.exit_code == 0, done.output
    assert float(done.output.split(",")[0]) == float(first)


def test_adjust_texts_and_options_with_numbers_are_as_before() -> None:
    adjust = "-1,0,0,0,0,0,0,0"
    done = called("recipe", "convert", adjust, "-", "--from", "adjust", "--to", "adjust", "--family", "sd1")
    assert (done.exit_code, done.output) == (0, f"{adjust}\n")
    other = called("recipe", "convert", NEGATIVE, "-", "--from", "weights", "--family", "sd1", "--beta", "-0.5")
    assert other.exit_code == 0, other.output


def test_a_file_may_begin_with_a_minus(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(copied.parent)
    copied.rename("-night.toml")
    for arguments in (["show", "-night.toml"], ["show", "--", "-night.toml"], ["show", "--top", "3", "-night.toml"]):
        done = called(*arguments)
        assert done.exit_code == 0, done.output
        assert "study small: 13 trials" in done.output


def test_an_unknown_option_that_may_be_a_file_says_how_to_name_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = called("show", "-gone.toml")
    assert done.exit_code == 2
    assert (
        "There is no option -gone.toml. A file of that name goes after two minus: main show -- -gone.toml"
        in done.output
    )
    assert "Did you mean '--top'?" in called("show", "--tap", "3", "x").output


@pytest.mark.parametrize("mode", ["Triple sum", "Add difference", "sum Twice"])
def test_a_mode_of_three_models_needs_a_third(tmp_path: Path, mode: str) -> None:
    refused = called("init", tmp_path / "study.toml", "--mode", mode)
    assert refused.exit_code == 2
    assert (
        f"Error: {mode} takes three models: name the third with -c, such as -c models/c.safetensors" in refused.output
    )
    assert not (tmp_path / "study.toml").exists()
    assert called("init", tmp_path / "study.toml", "--mode", mode, "-c", "c.safetensors").exit_code == 0


def test_show_prints_every_finalist_to_paste(copied: Path) -> None:
    shown = called("show", copied).output
    outcome = read_outcome(copied.parent / "runs" / "small")
    assert outcome.finalists
    for number, standing in enumerate(outcome.finalists, start=1):
        beginning = rf"finalist {number}(, run 1 of \d)? in SuperMerger, Weight sum, normal:\n"
        lines = re.split(beginning, shown)[-1].splitlines()
        row = lines[0].removeprefix("  weights: ")
        recipe = standing.candidate.recipe
        step = recipe.steps[0]
        assert isinstance(step, MergeStep)
        assert parse_weights(row, "sd1", recipe.rules).numbers == step.alpha


def test_a_moved_study_goes_on_where_it_is_now(copied: Path, tmp_path: Path) -> None:
    moved = copied.parent.rename(tmp_path / "moved") / "study.toml"
    shown = called("show", moved).output
    assert f"contact sheet: {moved.parent / 'runs/small/finalists.png'}\n" in shown
    assert called("approve", moved, "--note", "x").exit_code == 0
    exported = called("export", moved)
    assert exported.exit_code == 0, exported.output
    again = called("run", moved)
    assert again.exit_code == 0, again.output


def test_check_says_at_its_end_what_to_do(copied: Path) -> None:
    (copied.parent / "lamplight.safetensors").unlink()
    checked = called("check", copied)
    assert checked.exit_code == 1
    assert checked.output.splitlines()[-1] == (
        f"not ready: fix the errors above, then again: recipe-search check {copied}"
    )


def test_a_line_of_progress_separates_its_note() -> None:
    out = StringIO()
    with meter("searching", 2, Console(file=out, width=200)) as bar:
        bar.advance(2, note="trial 1 failed: [x]")
    assert re.fullmatch(r"searching: 2/2, \d+ s, about 0 s left; trial 1 failed: \[x\]\n", out.getvalue())


def test_a_closed_standard_input_ends_a_question(copied: Path) -> None:
    shell = ["sh", "-c", 'exec "$0" "$@" <&-', sys.executable, "-m", "studies.cli.main"]
    words = [*shell, "pick", str(copied), "--count", "1", "--no-view"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("0 picks: 0 with a broken picture, 0 ties\n")


def test_a_study_file_is_not_written_under_a_home_that_there_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["init", "~nosuchuser/x.toml", "-a", "a", "-b", "b", "--references", "r"]
    done = CliRunner().invoke(main, words)
    assert "~nosuchuser/x.toml: there is no such home folder" in done.output
    assert [*tmp_path.iterdir()] == []


def test_the_device_of_a_night_is_checked_before_anything_is_read(copied: Path) -> None:
    refused = called("run", copied, "--device", "gpu")
    assert refused.exit_code == 2, refused.output
    assert "Invalid value for '--device': unknown device" in refused.output
    taken = called("run", copied, "--device", "cpu")
    assert taken.exit_code == 0, taken.output


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--encoder", "clipl"], '--encoder: is no known encoder ("clipl"); did you mean clip-l?'),
        (["--name", "a/b"], "--name: is not a name for a folder"),
        (["--name", ""], "Invalid value for '--name': it is empty"),
        (["-a", " "], "Invalid value for '-a' / '--model-a': it is empty"),
        (["--prompts", ""], "Invalid value for '--prompts': it is empty"),
    ],
)
def test_a_new_study_is_not_written_with_a_word_that_check_would_refuse(
    tmp_path: Path, words: list[str], told: str
) -> None:
    refused = called("init", tmp_path / "study.toml", *words)
    assert refused.exit_code != 0
    assert told in refused.output
    assert not list(tmp_path.iterdir())


def test_the_encoder_of_a_new_study_is_the_one_that_is_named(tmp_path: Path) -> None:
    assert called("init", tmp_path / "study.toml", "--encoder", "openclip-l").exit_code == 0
    assert '\nencoder = "openclip-l" ' in (tmp_path / "study.toml").read_text()


@pytest.mark.parametrize("command", ["view", "dashboard"])
def test_an_empty_host_is_not_every_address_of_the_machine(copied: Path, command: str) -> None:
    refused = called(command, copied, "--host", "", "--port", "0")
    assert refused.exit_code == 1
    assert "--host: is empty; use 127.0.0.1" in refused.output
    assert "is no address of this machine" in called(command, copied, "--host", "203.0.113.7", "--port", "0").output


@pytest.mark.parametrize("words", [["report", "STUDY", "--out"], ["scorers", "list", "--folder"]])
def test_a_name_that_no_file_can_have_is_one_sentence(copied: Path, words: list[str]) -> None:
    refused = called(*(str(copied) if word == "STUDY" else word for word in words), "a" * 300)
    assert refused.exit_code == 1
    assert ": is no name for a file (File name too long); use another one" in refused.output


@pytest.mark.parametrize("command", ["probe", "settings"])
def test_more_pictures_than_anybody_has_time_for_are_refused_at_once(copied: Path, command: str) -> None:
    refused = called(command, copied, "--pictures", 10**20)
    assert refused.exit_code == 2
    assert "is not in the range" in refused.output


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ["approve", "STUDY", "--note", "x", "--trial", "999"],
            "there is no finished trial 999; they go from 0 to",
        ),
        (["approve", "STUDY", "--note", "x", "--finalist", "9"], "no finalist 9: this study has finalists 1 to 2"),
        (["settings", "STUDY", "--finalist", "9"], "no finalist 9: this study has finalists 1 to 2"),
        (["situations", "STUDY", "--finalist", "9"], "no finalist 9: this study has finalists 1 to 2"),
        (["export", "STUDY", "--pin", "7"], "there is no pin 7; the pins of this study: 1"),
        (["init", "next.toml", "--from", "STUDY", "--pin", "7"], "there is no pin 7; the pins of this study: 1"),
    ],
)
def test_a_number_that_there_is_not_names_those_that_there_are(copied: Path, words: list[str], told: str) -> None:
    assert called("approve", copied, "--note", "x").exit_code == 0
    refused = called(*(copied if word == "STUDY" else word for word in words))
    assert refused.exit_code == 1
    assert told in refused.output
    assert "pictures" not in refused.output, "it is said before anything else"
