"""The files of what `recipe-search settings` finds: a folder for each subject and way, in the study's folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from engine.errors import ProblemError
from engine.shots.hires import Hires
from engine.shots.shot import Shot
from studies.errors import StudyError
from studies.results.result_file import write_result
from studies.results.settings import (
    STATES,
    LookBack,
    PictureSettings,
    SettingsDifference,
    SettingsResult,
    SettingsStep,
    TriedValue,
)
from studies.store.shapes import Shape, entries_of, read_json

FOLDER = "settings"
"""The folder, in a study's, with the folders of all results."""
RESULT = "result.json"
"""The file of a result."""
_REMEDY = "`recipe-search settings` makes it again from the kept pictures"
_SHOWN = Shot(prompt="", seed=0)


def write_settings(folder: Path, result: SettingsResult) -> Path:
    """Store a result in a study's folder; returns the file.

    One that is not finished does not take the place of a finished one, whose card and grids lie beside it.
    """
    path = result_folder(folder, result.name) / RESULT
    return path if not result.finished and _is_finished(path) else write_result(path, asdict(result))


def _is_finished(path: Path) -> bool:
    """Whether a file holds a finished result; a damaged one does not."""
    if not path.exists():
        return False
    try:
        return bool(read_json(path, _FILE, _REMEDY)["finished"])
    except ProblemError:
        return False


def result_folder(folder: Path, name: str) -> Path:
    """Return the folder of a result, in a study's folder; the result's ``name`` is the subject's key where by steps."""
    return folder / FOLDER / name


def read_settings(folder: Path, name: str) -> SettingsResult:
    """Return a result that was stored in a study's folder, by its ``name``.

    Raises:
        StudyError: there is none, or its file is damaged.
    """
    path = result_folder(folder, name) / RESULT
    if not path.exists():
        raise StudyError("no recommended settings yet", place=(path,), remedy="`recipe-search settings` finds them")
    row = read_json(path, _FILE, _REMEDY)
    try:
        return _result_of(row)
    except ProblemError as error:
        raise StudyError.of(problem.under(path) for problem in error.problems) from error


def all_settings(folder: Path) -> list[SettingsResult]:
    """Return all results in a study's folder, the newest first; of half-finished ones too.

    Raises:
        StudyError: a file is damaged.
    """
    files = sorted((folder / FOLDER).glob(f"*/{RESULT}"), key=lambda path: (-path.stat().st_mtime, path))
    return [read_settings(folder, path.parent.name) for path in files]


_HIRES: Shape = {
    "upscaler": str,
    "scale": float,
    "resize": [int],
    "steps": int,
    "denoise": float,
    "sampler": str,
    "schedule": str,
    "cfg": (float, None),
    "prompt": str,
    "negative": str,
}
_SETTINGS: Shape = {
    "sampler": str,
    "schedule": str,
    "eta": (float, None),
    "vae": str,
    "cfg": float,
    "steps": int,
    "clip_skip": int,
    "width": int,
    "height": int,
    "hires": (_HIRES, None),
}
_DIFFERENCE: Shape = {"mean": float, "low": float, "high": float, "pictures": int}
_VALUE: Shape = {
    "label": str,
    "settings": (_SETTINGS, None),
    "state": str,
    "reason": str,
    "against_best": (_DIFFERENCE, None),
    "against_start": (_DIFFERENCE, None),
    "shortfall": (float, None),
    "cost": float,
    "seconds": (float, None),
    "pictures": int,
    "is_start": bool,
    "chosen": bool,
}
_STEP: Shape = {
    "axis": str,
    "values": [_VALUE],
    "confidence": float,
    "most_pictures": int,
    "asked": bool,
    "reason": str,
}
_FILE: Shape = {
    "study": str,
    "subject": str,
    "subject_key": str,
    "recipe": str,
    "mode": str,
    "start": _SETTINGS,
    "final": _SETTINGS,
    "steps": [_STEP],
    "joint": [_VALUE],
    "look_back": [{"step": _STEP, "holds": bool}],
    "margin": float,
    "pictures": int,
    "rendered": int,
    "shots": str,
    "notes": [str],
    "finished": bool,
}


def _result_of(row: Mapping[str, Any]) -> SettingsResult:
    if row["mode"] not in {"steps", "joint"}:
        raise StudyError("is damaged: there is no such mode", place=("mode",), seen=row["mode"], remedy=_REMEDY)
    built: dict[str, Any] = {
        "start": _settings_of(row["start"]),
        "final": _settings_of(row["final"]),
        "steps": tuple(map(_step_of, row["steps"])),
        "joint": tuple(map(_value_of, row["joint"])),
        "look_back": tuple(LookBack(step=_step_of(one["step"]), holds=one["holds"]) for one in row["look_back"]),
        "notes": tuple(row["notes"]),
    }
    return SettingsResult(**entries_of(SettingsResult, row) | built)


def _settings_of(row: Mapping[str, Any]) -> PictureSettings:
    built: dict[str, Any] = {"hires": row["hires"]}
    if row["hires"] is not None:
        resize: Any = tuple(row["hires"]["resize"])
        built["hires"] = Hires(**entries_of(Hires, row["hires"]) | {"resize": resize})
    settings = PictureSettings(**entries_of(PictureSettings, row) | built)
    settings.applied_to(_SHOWN)  # refuses what no picture can have
    return settings


def _step_of(row: Mapping[str, Any]) -> SettingsStep:
    values: Any = tuple(map(_value_of, row["values"]))
    return SettingsStep(**entries_of(SettingsStep, row) | {"values": values})


def _value_of(row: Mapping[str, Any]) -> TriedValue:
    if row["state"] not in STATES:
        raise StudyError("is damaged: there is no such state", place=("state",), seen=row["state"], remedy=_REMEDY)
    built: dict[str, Any] = {"settings": _settings_of(row["settings"]) if row["settings"] else None}
    for name in ("against_best", "against_start"):
        built[name] = SettingsDifference(**entries_of(SettingsDifference, row[name])) if row[name] else None
    return TriedValue(**entries_of(TriedValue, row) | built)
