"""A study that was never searched, with real records of as many trials as one likes, and small contact sheets."""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState
from PIL import Image

from search.plan import FLAT_RATIOS, STAGES
from search.samplers.optuna_samplers import distributions
from studies.drawing import sheets
from studies.store.backends.journal.journal_backend import ARTIFACTS
from studies.store.records import INFEASIBLE, SLOTS
from studies.store.storage import ARTIFACT, WORKER, StudyStore
from studies.studyfile.read import read_study_file
from studies.studyfile.spec import StudySpec
from tests.studies.study_text import STUDY, write_study

SCRIPT = "<script>alert('x')</script>"
"""Stands in a prompt, in a reason and in a scorer's name."""
SCORERS = ("style", "stats", "clip")
FAILED, BROKEN, RUNNING, SHEETLESS = 5, 6, 7, 8
"""Numbers of trials that stand otherwise, where there are so many; trial 8 has a score and lost its sheet."""
LOOKS = 40
"""How many different contact sheets there are."""


def write_gallery(folder: Path, trials: int, *, slots: Sequence[int] = (), stage: str = "") -> Path:
    """Write a study with records of so many trials, the five FLAT mixes first; returns the study file.

    Args:
        folder: new, or empty.
        trials: how many.
        slots: places of the shots that trials after the FLAT mixes draw; none: all eight.
        stage: of the trials after the FLAT mixes; "": all stages in turn.
    """
    text = STUDY.replace("seeds = [1, 2]", "seeds = [1, 2, 3, 4, 5, 6, 7]").replace("seeds = [3]", "seeds = [8]")
    text = text.replace('text = "a house"', f'text = "a house {SCRIPT}"')
    (folder / "wanted").mkdir(parents=True)
    file = write_study(folder, text)
    for number in range(5):
        Image.new("RGB", (48, 64), (40 * number, 90, 120)).save(folder / "wanted" / f"{number}.png")
    spec = read_study_file(file)
    store = StudyStore(spec.storage.folder, spec.storage.name)
    every = len(spec.shots.trials)
    whole = [_sheet(spec, seed, every, folder) for seed in range(LOOKS)]
    looks = [_sheet(spec, seed, len(slots), folder) for seed in range(LOOKS)] if slots else whole
    store.study.add_trials(list(_records(spec, trials, tuple(slots), stage, (whole, looks))))
    return file


def _sheet(spec: StudySpec, seed: int, count: int, folder: Path) -> bytes:
    """The content of a contact sheet: eight slopes of colour with some noise."""
    width, height = spec.shots.trials[0].picture_size
    dice = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:height, 0:width]
    pictures = [
        np.stack(
            [rows * a + columns * b + dice.integers(0, 40, (height, width)) for a, b in dice.random((3, 2)) * 1.6], 2
        )
        for _ in range(count)
    ]
    path = folder / "sheet.webp"
    sheets.grid([picture.clip(0, 200).astype(np.uint8) for picture in pictures], path)
    content = path.read_bytes()
    path.unlink()
    return content


def _records(
    spec: StudySpec, trials: int, slots: tuple[int, ...], stage: str, looks: Sequence[Sequence[bytes]]
) -> Iterator[FrozenTrial]:
    draw, space = random.Random(3), spec.search.space
    begun = datetime(2026, 1, 1, 22)  # noqa: DTZ001 - as Optuna has it, local
    for number in range(trials):
        flat = number < len(FLAT_RATIOS)
        point = (
            space.flat(FLAT_RATIOS[number])
            if flat
            else {knob.name: round(draw.uniform(knob.low, knob.high), 3) for knob in space.free}
        )
        own = "flat" if flat else stage or STAGES[1 + number % 5]
        state = {FAILED: TrialState.FAIL, BROKEN: TrialState.FAIL, RUNNING: TrialState.RUNNING}.get(
            number, TrialState.COMPLETE
        )
        attributes: dict[str, Any] = {"stage": own, SLOTS: [] if flat else list(slots), WORKER: "1-a"}
        attributes |= spec.search.candidate(point).attributes
        value = None
        if state is TrialState.COMPLETE:
            value = (0.0, -1.0, 0.5, 0.0, -0.5)[number] if flat else draw.gauss(0, 1)
            attributes |= _verdict(value, 0.2 + 0.01 * (number % 30))
        elif state is TrialState.FAIL:
            attributes["reason"] = (INFEASIBLE if number == BROKEN else "") + f"all black {SCRIPT}"
        pictures = (
            _artifact(spec, looks[not flat][number % LOOKS]) if number not in (FAILED, RUNNING, SHEETLESS) else {}
        )
        record = optuna.create_trial(
            state=state,
            value=value,
            params=point,
            distributions=distributions(space),
            user_attrs=attributes,
            system_attrs=pictures,
        )
        record.datetime_start = begun + timedelta(seconds=90 * number)
        record.datetime_complete = (
            None if state is TrialState.RUNNING else record.datetime_start + timedelta(seconds=80)
        )
        yield record


def _verdict(value: float, error: float) -> dict[str, Any]:
    """What a night records of a verdict; the scorers' parts add up to the value."""
    parts = {"style": value - 0.3, "stats": 1.0, "clip": -0.1 * value}
    return {
        "standard_error": error,
        "interval": [value - 2.3 * error, value + 2.3 * error],
        "scores": {name: {"raw": 0.1 * part, "scaled": part, "standard_error": error} for name, part in parts.items()},
        "aspects": {},
        "penalties": {"copies": 0.25} if value < -1 else {},
        "remarks": [f"two pictures are copies {SCRIPT}"] if value < -1 else [],
        "seconds": {"build": 1.0, "render": 60.0, "look": 2.0, "whole": 63.0},
    }


def _artifact(spec: StudySpec, content: bytes) -> dict[str, str]:
    """Keep a contact sheet as Optuna's store of artifacts does; returns what the record says of it."""
    name = str(uuid.uuid4())
    (spec.storage.folder / ARTIFACTS / name).write_bytes(content)
    about = {"artifact_id": name, "filename": "sheet.webp", "mimetype": "image/webp", "encoding": None}
    return {ARTIFACT + name: json.dumps(about)}
