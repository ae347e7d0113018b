"""The recommended settings of a recipe as pages show them: the card, the text for the WebUI, and every step."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from engine.recipes.recipe import Recipe
from studies.cards.recommended import SettingRow, parameters_text, setting_rows, work_sentence
from studies.pages.measured.read import ReadResult, read_result
from studies.pages.reading.measured_files import SETTINGS, picture_name
from studies.results.settings import SettingsResult, SettingsStep, TriedValue
from studies.results.settings_file import RESULT, read_settings, result_folder
from studies.studyfile.spec import StudySpec


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownStep:
    """One step, or an earlier choice that was looked at again and no longer holds."""

    step: SettingsStep
    is_again: bool
    grid: str
    """Name of the X/Y grid of its pictures; "" where none was drawn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownSettings:
    """The recommended settings of one subject."""

    result: SettingsResult
    rows: tuple[SettingRow, ...]
    work: str
    """How much a picture costs beside one of the study's, in a sentence; "" where it is not known."""
    text: str
    """For the WebUI, as it stands in a picture with these settings."""
    steps: tuple[ShownStep, ...]
    joint: tuple[TriedValue, ...]
    grids: tuple[str, ...]
    """Names of pictures that belong to no step."""


def shown_settings(spec: StudySpec, subject: str = "") -> tuple[ReadResult[ShownSettings], dict[str, str]]:
    """Return the recommended settings for pages, and the names of all subjects by their keys, the newest first.

    Args:
        spec: of the study.
        subject: key of what the settings are for; "": the newest.
    """
    folder = spec.storage.folder
    read = {key: read_result(partial(read_settings, folder, key)) for key in _subjects(folder)}
    names = {key: one.found.subject if one.found else key for key, one in read.items()}
    wanted: ReadResult[SettingsResult] = read.get(subject or next(iter(read), ""), ReadResult())
    if wanted.found is None:
        return ReadResult(problem=wanted.problem), names
    return read_result(partial(_shown, spec, wanted.found)), names


def _subjects(folder: Path) -> list[str]:
    """The keys of all subjects with a result, the newest first."""
    stamped: list[tuple[float, str]] = []
    for file in (folder / SETTINGS).glob(f"*/{RESULT}"):
        with suppress(OSError):  # it has gone meanwhile
            stamped.append((-file.stat().st_mtime, file.parent.name))
    return [key for _, key in sorted(stamped)]


def _shown(spec: StudySpec, result: SettingsResult) -> ShownSettings:
    place = result_folder(spec.storage.folder, result.subject_key)
    pictures = {path.stem: path.name for path in place.glob("*.png")}

    def name(stem: str) -> str:
        return picture_name(SETTINGS, result.subject_key, pictures[stem]) if stem in pictures else ""

    again = [one.step for one in result.look_back if not one.holds]
    steps = [ShownStep(step=step, is_again=False, grid=name(grid_stem(step.axis))) for step in result.steps]
    steps += [ShownStep(step=step, is_again=True, grid="") for step in again]
    used = {grid_stem(step.axis) for step in result.steps}
    return ShownSettings(
        result=result,
        rows=tuple(setting_rows(result)),
        work=work_sentence(result),
        text=parameters_text(
            result, spec.shots.trials[0], model=spec.storage.name, recipe_key=Recipe.parse(result.recipe).key
        ),
        steps=tuple(steps),
        joint=result.joint,
        grids=tuple(name(stem) for stem in sorted(pictures) if stem not in used),
    )


def grid_stem(axis: str) -> str:
    """Return what the grid of a step is called, without its ending."""
    return re.sub(r"[^\w-]+", "-", axis.casefold())
