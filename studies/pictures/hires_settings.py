"""The settings of hires fix that options give, which replace what a picture says."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.errors import Named

if TYPE_CHECKING:
    from engine.shots.hires import Hires

_OPTIONS = {
    "hires_upscaler": "upscaler",
    "hires_scale": "scale",
    "hires_resize": "resize",
    "hires_steps": "steps",
    "denoise": "denoise",
    "hires_sampler": "sampler",
    "hires_schedule": "schedule",
    "hires_cfg": "cfg",
    "hires_prompt": "prompt",
    "hires_negative": "negative",
}


def with_hires(given: Mapping[str, Any], taken: Mapping[str, Any], *, prompted: bool = False) -> dict[str, Any]:
    """The settings of a shot that options give, those of hires fix made one.

    Args:
        given: values of options, by their names; those of other settings are left as they are.
        taken: settings of a picture, by the names of ``Shot``; options replace those of its hires fix.
        prompted: whether options give a prompt.

    Raises:
        StudyError: not a size, or hires fix both on and off.
        RenderError: a setting of hires fix is out of its range.
    """
    from studies.errors import StudyError

    others = without_hires(given)
    own = {field: given[name] for name, field in _OPTIONS.items() if name in given}
    if given.get("no_hires"):
        if own:
            what = f"{_option_names(own)} is given too"
            raise StudyError(what, place=(Named("--no-hires"),), remedy="leave one of them out")
        return others | {"hires": None}
    if isinstance(own.get("resize"), str):
        own["resize"] = _parsed_size(own["resize"])
    replaced = {*others, *(["prompt"] if prompted else [])}
    hires = _hires_with_options(taken.get("hires"), own, replaced)
    return others if hires is None else others | {"hires": hires}


def without_hires(given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that options give, without those of hires fix."""
    return {name: value for name, value in given.items() if name not in {*_OPTIONS, "no_hires"}}


def _hires_with_options(taken: Hires | None, own: Mapping[str, Any], replaced: Collection[str]) -> Hires | None:
    """A picture's second pass with some settings replaced by options.

    A new sampler drops its schedule, a new scale its size, and new prompts of the first pass (``replaced``) its own.
    """
    from engine.shots.hires import Hires

    if taken is None:
        return Hires(**own) if own else None
    dropped: dict[str, Any] = {name: "" for name in ("prompt", "negative") if name in replaced}
    if "sampler" in own or ("sampler" in replaced and not taken.sampler):
        dropped["schedule"] = ""
    if "scale" in own:
        dropped["resize"] = (0, 0)
    return replace(taken, **{**dropped, **own})


def _parsed_size(text: str) -> tuple[int, int]:
    from studies.errors import StudyError

    found = re.fullmatch(r"(\d{1,6})x(\d{1,6})", text.strip().lower())
    if not found:
        raise StudyError(
            "must be width and height",
            place=(Named("--hires-resize"),),
            seen=text,
            remedy="write for example 1024x1536 or 1024x0",
        )
    return int(found[1]), int(found[2])


def _option_names(own: Mapping[str, Any]) -> str:
    names = [name for name, field in _OPTIONS.items() if field in own]
    return ", ".join("--" + name.replace("_", "-") for name in names)


def refuse_unknown_upscaler(hires: Hires | None, folder: Path | None) -> None:
    """Look for the file of an upscaler before anything else is read.

    Raises:
        StudyError: it takes a file and there is no folder.
        RenderError: the folder or the file is not there.
    """
    if hires is None or not hires.model:
        return
    from engine.rendering.upscaler_models import UpscalerFolder
    from engine.shots.hires import UPSCALERS
    from studies.errors import StudyError

    if folder is None:
        raise StudyError(
            "takes a model file",
            place=(Named("--hires-upscaler"),),
            seen=hires.model,
            remedy=f"name its folder with --upscalers, or choose one of {', '.join(UPSCALERS)}",
        )
    UpscalerFolder(folder).path(hires.model)
