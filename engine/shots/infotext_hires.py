"""Hires fix in a WebUI's text in a picture, to write and to read: "Denoising strength" and keys that begin "Hires".

The keys are those of WebUI 1.10 (``StableDiffusionProcessingTxt2Img.init`` in its modules/processing.py), and Forge's
"Hires CFG Scale". A key that is missing has the value of the first pass.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from engine.errors import Problems
from engine.shots.infotext_values import number_of, sampler_settings, size_of, written
from engine.shots.samplers import AUTOMATIC, split_name
from engine.shots.shot import Shot

DENOISING = "Denoising strength"
UPSCALE, RESIZE, UPSCALER = "Hires upscale", "Hires resize", "Hires upscaler"
STEPS, SAMPLER, SCHEDULE = "Hires steps", "Hires sampler", "Hires schedule type"
CFG, OLD_CFG = "Hires CFG Scale", "Hires CFG scale"
PROMPT, NEGATIVE = "Hires prompt", "Hires negative prompt"
HIRES_KEYS = frozenset({DENOISING, UPSCALE, RESIZE, UPSCALER, STEPS, SAMPLER, SCHEDULE, CFG, OLD_CFG, PROMPT, NEGATIVE})
FIRST_SIZE = "First pass size"
"""The key of the first pass's size before WebUI's present hires fix, when "Size" was that of the whole."""
FIRST_PIXELS, FIRST_STEP = 512 * 512, 64
"""About how many pixels such a first pass has where its size is 0x0, and what its sides are multiples of."""
SAME = "Use same "
"""How values begin that have no effect, such as "Use same checkpoint"."""

_SIZE = re.compile(r"(\d{1,9})x(\d{1,9})")
_NUMBERS: dict[str, tuple[str, type[int | float]]] = {
    DENOISING: ("denoise", float),
    UPSCALE: ("scale", float),
    STEPS: ("steps", int),
    CFG: ("cfg", float),
    OLD_CFG: ("cfg", float),
}


def has_hires(fields: Mapping[str, str]) -> bool:
    """Return whether a picture was made with hires fix, by the WebUI's rule."""
    return DENOISING in fields and not fields.keys().isdisjoint({UPSCALE, RESIZE, UPSCALER})


def todays_hires(fields: Mapping[str, str]) -> dict[str, str]:
    """Return the fields of a picture of the old hires fix as today's WebUI reads them; those of others as they are.

    As ``restore_old_hires_fix_params`` of modules/infotext_utils.py: what was "Size" is the size to enlarge to.
    """
    first, whole = (_SIZE.fullmatch(fields.get(key, "")) for key in (FIRST_SIZE, "Size"))
    if first is None or whole is None:
        return dict(fields)
    width, height = int(whole[1]), int(whole[2])
    sides = int(first[1]), int(first[2])
    if not all(sides) and width and height:
        scale = math.sqrt(FIRST_PIXELS / (width * height))
        sides = tuple(math.ceil(scale * side / FIRST_STEP) * FIRST_STEP for side in (width, height))
    others = {key: value for key, value in fields.items() if key != FIRST_SIZE}
    return others | {"Size": "x".join(map(str, sides)), RESIZE: whole[0]}


def hires_pairs(shot: Shot) -> dict[str, str]:
    """Return the pairs of a shot's second pass, in the WebUI's order, without the denoising strength; or none."""
    hires, second = shot.hires, shot.second
    if hires is None or second is None:
        return {}
    sized = {RESIZE: written(hires.resize)} if any(hires.resize) else {UPSCALE: written(hires.scale)}
    return {
        SAMPLER: second.sampler if second.sampler != shot.sampler else "",
        PROMPT: second.prompt if second.prompt != shot.prompt else "",
        NEGATIVE: second.negative if second.negative != shot.negative else "",
        CFG: written(second.cfg) if second.cfg != shot.cfg else "",
        SCHEDULE: hires.schedule if hires.schedule != shot.schedule else "",
        **sized,
        STEPS: str(hires.steps or ""),
        UPSCALER: hires.upscaler,
    }


def hires_settings(fields: Mapping[str, str], problems: Problems) -> dict[str, Any]:
    """Return the settings of a second pass, by the names of ``Hires``; none where there was no second pass.

    Args:
        fields: As ``engine.shots.infotext.read_fields`` gives them.
        problems: Numbers that are none are added.
    """
    if not has_hires(fields):
        return {}
    found: dict[str, Any] = {}
    for name, (field, kind) in _NUMBERS.items():
        if name in fields:
            found[field] = number_of(name, fields[name], kind, problems)
    if RESIZE in fields:
        found["resize"] = size_of(RESIZE, fields[RESIZE], problems)
    if "cfg" in found and found["cfg"] == number_of("CFG scale", fields.get("CFG scale", "7"), float, Problems()):
        del found["cfg"]
    words = {UPSCALER: "upscaler", PROMPT: "prompt", NEGATIVE: "negative"}
    return found | {field: fields[name] for name, field in words.items() if name in fields} | _sampler(fields)


def _sampler(fields: Mapping[str, str]) -> dict[str, str]:
    """Sampler and schedule where they are not the first pass's.

    In texts from before WebUI 1.9 a sampler's name includes the schedule, so that the first pass's does not apply.
    """
    own = {name: fields[name] for name in (SAMPLER, SCHEDULE) if not fields.get(name, SAME).startswith(SAME)}
    if not own:
        return {}
    alike = {"Sampler": own.get(SAMPLER, fields.get("Sampler", "")), "Version": fields.get("Version", "")}
    schedule = own.get(SCHEDULE, fields.get("Schedule type"))
    found = sampler_settings(alike | ({} if schedule is None else {"Schedule type": schedule}))
    if SAMPLER not in own:
        del found["sampler"]
    first = _first_schedule(fields)
    return {name: value for name, value in found.items() if name == "sampler" or value != first}


def _first_schedule(fields: Mapping[str, str]) -> str:
    first = sampler_settings(fields)
    parts = split_name(first.get("sampler", ""))
    return first.get("schedule") or (parts[1] if parts else AUTOMATIC)
