"""The recommended settings of a recipe as pages show them: the card, the text for the WebUI, and every step."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from engine.errors import ProblemError
from engine.files import read_text
from engine.recipes.recipe import Recipe
from studies.cards.recommended import SettingRow, parameters_text, setting_rows, shown_steps, work_sentence
from studies.errors import StudyError
from studies.pages.measured.read import ReadResult, read_result
from studies.pages.reading.measured_files import SETTINGS, picture_name
from studies.results.settings import SettingsResult, SettingsStep, TriedValue
from studies.results.settings_file import RESULT, read_settings, result_folder
from studies.studyfile.spec import StudySpec

PARAMETERS = "card.txt"
"""Name of the file, beside a result, with the WebUI's text of a picture."""


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
    joint_grid: str
    """Name of the grid of the combinations; "" where none was drawn."""


def shown_settings(spec: StudySpec, subject: str = "") -> tuple[ReadResult[ShownSettings], dict[str, str]]:
    """Return the recommended settings for pages, and the titles of all results by their names, the newest first.

    Args:
        spec: of the study.
        subject: name of a result; "": the newest.
    """
    folder = spec.storage.folder
    read = {key: read_result(partial(read_settings, folder, key)) for key in _results(folder)}
    names = {key: one.found.title if one.found else key for key, one in read.items()}
    wanted: ReadResult[SettingsResult] = read.get(subject or next(iter(read), ""), ReadResult())
    if wanted.found is None:
        return ReadResult(problem=wanted.problem), names
    return read_result(partial(_shown, spec, wanted.found)), names


def _results(folder: Path) -> list[str]:
    """The names of all results, the newest first."""
    stamped: list[tuple[float, str]] = []
    for file in (folder / SETTINGS).glob(f"*/{RESULT}"):
        with suppress(OSError):  # it has gone meanwhile
            stamped.append((-file.stat().st_mtime, file.parent.name))
    return [key for _, key in sorted(stamped)]


def _shown(spec: StudySpec, result: SettingsResult) -> ShownSettings:
    grids = _grids(spec.storage.folder, result)
    numbers = {id(step): number for number, (_, step) in enumerate(shown_steps(result), start=1)}
    steps = [(step, False) for step in result.steps]
    steps += [(one.step, True) for one in result.look_back if not one.holds]
    return ShownSettings(
        result=result,
        rows=tuple(setting_rows(result)),
        work=work_sentence(result),
        text=_parameters(spec, result),
        steps=tuple(
            ShownStep(step=step, is_again=again, grid=grids.get(numbers.get(id(step), 0), "")) for step, again in steps
        ),
        joint=result.joint,
        joint_grid=grids.get(1, "") if result.joint else "",
    )


def _grids(folder: Path, result: SettingsResult) -> dict[int, str]:
    """The names of the grids that lie beside a result, by their numbers: `grid-01-sampler.png`."""
    files = sorted(result_folder(folder, result.name).glob("grid-*.png"))
    numbered = [(file.name.split("-")[1], file.name) for file in files]
    return {
        int(number): picture_name(SETTINGS, result.name, name)
        for number, name in numbered
        if number.isascii() and number.isdigit()
    }


def _parameters(spec: StudySpec, result: SettingsResult) -> str:
    """The WebUI's text: that of the card's file, which names the checkpoint, else one that names the study."""
    file = result_folder(spec.storage.folder, result.name) / PARAMETERS
    if file.exists():
        return read_text(file, StudyError).rstrip("\n")
    try:
        key = Recipe.parse(result.recipe).key
    except ProblemError as error:
        raise StudyError.of(problem.under(file.with_name(RESULT)) for problem in error.problems) from error
    return parameters_text(result, spec.shots.trials[0], model=f"{result.study} {result.subject}", recipe_key=key)
