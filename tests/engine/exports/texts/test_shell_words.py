"""Command lines survive the shells that people paste them into."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from engine.exports.texts.shell_words import command_lines, plain_number

WORDS = (
    "plain.safetensors", "two words", "日本語 の名前", "it's", "$HOME and `ls`", "!history", 'double "quotes"', "",
    "50% & (more)", r"C:\models\Aの 親.safetensors", "C:\\folder with space\\", "--alpha=-0.4,0.1", "line\nbreak",
    "“curly” ‘quotes’", "*?[a]~",
)  # fmt: skip


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
def test_a_posix_shell_sees_the_words() -> None:
    for word in WORDS:
        line = command_lines(["printf", "%s", word])[0].removeprefix("Linux, macOS: ")
        done = subprocess.run(["bash", "-c", line], capture_output=True, check=True)  # noqa: S607
        assert done.stdout.decode() == word


def test_most_commands_are_one_text_for_all_shells() -> None:
    words = [
        "python",
        "m.py",
        "-a",
        "/models/Aの 親.safetensors",
        "-wa",
        "0,0.35",
        "-ba",
        "-0.2",
        "it's.safetensors",
    ]
    assert command_lines(words) == (
        'python m.py -a "/models/Aの 親.safetensors" -wa "0,0.35" -ba -0.2 "it\'s.safetensors"',
    )


def test_windows_has_forms_of_its_own_where_they_differ() -> None:
    assert command_lines(["x", r"C:\models\a b.safetensors"]) == (
        r"Linux, macOS: x 'C:\models\a b.safetensors'",
        r'Windows: x "C:\models\a b.safetensors"',
    )
    assert command_lines(["x", "$a `b` ’c.safetensors"]) == (
        "Linux, macOS: x '$a `b` ’c.safetensors'",
        'Windows, cmd: x "$a `b` ’c.safetensors"',
        "Windows, PowerShell: x '$a `b` ’’c.safetensors'",
    )


def test_a_last_backslash_does_not_escape_the_quote_behind_it() -> None:
    assert command_lines(["x", "C:\\a b\\"])[1] == 'Windows: x "C:\\a b\\\\"'


@pytest.mark.parametrize(
    ("value", "text"), [(0.35, "0.35"), (1.0, "1"), (-0.2, "-0.2"), (1e-7, "0.0000001"), (-0.0, "0"), (120.0, "120")]
)
def test_numbers_have_no_exponent(value: float, text: str) -> None:
    assert plain_number(value) == text
