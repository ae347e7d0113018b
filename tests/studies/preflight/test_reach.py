"""What `check` says that a night can tell: figures of the proof's own intervals, and where they come from."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from scipy.stats import t

from search.shots import ObservationNoise
from studies.cli.main import main
from studies.night.noise import NOISE
from studies.preflight.reach import reach_findings
from studies.store.storage import StudyStore
from studies.studyfile.read import read_study_file
from studies.studyfile.spec import StudySpec
from tests.studies.study_text import write_study

NOISE_OF_ONE = ObservationNoise(paired=3.0, common=1.0, between=2.0)


@pytest.fixture
def spec(tmp_path: Path) -> StudySpec:
    found = read_study_file(write_study(tmp_path))
    shot = found.shots.trials[0]
    shots = [tuple(replace(shot, seed=first + n) for n in range(count)) for first, count in ((1, 16), (101, 24))]
    return replace(found, shots=replace(found.shots, trials=shots[0], proof=shots[1]))


def lines(spec: StudySpec, noise: ObservationNoise | None, confidence: float = 0.95) -> list[str]:
    return [one.line for one in reach_findings(spec.search, spec.shots, noise, confidence=confidence)]


@pytest.mark.parametrize("confidence", [0.95, 0.9875])
def test_the_least_lead_is_half_the_proof_s_interval(spec: StudySpec, confidence: float) -> None:
    search, proof = lines(spec, NOISE_OF_ONE, confidence)
    assert "with 16 pictures a trial a score has a standard error of about 0.8" in search
    assert f"a difference of about {t.ppf(0.975, 15) * math.sqrt(2) * 3 / 4:.1f} on; the first recipes" in search
    lead = t.ppf((1 + confidence) / 2, 23) * math.sqrt(2) * 3 / math.sqrt(24)
    assert f"with 24 held-out pictures a lead from about {lead:.1f} on" in proof
    assert f"({100 * confidence:g} % intervals)" in proof
    assert all(line.endswith("Measured by this study's calibration") for line in (search, proof))


def test_before_calibration_it_is_an_estimate(spec: StudySpec) -> None:
    search, proof = lines(spec, None)
    assert "a standard error of about 0.5" in search
    assert "a lead from about 1.1 on" in proof
    assert all("An estimate, with the demo's noise" in line for line in (search, proof))


def test_pictures_of_other_weights_are_fewer(spec: StudySpec) -> None:
    weights = (100.0, 100.0, 100.0, *[0.01] * 21)
    heavy = replace(spec, shots=replace(spec.shots, proof_weights=weights))
    leads = [float(re.findall(r"about ([\d.]+) on", lines(one, NOISE_OF_ONE)[1])[0]) for one in (spec, heavy)]
    assert leads[1] > 3 * leads[0]


def test_check_says_what_calibration_measured(copied: Path) -> None:
    done = CliRunner().invoke(main, ["check", str(copied)])
    assert done.exit_code == 0, done.output
    store = StudyStore(copied.parent / "runs/small", "small")
    noise = store.noted(NOISE)
    error = noise["paired"] / math.sqrt(noise["shots"])
    assert f"a score has a standard error of about {error:.1f}" in done.output
    assert "(97.5 % intervals)" in done.output, "it has had a proof"
    assert done.output.count("Measured by this study's calibration") == 2
