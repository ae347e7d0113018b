"""A night and its pages at once, killed and started again in turn: no trial is lost, and the result is the same."""

from __future__ import annotations

import http.client
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from studies.night.night import Night
from studies.store.backends.requests import FolderRequests
from studies.store.judged.outcome import read_outcome
from studies.store.storage import StudyStore
from studies.studyfile.read import read_study_file
from studies.studyfile.spec import StudySpec
from tests.studies.pages.conftest import Visitor
from tests.studies.sample_study import write_small_study


def until(what: Callable[[], object], seconds: float = 180) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def ended(spec: StudySpec) -> int:
    """How many trials have ended."""
    journal = spec.storage.folder / "journal.log"
    if not journal.exists() or b"\n" not in journal.read_bytes():
        return 0
    return len(StudyStore(spec.storage.folder, spec.storage.name).trials())


def a_night(spec: StudySpec) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "studies.cli.main", "run", str(spec.storage.file)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def the_pages(spec: StudySpec, port_file: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "studies.cli.main", "view", str(spec.storage.file), "--port", "0"]
    with port_file.open("w") as out:
        return subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, text=True)


def visits(printed: Path) -> int:
    """Look at the night's page; returns the answer's status."""
    until(lambda: "token=" in printed.read_text())
    port = int(printed.read_text().partition("127.0.0.1:")[2].partition("/")[0])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", "/s/small")
    status = connection.getresponse().status
    connection.close()
    return status


def test_killed_in_turn_they_lose_nothing(tmp_path: Path) -> None:
    spec = read_study_file(write_small_study(tmp_path / "disturbed", groups=1))
    quiet = read_study_file(write_small_study(tmp_path / "quiet", groups=1))
    Night(quiet, Console(quiet=True), proof=False).run()
    printed = tmp_path / "printed"
    night, pages = a_night(spec), the_pages(spec, printed)
    try:
        assert visits(printed) == 200
        until(lambda: ended(spec) >= 3)
        night.kill()  # the night, under the pages
        night.wait()
        assert visits(printed) == 200
        night = a_night(spec)
        until(lambda: ended(spec) >= 6)
        pages.kill()  # the pages, beside the night
        pages.wait()
        pages = the_pages(spec, printed)
        assert visits(printed) == 200
        until(lambda: ended(spec) >= 9)
        night.kill()  # both
        pages.kill()
        night.wait()
        pages.wait()
        pages, night = the_pages(spec, printed), a_night(spec)
        assert visits(printed) == 200
        assert night.wait(timeout=300) == 0
        assert visits(printed) == 200
    finally:
        for process in (night, pages):
            process.send_signal(signal.SIGKILL)
            process.wait()
    assert read_outcome(spec.storage.folder).finalists
    disturbed, undisturbed = (StudyStore(one.storage.folder, one.storage.name).trials() for one in (spec, quiet))
    assert [trial.params for trial in disturbed] == [trial.params for trial in undisturbed]
    assert [trial.value for trial in disturbed] == pytest.approx([trial.value for trial in undisturbed], abs=1e-6)


def test_a_night_that_a_page_stopped_goes_on_where_it_was(tmp_path: Path, visitor: Visitor) -> None:
    spec = read_study_file(write_small_study(tmp_path, groups=1))
    folder = spec.storage.folder
    client = visitor(spec.storage.file, writes=True)
    assert client.post("/s/small/start").status_code == 303
    until(lambda: ended(spec) >= 2)
    assert client.post("/s/small/ask", data={"what": "pause"}).status_code == 303
    until(lambda: "paused" in (folder / "night.log").read_text() or ended(spec) >= 12)
    paused_at = ended(spec)
    time.sleep(3)
    assert ended(spec) == paused_at
    assert client.post("/s/small/ask", data={"what": "stop"}).status_code == 303
    until(lambda: "stopped as asked" in (folder / "night.log").read_text())
    stopped_at = ended(spec)
    until(lambda: "Go on searching" in client.get("/s/small").text)
    assert "Stopped after" in client.get("/s/small").text
    assert client.post("/s/small/start").status_code == 303
    until(lambda: ended(spec) > stopped_at)
    assert "stop" not in FolderRequests(folder).asked()
    FolderRequests(folder).ask("stop")
    until(lambda: "stopped as asked" in (folder / "night.log").read_text())
