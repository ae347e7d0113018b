"""A device that is too full to render: the scorers' encoders leave it, and the night goes on with the same numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from engine.errors import RenderError
from studies.candidate import Candidate
from studies.inputs.models import model_hashes
from studies.night.calibration import calibration_recipes
from studies.night.workshop import Workshop
from studies.studyfile.read import read_study_file
from studies.studyfile.spec import StudySpec
from tests.studies.sample_study import write_small_study

DENOISING = {torch.ops.aten.group_norm.default, torch.ops.aten.native_group_norm.default}
"""What only pictures that are being rendered go through."""


class FullDevice(TorchDispatchMode):
    """Rendering runs out of memory as long as encoders are on the device; or always, if ``for_ever``."""

    def __init__(self, workshop: Workshop, *, for_ever: bool = False) -> None:
        super().__init__()
        self.workshop, self.for_ever = workshop, for_ever

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        encoder = self.workshop.panel.observer._encoders["clip"]
        if func in DENOISING and (self.for_ever or encoder._pictures._is_there):
            raise torch.OutOfMemoryError("out of memory, as a full GPU says it")
        return func(*args, **dict(kwargs or {}))


@pytest.fixture
def spec(tmp_path: Path) -> StudySpec:
    """A small study on the sample world."""
    return read_study_file(write_small_study(tmp_path))


def opened(spec: StudySpec, name: str) -> tuple[Workshop, Candidate]:
    """A workshop with a folder of its own, and what it is to render."""
    own = replace(spec, storage=replace(spec.storage, folder=spec.storage.folder / name))
    return Workshop.open(own, model_hashes(own.merge, own.storage)), calibration_recipes(own.search)["FLAT_50"]


def test_encoders_leave_for_rendering(spec: StudySpec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scorers.encoders.side.HOST", "nowhere")  # encoders can leave the CPU, as if it were a GPU
    workshop, candidate = opened(spec, "plain")
    usual = workshop.make(candidate, spec.shots.trials).features
    assert workshop.panel.park() > 0
    workshop, candidate = opened(spec, "full")
    with FullDevice(workshop):
        features = workshop.make(candidate, spec.shots.trials).features
    np.testing.assert_array_equal(features.embedding("clip"), usual.embedding("clip"))
    assert workshop.panel.park() == 0  # they went back after their work
    with FullDevice(workshop, for_ever=True), pytest.raises(RenderError, match="too little memory"):
        workshop.make(calibration_recipes(spec.search)["A"], spec.shots.trials)


def test_a_study_can_have_them_wait_from_the_beginning(tmp_path: Path) -> None:
    study = write_small_study(tmp_path)
    study.write_text(study.read_text() + '\n[device]\nencoders = "host"\n')
    settings = read_study_file(study).panel_settings()
    assert (settings.wait_on_host, settings.precision) == (True, "fp32")
    study.write_text(study.read_text().replace("[scorers]", '[scorers]\nprecision = "fp16"'))
    assert read_study_file(study).panel_settings().precision == "fp16"
