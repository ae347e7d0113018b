"""The command that is told of a night's end: its facts, its limits, its failures, and who allows it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from click.testing import CliRunner

from studies.cli.main import main
from studies.errors import StudyError
from studies.status.notice import PREFIX, Notice, told_of_the_end
from studies.store.backends.requests import FolderRequests
from studies.studyfile.read import read_study_file

KEEPS = (
    "import json, os, sys; json.dump({'given': json.load(sys.stdin), 'cwd': os.getcwd(), 'words': sys.argv[1:], "
    "'variables': {k: v for k, v in os.environ.items() if k.startswith('RECIPE_SEARCH_')}}, open('told.json', 'w'))"
)


def notice_of(study: Path, *command: str) -> Notice:
    return Notice(command=command, file=study)


def told(study: Path) -> dict[str, Any]:
    return json.loads((study.parent / "told.json").read_text())


def runs(process: int) -> bool:
    """Whether a process runs; one that has ended may be listed until somebody asks for its status."""
    try:
        return psutil.Process(process).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_command_gets_the_facts_without_a_shell(copied: Path) -> None:
    lines: list[str] = []
    words = ("$HOME", "a b; touch x", "*")
    with told_of_the_end(
        notice_of(copied, sys.executable, "-c", KEEPS, *words), FolderRequests(copied.parent), lines.append
    ):
        pass
    assert lines == []
    facts = told(copied)
    assert (facts["words"], facts["cwd"]) == (list(words), str(copied.parent))
    assert (facts["given"]["result"], facts["given"]["state"]) == ("finished", "proved")
    assert facts["given"]["trials"] == {"done": 13, "planned": 13}
    assert facts["variables"][PREFIX + "RESULT"] == "finished"
    assert facts["variables"][PREFIX + "TRIALS"] == "13"
    assert float(facts["variables"][PREFIX + "BEST_SCORE"]) == facts["given"]["best"]["score"]


@pytest.mark.parametrize(
    ("end", "result", "reason"),
    [
        (StudyError("no memory for postgresql://me:hunter22@host"), "failed", "no memory for postgresql://me:***@host"),
        (ValueError("first\nsecond"), "failed", "first"),
        (KeyboardInterrupt(), "stopped", ""),
    ],
)
def test_what_ends_a_night_is_told_and_raised_on(copied: Path, end: BaseException, result: str, reason: str) -> None:
    def night() -> None:
        with told_of_the_end(notice_of(copied, sys.executable, "-c", KEEPS), FolderRequests(copied.parent), print):
            raise end

    with pytest.raises(type(end)):
        night()
    assert (told(copied)["given"]["result"], told(copied)["given"]["reason"]) == (result, reason)


def test_a_night_that_was_asked_to_stop_is_stopped(copied: Path) -> None:
    folder = copied.parent / "runs/small"
    with told_of_the_end(notice_of(copied, sys.executable, "-c", KEEPS), FolderRequests(folder), print):
        FolderRequests(folder).ask("stop")
    assert told(copied)["given"]["result"] == "stopped"


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (("no-such-program-anywhere",), "No such file or directory"),
        ((sys.executable, "-c", "print('x'); print('no network'); raise SystemExit(3)"), "status 3: no network"),
        ((sys.executable, "-c", "raise SystemExit(3)"), "status 3"),
        ((".",), "Permission denied"),
    ],
)
def test_a_command_that_fails_is_a_warning(copied: Path, command: tuple[str, ...], why: str) -> None:
    lines: list[str] = []
    with told_of_the_end(notice_of(copied, *command), FolderRequests(copied.parent), lines.append):
        pass
    (line,) = lines
    assert line.startswith("warning: the command of [study] notify did not do well (")
    assert why in line


def test_a_command_that_hangs_is_ended_with_all_that_it_started(copied: Path) -> None:
    child = "import subprocess, sys; p = subprocess.Popen(['sleep', '600']); print(p.pid, flush=True); p.wait()"
    keeps = f"import sys; sys.stdout = open('pid', 'w', buffering=1)\n{child}"
    began = time.monotonic()
    why = notice_of(copied, sys.executable, "-c", keeps).send({}, limit_s=2)
    assert why == "it took more than 2 s"
    assert time.monotonic() - began < 20
    process = int((copied.parent / "pid").read_text())
    deadline = time.monotonic() + 20
    while runs(process):
        assert time.monotonic() < deadline, "it still runs"
        time.sleep(0.1)


def test_a_command_that_reads_nothing_and_leaves_a_child_is_not_waited_for(copied: Path) -> None:
    leaves = "import subprocess; subprocess.Popen(['sleep', '5'], start_new_session=True)"
    began = time.monotonic()
    assert notice_of(copied, sys.executable, "-c", leaves).send({"long": "x" * 1_000_000}, limit_s=30) == ""
    assert time.monotonic() - began < 4


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("\"notify-send 'night ended'\"", ("notify-send", "night ended")),
        ('["a b", "$X"]', ("a b", "$X")),
        ('""', ()),
    ],
)
def test_a_command_is_a_list_of_words_or_a_text(copied: Path, text: str, words: tuple[str, ...]) -> None:
    copied.write_text(copied.read_text().replace("[study]", f"[study]\nnotify = {text}"))
    assert read_study_file(copied).notify == words


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ('"a \'b"', "study.notify: has a quotation mark that is not closed"),
        ("3", "study.notify: must be a text or a list of texts (3)"),
        ('[" ", "x"]', "study.notify: names no program"),
        ('["a", 3]', r"study.notify\[2\]: must be a text in quotes \(3\)"),
        ('["a\\u0000b"]', "study.notify: holds a character that no command can have"),
    ],
)
def test_mistakes_in_a_command(copied: Path, text: str, what: str) -> None:
    copied.write_text(copied.read_text().replace("[study]", f"[study]\nnotify = {text}"))
    with pytest.raises(StudyError, match=what.replace("(3)", r"\(3\)") if "\\" not in what else what):
        read_study_file(copied)


def test_a_real_night_tells_only_whom_a_person_allowed(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(copied.parent / "state"))
    (copied.parent / "tell.py").write_text(KEEPS)
    command = json.dumps([sys.executable, "tell.py"])
    copied.write_text(copied.read_text().replace("[study]", f"[study]\nnotify = {command}"))

    def ran(*options: str) -> str:
        done = CliRunner().invoke(main, ["run", str(copied), *options])
        assert done.exit_code == 0, done.output
        return done.output

    assert "warning: it will not be run; to allow it" in ran()
    assert not (copied.parent / "told.json").exists()
    assert "will not be run" not in ran("--trust")
    assert told(copied)["given"]["result"] == "finished"
    (copied.parent / "told.json").unlink()
    assert "will not be run" not in ran()
    assert told(copied)["given"]["state"] == "proved"
    (copied.parent / "tell.py").write_text(KEEPS + "\n# changed")
    assert "will not be run" in ran()


def test_a_termination_signal_is_told(copied: Path) -> None:
    text = copied.read_text().replace("blocks = 0", "blocks = 40").replace("seeds = [1, 2]", "seeds = [1, 2]")
    command = json.dumps([sys.executable, "-c", KEEPS])
    copied.write_text(text.replace("[study]", f"[study]\nnotify = {command}"))
    run = [sys.executable, "-m", "studies.cli.main", "run", str(copied), "--trust"]
    environment = os.environ | {"XDG_STATE_HOME": str(copied.parent / "state")}
    with subprocess.Popen(run, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment) as night:
        log = copied.parent / "runs/small/night.jsonl"
        while night.poll() is None and not (log.exists() and "trial scored" in log.read_text()):
            time.sleep(0.1)
        night.send_signal(signal.SIGTERM)
        assert night.wait(120) == 130
    assert told(copied)["given"]["result"] == "stopped"
    assert "the night was stopped" in log.read_text()
