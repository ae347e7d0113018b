"""A stop that is asked at any moment of a night ends that night, and no later one."""

from __future__ import annotations

from pathlib import Path

import pytest

from studies.limits.deadline import NightLimits
from studies.night.workshop import Workshop
from studies.store.backends.requests import FolderRequests
from studies.studyfile.read import read_study_file
from tests.studies.sample_study import write_small_study
from tests.studies.simulated_night import SimulatedDevice, simulated, trials_by_stage


def test_a_stop_before_the_first_picture_is_heard_and_an_earlier_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = read_study_file(write_small_study(tmp_path))
    device, opened = SimulatedDevice(speed=lambda _, shots: 0.0), Workshop.open

    def opened_and_asked(*given: object, **named: object) -> Workshop:
        FolderRequests(spec.storage.folder).ask("stop")
        return opened(*given, **named)  # pyright: ignore[reportArgumentType]

    with monkeypatch.context() as patched:
        patched.setattr(Workshop, "open", opened_and_asked)
        simulated(spec, device, monkeypatch, NightLimits())
    assert device.rendered == 0
    simulated(spec, device, monkeypatch, NightLimits(trials=2))
    assert trials_by_stage(spec.storage.folder, spec.storage.name) == {"flat": 2}
