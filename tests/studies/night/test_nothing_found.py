"""Studies in which there is nothing to find end with the right sentence, never with a winner."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from rich.console import Console

from studies.errors import StudyError
from studies.night.night import Night
from studies.night.noise import NOISE
from studies.store.judged.outcome import Outcome
from studies.store.storage import StudyStore
from studies.studyfile.read import read_study_file
from studies.studyfile.spec import StudySpec
from tests.studies.sample_study import write_small_study

NO_KNOBS = """[space.self]
sites = ["OUT11:attn1"]

[space.adjust]
CONT = [-3, 3]
"""
CHANCE = """import hashlib, random

def score(image, prompt):
    return random.Random(hashlib.sha256(image.tobytes()).hexdigest()).gauss()
"""


def study_of(folder: Path, *replaced: tuple[str, str]) -> Path:
    study = write_small_study(folder, groups=8)
    text = study.read_text()
    for before, after in replaced:
        assert before in text
        text = text.replace(before, after)
    study.write_text(text)
    return study


def night_of(study: Path) -> tuple[StudySpec, Outcome]:
    spec = read_study_file(study)
    outcome = Night(spec, Console(quiet=True)).run()
    assert outcome is not None
    return spec, outcome


def test_twins_alone_are_refused_before_a_trial_is_made(tmp_path: Path) -> None:
    study = study_of(tmp_path, (NO_KNOBS, ""))
    shutil.copyfile(tmp_path / "closeups.safetensors", tmp_path / "lamplight.safetensors")
    with pytest.raises(StudyError, match=r"all 9 calibration recipes make the same pictures: A \(closeups"):
        night_of(study)
    assert StudyStore(read_study_file(study).storage.folder, "small").trials() == []


def test_twins_leave_the_ratios_out_and_say_so(tmp_path: Path) -> None:
    study = study_of(tmp_path)
    shutil.copyfile(tmp_path / "closeups.safetensors", tmp_path / "lamplight.safetensors")
    spec, outcome = night_of(study)
    stages = [told.stage for told in StudyStore(spec.storage.folder, spec.storage.name).history()]
    assert set(stages) == {"flat", "self", "adjust", "refine"}
    assert next(line for line in outcome.search_summary if "as if both models were one" in line).startswith("flat: ")
    assert outcome.finalists[0].numbers["drift"] is None


def test_scores_of_pure_chance_have_no_winner(tmp_path: Path) -> None:
    (tmp_path / "chance.py").write_text(CHANCE)
    spec, outcome = night_of(study_of(tmp_path, ("[scorers]", '[scorers]\nweights = { "chance.py" = 1.0 }')))
    assert outcome.winner is None
    assert not outcome.simpler
    assert "so none is recommended instead of " in outcome.sentences()[-1]
    noise = StudyStore(spec.storage.folder, spec.storage.name).noted(NOISE)
    assert noise["between"] < noise["paired"]


def test_knobs_that_hardly_move_anything_have_no_winner(tmp_path: Path) -> None:
    still = "[space.blocks]\nlow = 0.3\nhigh = 0.31\n"
    _, outcome = night_of(study_of(tmp_path, (NO_KNOBS, still)))
    assert outcome.winner is None
    assert "so none is recommended instead of " in outcome.sentences()[-1]
