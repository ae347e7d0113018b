"""Ctrl+C twice, output that nobody reads any more, and what killed commands left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from functools import partial
from pathlib import Path
from urllib.request import urlopen

import click
import pytest
from click.testing import CliRunner

from studies.cli.command import STOPPED_WORDS, OutermostGroup, plain_errors
from studies.cli.main import main
from studies.errors import StudyError
from studies.limits.signals import termination_as_interrupt
from studies.store.backends.locks import lock_file
from studies.store.judged.outcome import read_outcome
from studies.store.records import INTERRUPTED
from studies.store.storage import StudyStore
from tests.studies.sample_study import write_small_study

COMMAND = [sys.executable, "-m", "studies.cli.main"]


@pytest.fixture(autouse=True)
def _ctrl_c() -> Generator[None]:
    """Ctrl+C as in a terminal: what a shell starts in the background ignores it, and so do its children."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_a_second_signal_does_not_break_into_the_end() -> None:
    handled = list[str]()

    def stopped() -> None:
        with termination_as_interrupt():
            try:
                os.kill(os.getpid(), signal.SIGINT)
            finally:
                os.kill(os.getpid(), signal.SIGINT)
                os.kill(os.getpid(), signal.SIGTERM)
                handled.append("the end")

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert handled == ["the end"]
    assert signal.getsignal(signal.SIGINT) == before


def test_what_a_library_makes_of_an_interrupt_is_the_interrupt() -> None:
    def reading() -> None:
        try:
            os.kill(os.getpid(), signal.SIGINT)
        except KeyboardInterrupt:
            raise ValueError("could not determine the shape") from None

    def stopped() -> None:
        with termination_as_interrupt():
            reading()

    with pytest.raises(KeyboardInterrupt):
        stopped()


def test_what_a_library_makes_of_ctrl_c_is_no_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    """As numpy does, of whose parts one was being imported: it looks for it in itself, for ever."""

    @plain_errors
    def reading() -> None:
        try:
            os.kill(os.getpid(), signal.SIGINT)
        except KeyboardInterrupt:
            raise RecursionError("maximum recursion depth exceeded") from None

    with pytest.raises(click.exceptions.Exit) as ended:
        reading()
    assert ended.value.exit_code == 130
    assert STOPPED_WORDS in capsys.readouterr().err


def test_what_goes_wrong_after_ctrl_c_is_said() -> None:
    @plain_errors
    def ending() -> None:
        try:
            os.kill(os.getpid(), signal.SIGINT)
        except KeyboardInterrupt:
            raise StudyError("is full", place=(Path("disk"),)) from None

    with pytest.raises(click.ClickException, match="disk: is full"):
        ending()


