"""The log of a night: whole lines of JSON from all workers, bounded, and without passwords."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from rich.table import Table

from studies.errors import StudyError
from studies.progress import meter
from studies.status import night_log
from studies.status.log_lines import BEFORE, LOG, followed, last_lines
from studies.status.night_log import NightLog, night_logged
from studies.status.secrets import without_secrets
from studies.terminal import lasting_console
from tests.studies.read_only import read_only


def lines_of(folder: Path, name: str = LOG) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / name).read_bytes().splitlines()]


def test_what_the_console_shows_warnings_and_the_end_are_lines_with_level_and_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    console, table = lasting_console(), Table("recipe")
    table.add_row("FLAT_50")
    before = time.time()

    def night() -> None:
        with night_logged(tmp_path, "mix"):
            console.print("warning: few references")
            console.print(table)
            logging.getLogger("studies.night").info("joined", extra={"facts": {"worker": "41-ab"}})
            logging.getLogger("engine").debug("too much")
            logging.getLogger("somebody.else").info("nothing to us")
            logging.getLogger("somebody.else").warning("a warning of a library")
            with meter("searching", 2, console) as bar:
                bar.advance(note="trial 3 failed: no memory", level=logging.WARNING, facts={"trial": 3})
                bar.advance(0, note="waiting")
                bar.advance(0, note="waiting")
            raise StudyError("5 trials in a row failed")

    with pytest.raises(StudyError):
        night()
    lines = lines_of(tmp_path)
    assert [(line["level"], str(line["message"]).partition("\n")[0].strip()[:30]) for line in lines] == [
        ("warning", "warning: few references"),
        ("info", "┏━━━━━━━━━┓"),
        ("info", "joined"),
        ("warning", "a warning of a library"),
        ("warning", "trial 3 failed: no memory"),
        ("info", "waiting"),
        ("error", "5 trials in a row failed"),
    ]
    assert [line.get("worker") for line in lines] == [None, None, *["41-ab"] * 5]
    assert (lines[4]["trial"], lines[4]["work"], lines[4]["done"], lines[4]["of"]) == (3, "searching", 1, 2)
    assert all(before - 1 < line.at.timestamp() < time.time() + 1 for line in last_lines(tmp_path, 99))
    assert "few references" in capsys.readouterr().out
    console.print("after the night")
    assert len(lines_of(tmp_path)) == 7


def test_the_terminal_shows_what_it_showed_before(tmp_path: Path) -> None:
    code = (
        "import logging, sys\nfrom pathlib import Path\nfrom studies.status.night_log import night_logged\n"
        "logging.basicConfig(level=logging.WARNING, format='%(levelname)s: %(message)s')\n"
        "with night_logged(Path(sys.argv[1]), 'mix', sys.argv[2]):\n"
        "    logging.getLogger('studies.x').info('a detail')\n    logging.getLogger('studies.x').warning('a warning')\n"
        "logging.getLogger('studies.x').info('afterwards')\n"
    )
    shown = [
        subprocess.run(
            [sys.executable, "-c", code, str(tmp_path), level], capture_output=True, text=True, check=True
        ).stderr
        for level in ("info", "error")
    ]
    assert shown == ["WARNING: a warning\n"] * 2
    assert [line["message"] for line in lines_of(tmp_path)] == ["a detail", "a warning"]


def test_a_level_is_kept_to(tmp_path: Path) -> None:
    for level in ("debug", "warning"):
        with night_logged(tmp_path, "mix", level):
            logging.getLogger("search.x").debug("a step")
            logging.getLogger("search.x").warning("a warning")
    assert [line["message"] for line in lines_of(tmp_path)] == ["a step", "a warning", "a warning"]


def test_lines_wait_until_the_folder_is_there_and_none_makes_it(tmp_path: Path) -> None:
    with night_logged(tmp_path / "runs", "mix"):
        logging.getLogger("studies").warning("first")
        assert not (tmp_path / "runs").exists()
        (tmp_path / "runs").mkdir()
        logging.getLogger("studies").warning("second")
    assert [line["message"] for line in lines_of(tmp_path / "runs")] == ["first", "second"]


def test_a_log_that_cannot_be_written_ends_nothing(tmp_path: Path) -> None:
    with read_only(tmp_path), night_logged(tmp_path, "mix"):
        logging.getLogger("studies").warning("lost")
    assert not (tmp_path / LOG).exists()


def test_a_pipe_in_the_place_of_the_log_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / LOG)
    with night_logged(tmp_path, "mix"):
        logging.getLogger("studies").warning("lost")
    assert last_lines(tmp_path, 5) == ()


WRITES = """
import logging, sys
from pathlib import Path
from studies.status import night_log
night_log.LONGEST_BYTES = 400_000
with night_log.night_logged(Path(sys.argv[1]), "mix"):
    for number in range(1500):
        logging.getLogger("studies").warning("%d %s", number, "x" * (number % 300), extra={"facts": {"n": number}})
