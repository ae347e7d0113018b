"""What a night does with the panel's word: scorers that fail, scorers that are switched off, the record of a trial."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from optuna.trial import TrialState
from rich.console import Console

from scorers.panel.panel import Panel
from scorers.scoring.prompt_match import Fidelity
from studies.night.calibration import OFF
from studies.night.night import Night
from studies.review.show import write_csv
from studies.store.storage import StudyStore
from studies.studyfile.read import read_study_file
from studies.studyfile.spec import StudySpec

QUIET = Console(quiet=True)


def with_one_more(study: Path) -> StudySpec:
    """The study with one trial more to go."""
    study.write_text(study.read_text().replace("groups = 1", "groups = 2"))
    return read_study_file(study)


def test_a_scorer_that_raises_fails_the_trial_with_its_message(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It raises once, after the calibration."""
    shares, call = Panel.pseudo_values, Fidelity.__call__
    left: list[str] = []

    def shared(self: Panel) -> object:
        found = shares(self)
        left.append("raise")
        return found

    def called(self: Fidelity, features: object) -> object:
        if left and left.pop():
            raise ZeroDivisionError("no prompt in this")
        return call(self, features)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(Panel, "pseudo_values", shared)
    monkeypatch.setattr(Fidelity, "__call__", called)
    spec = with_one_more(copied)
    Night(spec, QUIET).run()
    last = StudyStore(spec.storage.folder, spec.storage.name).trials()[-1]
    assert last.state is TrialState.FAIL
    assert last.value is None
    assert last.user_attrs["reason"] == "scorer 'clip' failed: ZeroDivisionError: no prompt in this"


@pytest.mark.parametrize("off", [["clip"], ["stats"]])
def test_a_night_that_goes_on_keeps_to_what_was_switched_off(copied: Path, off: list[str]) -> None:
    spec = with_one_more(copied)
    StudyStore(spec.storage.folder, spec.storage.name).note(OFF, off)
    Night(spec, QUIET).run()
    store = StudyStore(spec.storage.folder, spec.storage.name)
    last = store.trials()[-1]
    scores, taken = last.user_attrs["scores"], sum(last.user_attrs["penalties"].values())
    weights = {name: weight for name, weight in spec.scoring.weights.items() if name not in off}
    wanted = sum(weight * scores[name]["scaled"] for name, weight in weights.items())
    assert last.value == pytest.approx(wanted - taken)
    assert store.noted(OFF) == off
    assert set(scores) == {"style", "lda", "margin", "clip", "stats"}, "what is only reported is on record too"


def test_the_record_has_intervals_aspects_and_what_was_taken(finished_once: StudySpec, tmp_path: Path) -> None:
    store = StudyStore(finished_once.storage.folder, finished_once.storage.name)
    for trial in store.trials():
        low, high = trial.user_attrs["interval"]
        assert low <= trial.value <= high
        assert set(trial.user_attrs["aspects"]) == {"style", "fidelity"}
        assert len(trial.user_attrs["remarks"]) >= len(trial.user_attrs["penalties"])
    write_csv(store, tmp_path / "all.csv")
    table = pd.read_csv(tmp_path / "all.csv")
    assert {"low", "high", "pareto", "aspect style", "aspect style.low", "clip.scaled"} <= set(table.columns)
    points = {int(row["trial"]): (row["aspect style"], row["aspect fidelity"]) for row in table.to_dict("records")}
    front = {int(row["trial"]) for row in table.to_dict("records") if row["pareto"]}
    assert 0 < len(front) < len(points)
    for number, (style, fidelity) in points.items():
        beaten = any(points[f][0] >= style and points[f][1] >= fidelity for f in front if f != number)
        assert beaten != (number in front)
