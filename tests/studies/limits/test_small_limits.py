"""Limits that leave hardly any room: what does not fit is not made, and the night says so and ends well."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from studies.limits.deadline import NightLimits
from studies.studyfile.read import read_study_file
from tests.studies.sample_study import write_small_study
from tests.studies.simulated_night import START, SimulatedDevice, simulated, trials_by_stage

CALIBRATION = 36
"""Pictures of the small study's calibration: nine recipes of four."""


@pytest.mark.parametrize(
    "limits",
    [
        NightLimits(pictures=1),
        NightLimits(pictures=30),
        NightLimits(pictures=50),
        NightLimits(pictures=60),
        NightLimits(until=START + 1),
        NightLimits(until=START + 50),
        NightLimits(until=START + 75),
    ],
    ids=str,
)
def test_little_room(limits: NightLimits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = read_study_file(write_small_study(tmp_path))
    device, said = SimulatedDevice(speed=lambda _, shots: 1.0 * len(shots)), io.StringIO()
    simulated(spec, device, monkeypatch, limits, console=Console(file=said, width=300))
    if limits.pictures is not None:
        assert device.rendered <= max(limits.pictures, CALIBRATION)
    made = sum(trials_by_stage(spec.storage.folder, spec.storage.name).values())
    if not made:
        assert "no further trial" in said.getvalue()