"""


def test_several_workers_write_whole_lines_and_the_log_stays_short(tmp_path: Path) -> None:
    team = [subprocess.Popen([sys.executable, "-c", WRITES, str(tmp_path)]) for _ in range(3)]
    assert [process.wait(120) for process in team] == [0, 0, 0]
    sizes = [(tmp_path / name).stat().st_size for name in (BEFORE, LOG)]
    assert 400_000 < sizes[0] < 410_000
    assert sizes[1] <= 410_000
    lines = [*lines_of(tmp_path, BEFORE), *lines_of(tmp_path)]
    for process in team:
        numbers = [line["n"] for line in lines if line["process"] == process.pid]
        assert numbers == sorted(numbers, key=str) or numbers == sorted(numbers)  # pyright: ignore[reportArgumentType]
        assert numbers[-1] == 1499
        assert len(numbers) == 1500 - int(str(numbers[0])), "none is lost in between"


def test_a_follower_sees_every_line_once_over_a_change_of_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(night_log, "LONGEST_BYTES", 3000)
    monkeypatch.setattr("studies.status.log_lines.POLL_S", 0.001)
    handler = NightLog(tmp_path, "mix")

    def write(number: int) -> None:
        handler.emit(logging.LogRecord("studies", logging.INFO, "", 0, "line %d", (number,), None))

    for number in range(3):
        write(number)
    follower = followed(tmp_path, 2)
    seen = [next(follower).message, next(follower).message]

    def write_more() -> None:
        for number in range(3, 60):
            write(number)
            time.sleep(0.005)

    writer = threading.Thread(target=write_more)
    writer.start()
    seen += [next(follower).message for _ in range(3, 60)]
    writer.join()
    assert (tmp_path / BEFORE).exists()
    assert seen == [f"line {number}" for number in range(1, 60)]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql+psycopg://me:s3cr@t/x@host/db is down", "postgresql+psycopg://me:***@host/db is down"),
        ("connect: password=hunter22 host=x", "connect: password=*** host=x"),
        ('{"token": "abcdef", "n": 1}', '{"token": "***", "n": 1}'),
        ("http://127.0.0.1:8090/?token=abc&x=1", "http://127.0.0.1:8090/?token=***&x=1"),
        ("the variable's value v4lue-of-it was sent", "the variable's value *** was sent"),
        ("postgresql://host/db, and mail me@host", "postgresql://host/db, and mail me@host"),
        ("two tokens: a cat", "two tokens: a cat"),
    ],
)
def test_passwords_are_hidden(monkeypatch: pytest.MonkeyPatch, text: str, shown: str) -> None:
    monkeypatch.setenv("PGPASSWORD", "v4lue-of-it")
    assert without_secrets(text) == shown


def test_no_line_holds_a_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "k3y-of-the-bucket")

    def night() -> None:
        with night_logged(tmp_path, "mix"):
            logging.getLogger("studies").warning("k3y-of-the-bucket", extra={"facts": {"url": ["a://b:c@d"]}})
            raise ValueError("postgresql://me:hunter22@host/db")

    with pytest.raises(ValueError, match="hunter22"):
        night()
    text = (tmp_path / LOG).read_text()
    assert "Traceback" in text
    assert not {word for word in ("k3y", "hunter22", "b:c@d") if word in text}