def test_ctrl_c_again_and_again_is_one_plain_message(copied: Path) -> None:
    folder = copied.parent / "runs/small"
    journal = folder / "journal.log"
    journal.unlink()
    for name in ("outcome.json", "finalists.png"):
        (folder / name).unlink()
    for picture in (folder / "artifacts").iterdir():
        picture.unlink()
    with subprocess.Popen(
        [*COMMAND, "run", str(copied)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as night:
        while night.poll() is None and not (journal.exists() and b'"trial_id"' in journal.read_bytes()):
            time.sleep(0.05)
        while night.poll() is None:
            night.send_signal(signal.SIGINT)
        _, errors = night.communicate()
    assert night.returncode == 130, errors
    assert "stopped; what was finished is kept" in errors
    assert "Traceback" not in errors
    assert not list(lock_file(folder, "").parent.glob("worker-*"))
    assert not StudyStore(folder, "small").in_work()


@pytest.mark.parametrize("gap_s", [0.0, 0.02, 0.1])
def test_ctrl_c_again_and_again_ends_the_pages_once(copied: Path, gap_s: float) -> None:
    with subprocess.Popen(
        [*COMMAND, "view", str(copied), "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as pages:
        assert pages.stdout is not None
        address = pages.stdout.readline().split()[0]
        urlopen(address, timeout=60).close()  # noqa: S310 - our own pages
        for _ in range(6):
            if pages.poll() is None:
                pages.send_signal(signal.SIGINT)
            time.sleep(gap_s)
        _, errors = pages.communicate(timeout=60)
    assert (pages.returncode, errors) == (0, "")


def until(night: subprocess.Popen[str], words: str) -> None:
    """Read what a night prints until it prints some words."""
    assert night.stdout is not None
    lines = list[str]()
    for line in night.stdout:
        lines.append(line)
        if words in line:
            return
    pytest.fail(f"it ended without: {words}\n{''.join(lines)}")


def test_a_night_pauses_goes_on_and_finishes_its_trial_after_one_ctrl_c(tmp_path: Path) -> None:
    study = write_small_study(tmp_path, groups=200)
    folder, journal = tmp_path / "runs/small", tmp_path / "runs/small/journal.log"
    ask = partial(CliRunner().invoke, main)
    for command in ("pause", "resume", "stop"):
        assert "no night is at work" in ask([command, str(study)]).output
    with subprocess.Popen(
        [*COMMAND, "run", str(study), "--workers", "1"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as night:
        until(night, "calibrating the panel")
        assert "the night pauses after what is in work" in ask(["pause", str(study)]).output
        until(night, "paused as asked; `recipe-search resume` goes on")
        assert ask(["resume", str(study)]).output == "the night goes on\n"
        while night.poll() is None and not (journal.exists() and journal.read_bytes().count(b'"trial_id"') > 60):
            time.sleep(0.05)
        night.send_signal(signal.SIGINT)
        output, errors = night.communicate()
    assert night.returncode == 130, output + errors
    assert "what is in work is finished first" in errors
    store = StudyStore(folder, "small")
    states = [trial.user_attrs.get("reason", "") for trial in store.study.get_trials()]
    assert not store.in_work()
    assert len(states) > 2
    assert INTERRUPTED not in states, "the trial in work was finished"
    assert not list(lock_file(folder, "").parent.glob("worker-*"))


@pytest.mark.parametrize("arguments", [["run", "{}"], ["run", "{}", "--workers", "1"]], ids=["one", "a team"])
def test_a_night_goes_on_to_its_proof_when_nobody_reads_its_output(copied: Path, arguments: list[str]) -> None:
    outcome = copied.parent / "runs/small/outcome.json"
    outcome.unlink()
    command = [*COMMAND, *(text.format(copied) for text in arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as night:
        assert night.stdout is not None
        night.stdout.close()
        assert night.stderr is not None
        errors = night.stderr.read()
    assert night.returncode == 0, errors
    assert "Traceback" not in errors
    assert read_outcome(outcome.parent).finalists


@pytest.mark.parametrize("command", ["show", "check"])
def test_other_commands_end_quietly_when_nobody_reads_their_output(copied: Path, command: str) -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [*COMMAND, command, str(copied)], stdout=write, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(write)
    assert done.stderr == ""


def test_any_command_deletes_what_a_killed_export_left(copied: Path) -> None:
    exports = copied.parent / "runs/small/exports"
    exports.mkdir()
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    left, living = exports / f".small-1.{done.pid}.part", exports / f".small-1.{os.getpid()}.part"
    left.touch()
    living.touch()
    assert CliRunner().invoke(main, ["show", str(copied)]).exit_code == 0
    assert not left.exists()
    assert living.exists()


@pytest.mark.parametrize(
    "arguments", [["show", "{}", "--top", "-3"], ["pick", "{}", "--count", "-1"]], ids=["show", "pick"]
)
def test_counts_below_0_are_refused(tmp_path: Path, arguments: list[str]) -> None:
    done = CliRunner().invoke(main, [text.format(tmp_path / "study.toml") for text in arguments])
    assert done.exit_code == 2
    assert "is not in the range x>=0" in done.output


def test_a_folder_that_doctor_cannot_find_is_told(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["doctor", str(tmp_path / "foo")])
    assert done.exit_code == 1
    assert done.output.startswith(f"Error: {tmp_path / 'foo'}: there is no such folder; ")


@pytest.mark.parametrize("module", ["studies.cli.main", "studies.cli.judge"])
def test_ctrl_c_while_everything_is_imported_is_one_sentence(module: str) -> None:
    presses = f"""
import os, signal, sys
from studies.cli.start import start

class Presses:
    def find_spec(self, name, *_):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Presses())
sys.argv = ["recipe-search", "doctor"]
start()
"""
    done = subprocess.run([sys.executable, "-c", presses], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "\nstopped before it began; nothing was changed\n")


@pytest.mark.parametrize("error", [KeyboardInterrupt, click.Abort])
def test_ctrl_c_before_a_command_is_at_work_is_one_sentence(error: type[BaseException]) -> None:
    @click.group(cls=OutermostGroup)
    def group() -> None: ...

    @group.command()
    def asks() -> None:
        raise error

    done = CliRunner().invoke(group, ["asks"])
    assert done.exit_code == 130
    assert done.output == "\nstopped; what was finished is kept: run the same command again to go on\n"
