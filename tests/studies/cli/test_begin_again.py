"""A command whose work hangs is itself again in its new process: it reports, and tells of the night's end."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from studies.cli import actions
from studies.cli.main import main
from studies.cli.nights.run import BEGUN_AGAIN
from tests.studies.sample_study import write_small_study


@pytest.mark.skipif(sys.platform == "win32", reason="a process cannot put another one in its place there")
@pytest.mark.parametrize("checked", [False, True])
def test_only_a_worker_of_another_command_begins_again_as_one(
    checked: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, commands = write_small_study(tmp_path), list[list[str]]()

    def hang_at_once(*_: object, begin_again: Callable[[], None], **__: object) -> None:
        begin_again()

    monkeypatch.setenv(BEGUN_AGAIN, "0")
    monkeypatch.setattr(os, "execv", lambda _, command: commands.append(command))
    monkeypatch.setattr(actions, "search_study", hang_at_once)
    done = CliRunner().invoke(main, ["run", str(file), "--no-proof", "--trials", "3", *["--checked"] * checked])
    assert done.exit_code == 0, done.output
    (command,) = commands
    assert ("--checked" in command) == checked
    given = {"--no-proof", "--trials", "3", "--log-level", "info"}
    assert given <= set(command)
