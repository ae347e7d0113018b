"""Whole nights with limits, on a clock that made-up pictures move; `bench_until.py` of the benchmarks has 27 more."""

from __future__ import annotations

import io
import random
from collections.abc import Sequence
from pathlib import Path

import pytest
from rich.console import Console

from engine.shots.shot import Shot
from studies.limits.account import account_of
from studies.limits.deadline import NightLimits
from studies.status.watched import WatchedStudies
from studies.store.note_keys import AFTER_PROOF
from studies.store.storage import StudyStore
from studies.studyfile.read import read_study_file
from studies.studyfile.spec import StudySpec
from tests.studies.sample_study import write_small_study
from tests.studies.simulated_night import START, SimulatedDevice, simulated, trials_by_stage

WHOLE = {"flat": 12, "groups": 8, "blocks": 20, "self": 2, "adjust": 2, "refine": 6}
PROOF = 8 * 4
"""Pictures of the proof: two models, three FLAT mixes, the best mix of the line and two finalists."""


@pytest.fixture
def spec(tmp_path: Path) -> StudySpec:
    """A study of 50 trials with 4 pictures each."""
    file = write_small_study(tmp_path, groups=8)
    text = file.read_text().replace("blocks = 2", "blocks = 20").replace("refine = 2", "refine = 6")
    file.write_text(text)
    return read_study_file(file)


def uneven(device: SimulatedDevice, shots: Sequence[Shot]) -> float:
    """From 7 to 13 seconds a picture, of the proof half more."""
    each = random.Random(device.rendered).uniform(7, 13)
    return each * len(shots) * (1.5 if shots[0] in device.proof else 1)


def counts(spec: StudySpec) -> dict[str, int]:
    return trials_by_stage(spec.storage.folder, spec.storage.name)


def test_a_night_ends_on_time_and_the_next_one_without_limit_makes_the_rest(
    spec: StudySpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    device, said, end = SimulatedDevice(speed=uneven), io.StringIO(), START + 1800
    limits = NightLimits(until=end)
    outcome = simulated(spec, device, monkeypatch, limits, console=Console(file=said, width=400), guess=20.0)
    made = counts(spec)
    assert outcome is not None, "the proof is made"
    assert 0 <= end - device.now <= 55, "a trial takes 53 seconds at most"
    assert made["flat"] == 12
    assert sum(made.values()) < sum(WHOLE.values())
    store = StudyStore(spec.storage.folder, spec.storage.name)
    account = account_of(store)
    assert account is not None
    assert (account.until, account.first) == (end, 0)
    assert sum(account.whole.values()) == sum(WHOLE.values())
    assert account.whole["groups"] > WHOLE["groups"], "made-up pictures are a plateau, where later stages lend trials"
    first, *_ = (line for line in said.getvalue().splitlines() if line.startswith("until "))
    assert "about " in first
    assert " of 4 pictures, then the proof of " in first
    assert simulated(spec, device, monkeypatch, NightLimits()) is not None
    assert sum(counts(spec).values()) >= sum(WHOLE.values()) - 8
    (status,) = WatchedStudies([spec.storage.file]).look()
    assert (status.planned, status.done) == (sum(WHOLE.values()), sum(counts(spec).values()))
    assert all(one.done <= one.planned for one in status.stages)


def test_what_the_proof_leaves_of_a_night_is_for_further_trials(
    spec: StudySpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    end = START + 1500

    def faster_in_the_end(device: SimulatedDevice, shots: Sequence[Shot]) -> float:
        return (3 if end - device.now < 300 else 10) * len(shots)

    device, said = SimulatedDevice(speed=faster_in_the_end), io.StringIO()
    console = Console(file=said, width=400)
    assert simulated(spec, device, monkeypatch, NightLimits(until=end), console=console) is not None
    proofs = [place for place, (_, _, is_proof) in enumerate(device.calls) if is_proof]
    assert proofs[-1] < len(device.calls) - 1, "trials came after the proof"
    assert 0 <= end - device.now <= 42, "a trial took 41 seconds"
    assert "there is room for further trials, which a later night proves" in said.getvalue()
    (status,) = WatchedStudies([spec.storage.file]).look()
    assert status.state == "proved"
    store = StudyStore(spec.storage.folder, spec.storage.name)
    assert store.noted(AFTER_PROOF) == {"trials": sum(counts(spec).values())}


def test_a_night_of_some_trials_begins_so_many_and_proves(spec: StudySpec, monkeypatch: pytest.MonkeyPatch) -> None:
    device = SimulatedDevice(speed=uneven)
    assert simulated(spec, device, monkeypatch, NightLimits(trials=17)) is not None
    assert sum(counts(spec).values()) == 17


def test_a_night_of_some_pictures_makes_no_more_with_its_proof(
    spec: StudySpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = SimulatedDevice(speed=uneven)
    assert simulated(spec, device, monkeypatch, NightLimits(pictures=120)) is not None
    assert 120 - 4 < device.rendered <= 120
    assert sum(taken for _, taken, is_proof in device.calls if is_proof) == PROOF


def test_a_night_too_short_for_a_proof_says_so_and_makes_trials(
    spec: StudySpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    device, said = SimulatedDevice(speed=uneven), io.StringIO()
    limits = NightLimits(until=START + 600)
    assert simulated(spec, device, monkeypatch, limits, console=Console(file=said, width=400)) is None
    assert "there is no room for a proof in this night" in said.getvalue()
    assert sum(counts(spec).values()) > 9
    assert abs(START + 600 - device.now) <= 55
