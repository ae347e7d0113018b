"""The contact sheet of a proof, from the kept pictures of a night."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np

from studies.drawing import sheets
from studies.night.proving.proof import draw_sheet
from studies.store.backends.of_study import backend_of
from studies.store.judged.outcome import read_outcome
from studies.store.renders import RenderStore
from studies.studyfile.read import read_study_file
from studies.studyfile.spec import StudySpec


class KeptRenders(RenderStore):
    """The renders of a night, whatever its models' hashes are."""

    def __init__(self, spec: StudySpec) -> None:
        super().__init__(spec.storage.folder, "", backend_of(spec.storage).files)
        (self.folder,) = (spec.storage.folder / "renders").iterdir()


def test_a_drift_is_warned_of_on_the_sheet(copied: Path) -> None:
    spec = read_study_file(copied)
    calm = replace(read_outcome(spec.storage.folder), sheet="calm.png", remarks=())
    quiet = replace(calm, finalists=tuple(replace(one, alarm="") for one in calm.finalists))
    moved = replace(quiet, sheet="moved.png", finalists=(replace(quiet.finalists[0], alarm="its pictures moved"),))
    workshop = cast("Any", SimpleNamespace(renders=KeptRenders(spec)))
    warned: list[bool] = []
    for outcome in (quiet, moved):
        draw_sheet(spec.storage, spec.merge, spec.target, spec.shots, workshop, outcome)
        sheet = sheets.read_picture(spec.storage.folder / outcome.sheet)
        warned.append(bool((sheet == np.array(sheets.WARNING)).all(-1).any()))
    assert warned == [False, True]
