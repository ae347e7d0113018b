"""Names, notes, prompts, file names and metadata of others cannot steer the terminal that shows them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from studies.cli.main import main
from studies.terminal import visible

EVIL = "a\x1b[2Jb\x1b]0;title\x07c\x9b31md\u202ee\rf\u2066g\x7f"
SHOWN = r"a\u001b[2Jb\u001b]0;title\u0007c\u009b31md\u202ee\u000df\u2066g\u007f"
OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def called(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def in_toml(text: str) -> str:
    return json.dumps(text).replace("\x7f", "\\u007f")


@given(st.text())
def test_ordinary_text_stays_and_nothing_else_is_left(text: str) -> None:
    assert not OBEYED.search(visible(text).replace("\r\n", "\n"))
    plain = "".join(letter for letter in text if letter.isprintable())
    assert visible(plain) == plain or any(ord(letter) > 0xFFF0 for letter in plain)


@pytest.mark.parametrize("text", ["日本語 ルック\n", "tab\there", "line\r\nnext", "👩‍🎨 é ñ", "a\\u001b[0m"])
def test_what_people_write_is_left_alone(text: str) -> None:
    assert visible(text) == text


def test_what_a_terminal_obeys_is_shown() -> None:
    assert visible(EVIL) == SHOWN
    assert visible("\ufeff\udc80\U000e0041") == r"\ufeff\udc80\U000e0041"
    assert json.loads(f'"{visible(EVIL)}"') == EVIL


def test_a_note_and_a_name_in_show(copied: Path) -> None:
    approved = called("approve", copied, "--note", EVIL, "--by", EVIL)
    assert approved.exit_code == 0, approved.output
    for output in (approved.output, called("show", copied).output):
        assert f"by {SHOWN} at" in output
        assert not OBEYED.search(output)
    assert f": {SHOWN}\n" in called("show", copied).output


def test_a_studys_name_and_its_prompts_in_errors_and_findings(copied: Path) -> None:
    text = copied.read_text()
    copied.write_text(text.replace('"a red cat on the beach"', in_toml(f"(a:1.1 __{EVIL}__")))
    checked = called("check", copied).output
    assert r"\u001b[2Jb" in checked
    assert not OBEYED.search(checked)
    for old, key in (("steps = 2", "steps"), ('name = "small"', "name")):  # a value that is shown is escaped by itself
        copied.write_text(text.replace(old, f"{key} = {in_toml(EVIL)}"))
        refused = called("show", copied).output
        assert re.search(r"a\\(u00|x)1b\[2Jb", refused)
        assert not OBEYED.search(refused)


def test_names_of_files_and_options(tmp_path: Path) -> None:
    missing = called("show", tmp_path / "a\x1b[2J\u202e.toml")
    assert r"a\u001b[2J\u202e.toml" in missing.output
    for output in (missing.output, called("a\x1b[2J").output, called("show", "--a\x1b[2J").output):
        assert not OBEYED.search(output)
        assert re.search(r"a\\(u00|x)1b\[2J", output)


def test_foreign_metadata(tmp_path: Path) -> None:
    for mode, says in (("Weight sum", rf"model A: {re.escape(SHOWN)}"), (EVIL, r"merge mode 'a\\x1b\[2J")):
        recipe = {"type": "sd-webui-supermerger", "model_a": EVIL, "model_b": EVIL, "mode": mode, "base_alpha": 0.5}
        metadata = {"sd_merge_recipe": json.dumps(recipe), "sd_merge_models": json.dumps({EVIL: {"name": EVIL}})}
        save_file({"x": torch.zeros(1)}, tmp_path / "a.safetensors", metadata)
        shown = called("recipe", "show", tmp_path / "a.safetensors", "--family", "sd1").output
        assert re.search(says, shown)
        assert not OBEYED.search(shown)


def test_markup_and_emoji_codes_are_text(copied: Path) -> None:
    note = "[bold]x[/bold] [/no] :cat:"
    assert called("approve", copied, "--note", note).exit_code == 0
    assert note in called("show", copied).output


def test_a_terminal_gets_the_same(copied: Path) -> None:
    assert called("approve", copied, "--note", EVIL).exit_code == 0
    ours, theirs = pytest.importorskip("pty").openpty()
    command = [sys.executable, "-m", "studies.cli.main", "show", str(copied)]
    process = subprocess.Popen(command, stdout=theirs, stderr=theirs, stdin=subprocess.DEVNULL)
    os.close(theirs)
    output = b""
    try:
        while piece := os.read(ours, 65536):
            output += piece
    except OSError:  # the other end is closed
        pass
    os.close(ours)
    assert process.wait() == 0
    assert SHOWN in output.decode().replace("\r\n", "")
    assert b"\x1b[2J" not in output
    assert b"\x1b]0;" not in output


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "latin-1"])
def test_letters_that_the_output_lacks_are_escaped(copied: Path, encoding: str) -> None:
    assert called("approve", copied, "--note", "日本語 ルック").exit_code == 0
    shown = subprocess.run(
        [sys.executable, "-m", "studies.cli.main", "show", str(copied)],
        check=False,
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": encoding},
    )
    assert shown.returncode == 0, shown.stderr
    assert rb"\u65e5\u672c\u8a9e" in shown.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="a shell of POSIX closes streams")
@pytest.mark.parametrize("closed", ["<&- >&- 2>&-", ">&-", "2>&-"])
def test_closed_streams_are_no_fault(closed: str, tmp_path: Path) -> None:
    command = ["sh", "-c", f'exec "$0" -m studies.cli.main status "$1" --json {closed}', sys.executable, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, stdin=subprocess.PIPE, check=False)
    assert done.returncode == 0, done.stderr
