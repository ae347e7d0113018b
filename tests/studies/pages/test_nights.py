"""Nights that pages begin."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from studies.pages import nights
from studies.studyfile.read import read_study_file
from tests.studies.pages.conftest import Visitor
from tests.studies.sample_study import write_small_study


def test_a_second_press_while_a_night_begins_starts_no_second_one(tmp_path: Path, visitor: Visitor) -> None:
    file = write_small_study(tmp_path)
    folder, client = read_study_file(file).storage.folder, visitor(file, writes=True)
    assert "Begin the night" in client.get("/s/small").text
    assert client.post("/s/small/start").status_code == 303
    begun = nights._BEGUN[folder.resolve()]  # pyright: ignore[reportPrivateUsage] - the process itself
    try:
        text = client.get("/s/small").text
        assert "The night&#39;s process runs" in text or "The night's process runs" in text
        assert "Begin the night" not in text
        client.post("/s/small/start")
        assert nights._BEGUN[folder.resolve()] is begun  # pyright: ignore[reportPrivateUsage]
    finally:
        os.kill(begun.pid, signal.SIGKILL)
        begun.wait()
    assert not nights.is_running(folder)
    assert "Begin the night" in client.get("/s/small").text or "Go on searching" in client.get("/s/small").text
