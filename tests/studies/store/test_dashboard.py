"""The dashboard, over HTTP: a trial's contact sheet is an artifact, its recipe and scores are its note."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import numpy as np
from optuna.distributions import FloatDistribution

from engine.recipes.recipe import Recipe
from search.suggester import Proposal
from studies.drawing import sheets
from studies.store.dashboard import write_note
from studies.store.storage import StudyStore

SERVE = (
    "import sys; from pathlib import Path\n"
    "from studies.store.dashboard import serve; from studies.store.storage import StudyStore\n"
    "serve(StudyStore(Path(sys.argv[1]), 'one'), host='127.0.0.1', port=int(sys.argv[2]))"
)


def study_with_a_trial(folder: Path) -> StudyStore:
    store = StudyStore(folder, "one")
    trial = store.begin(Proposal(stage="flat", point={"OUT05": 0.35}), {"OUT05": FloatDistribution(0, 1)})
    trial.set_user_attr("recipe", Recipe.flat(0.35).text)
    trial.set_user_attr("scores", {"style": {"raw": -1.25, "scaled": 0.5, "standard_error": 0.1}})
    sheets.grid([np.full((32, 32, 3), 90, np.uint8)], folder / "sheet.webp")
    write_note(trial, store.attach(trial, folder / "sheet.webp"))
    store.study.tell(trial, 0.5)
    return store


def fetched(address: str) -> bytes:
    """The answer, as soon as the server gives one."""
    for _ in range(200):
        try:
            with urllib.request.urlopen(address) as answer:  # noqa: S310 - our own server
                return answer.read()
        except OSError:
            time.sleep(0.1)
    raise TimeoutError(address)


def test_the_dashboard_shows_every_trials_sheet_recipe_and_scores(tmp_path: Path) -> None:
    store = study_with_a_trial(tmp_path)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-c", SERVE, str(tmp_path), str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        study = json.loads(fetched(f"http://127.0.0.1:{port}/api/studies/{store.number}"))
        (trial,) = study["trials"]
        assert "0.35" in trial["note"]["body"]
        assert "| style | -1.2500 | +0.50 |" in trial["note"]["body"]
        (artifact,) = trial["artifacts"]
        assert artifact["mimetype"] == "image/webp"
        link = trial["note"]["body"].split("![contact sheet](")[1].split(")")[0]
        assert artifact["artifact_id"] in link
        assert fetched(f"http://127.0.0.1:{port}{link}") == (tmp_path / "sheet.webp").read_bytes()
    finally:
        server.terminate()
        server.wait()
