"""The note of a study on the dashboard, after a night."""

from __future__ import annotations

import re
from pathlib import Path

from optuna_dashboard import get_note

from studies.night.study_note import renew_study_note
from studies.store.judged.outcome import read_outcome
from studies.store.storage import StudyStore
from studies.studyfile.read import read_study_file
from studies.studyfile.spec import StudySpec


def test_a_night_ends_with_a_note_of_the_best_the_references_and_the_finalists(finished_once: StudySpec) -> None:
    folder = finished_once.storage.folder
    store = StudyStore(folder, finished_once.storage.name)
    text = get_note(store.study)
    outcome = read_outcome(folder)
    assert text.index("## Best by the search's model") < text.index("## References") < text.index("## Finalists")
    assert "0 is FLAT_50, and higher is closer to the look" in text
    for number, one in enumerate(outcome.finalists, start=1):
        assert f"| {number} | {one.label} | {outcome.from_middle(one):+.2f} | " in text
    addresses = re.findall(r"!\[\w+\]\(/artifacts/0/([0-9a-f-]+)\)", text)
    assert [(folder / "artifacts" / f"{one}.png").exists() for one in addresses] == [True, True]
    with store.artifacts.open_reader(addresses[1]) as kept:
        assert kept.read() == (folder / outcome.sheet).read_bytes()


def test_a_note_without_a_proof_and_again_without_a_change(copied: Path) -> None:
    spec = read_study_file(copied)
    folder = spec.storage.folder
    (folder / "outcome.json").unlink()
    store = StudyStore(folder, spec.storage.name)
    renew_study_note(spec, store)
    text = get_note(store.study)
    assert "## Finalists" not in text
    assert "It expects a score of" in text
    journal, artifacts = (folder / "journal.log").read_bytes(), sorted((folder / "artifacts").iterdir())
    renew_study_note(spec, store)
    assert (folder / "journal.log").read_bytes() == journal
    assert sorted((folder / "artifacts").iterdir()) == artifacts
