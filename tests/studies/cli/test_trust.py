"""Programs that a study file names run only once a person has allowed them, for this file and this content."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from studies.cli.main import main
from studies.inputs.trust import trust_memory, trusted_before
from tests.studies.read_only import read_only
from tests.studies.sample_study import write_small_study

PROGRAM = "from pathlib import Path\nPath(__file__).with_name('ran').touch()\ndef score(image):\n    return 1\n"
COMMANDS = (["check"], ["run"], ["rescore"], ["pick"], ["pick", "--apply"], ["scorers", "check"])


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A study that names a program, for a user who never allowed one."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    path = write_small_study(tmp_path)
    path.write_text(path.read_text() + 'weights = { style = 1, "mine.py" = 0.5 }\n')
    (tmp_path / "mine.py").write_text(PROGRAM)
    return path


def has_run(study: Path) -> bool:
    return (study.parent / "ran").exists()


def called(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.mark.parametrize("command", COMMANDS)
def test_without_a_terminal_a_program_is_refused_before_it_runs(study: Path, command: list[str]) -> None:
    refused = called(*command, study)
    assert refused.exit_code == 1
    assert refused.output == (
        f"Error: {study.parent / 'mine.py'}: is a program that the study file names as a scorer, and nobody has "
        "allowed it to run here; read it, and if you trust it, run the command again with --trust\n"
    )
    assert not has_run(study)


def test_show_and_the_others_that_judge_nothing_do_not_ask(study: Path) -> None:
    assert "has not been run yet" in called("show", study).output


def test_the_option_allows_it_once_for_all_commands(study: Path) -> None:
    checked = called("check", study, "--trust")
    assert checked.exit_code == 0, checked.output
    assert f"note: scorers: {study.parent / 'mine.py'}: a program that judges with all your rights" in checked.output
    assert has_run(study)
    assert called("check", study).exit_code == 0
    assert called("scorers", "check", study).exit_code == 0


def test_another_content_and_another_place_are_asked_about_again(study: Path, tmp_path: Path) -> None:
    assert called("check", study, "--trust").exit_code == 0
    (study.parent / "mine.py").write_text(PROGRAM + "# changed\n")
    (study.parent / "ran").unlink()
    assert "nobody has allowed it" in called("check", study).output
    assert not has_run(study)
    (study.parent / "mine.py").write_text(PROGRAM)
    assert called("check", study).exit_code == 0
    (study.parent / "mine.py").rename(tmp_path / "other.py")
    study.write_text(study.read_text().replace("mine.py", "other.py"))
    assert "other.py: is a program that the study file names" in called("check", study).output


def test_a_compiled_copy_beside_the_file_is_not_run(study: Path) -> None:
    """A folder from somebody else can hold one, of whatever source."""
    import importlib.util
    import py_compile

    evil = study.parent / "evil.py"
    evil.write_text("from pathlib import Path\nPath(__file__).with_name('evil ran').touch()\n" + PROGRAM)
    compiled = importlib.util.cache_from_source(str(study.parent / "mine.py"))
    py_compile.compile(str(evil), compiled, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
    assert called("check", study, "--trust").exit_code == 0
    assert has_run(study)
    assert not (study.parent / "evil ran").exists()


@pytest.mark.parametrize("content", ["{", "7", '["x"]', '{"a": 1}'])
def test_a_memory_that_cannot_be_read_allows_nothing(study: Path, content: str) -> None:
    assert called("check", study, "--trust").exit_code == 0
    trust_memory().write_text(content)
    assert "nobody has allowed it" in called("check", study).output


def test_an_answer_that_cannot_be_kept_holds_for_this_command(study: Path) -> None:
    with read_only(study.parent):
        checked = called("check", study, "--trust")
    assert has_run(study) is False  # nothing can be written there
    assert "cannot be written (Permission denied), so the next command asks again" in checked.output
    assert trusted_before(trust_memory()) == frozenset()


@pytest.mark.parametrize(("answer", "status"), [("y", 0), ("n", 1), ("", 1)])
def test_at_a_terminal_it_asks_once(study: Path, answer: str, status: int) -> None:
    ours, theirs = pytest.importorskip("pty").openpty()
    command = [sys.executable, "-m", "studies.cli.main", "check", str(study)]
    process = subprocess.Popen(command, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    os.close(theirs)
    os.write(ours, f"{answer}\n".encode())
    output = process.communicate(timeout=120)[0]
    os.close(ours)
    assert process.returncode == status, output
    assert f"{study} names scorers that are programs; they run with all your rights:" in output
    assert has_run(study) is (status == 0)
    assert bool(trusted_before(trust_memory())) is (status == 0)
