"""Single values of a WebUI's text in a picture, read: samplers, numbers, sizes."""

from __future__ import annotations

import re
from collections.abc import Mapping

from engine.errors import Named, Problems
from engine.recipes.steps import number
from engine.shots.other_names import webui_schedule
from engine.shots.samplers import AUTOMATIC, SAMPLERS, split_name

_BEFORE_TYPES = re.compile(r"v1\.[0-8](?!\d)")  # versions of the WebUI in which a bare name meant uniform levels


def written(value: object) -> str:
    """Return a value as the WebUI's text has it: 7, 0.35, 512x768, Euler a."""
    if isinstance(value, tuple):
        return "x".join(map(str, value))
    return number(value) if isinstance(value, float) else str(value)


def sampler_settings(fields: Mapping[str, str]) -> dict[str, str]:
    """``sampler`` and ``schedule`` of a shot; names of both at once are left to the shot, which knows them."""
    if "Sampler" not in fields:
        return {}
    name, parts = fields["Sampler"], split_name(fields["Sampler"])
    schedule = webui_schedule(fields.get("Schedule type", AUTOMATIC))
    own_levels = parts is not None and not SAMPLERS[parts[0]].automatic
    named = parts is not None and parts[1] != AUTOMATIC
    if own_levels or (named and schedule == AUTOMATIC):  # the WebUI passes over a schedule of these
        return {"sampler": name}
    if "Schedule type" not in fields and _BEFORE_TYPES.search(fields.get("Version", "")):
        schedule = "Uniform"
    return {"sampler": name, "schedule": schedule}


def number_of(name: str, text: str, kind: type[int | float], problems: Problems) -> float | None:
    """A number, or None and a problem more."""
    try:
        return kind(text)
    except ValueError:
        problems.add((Named(name),), f"must be a {'whole ' if kind is int else ''}number", seen=text)
        return None


def size_of(name: str, text: str, problems: Problems) -> tuple[int, int]:
    """Width and height of "512x768", or zeros and a problem more."""
    if found := re.fullmatch(r"(\d{1,9})x(\d{1,9})", text):
        return int(found[1]), int(found[2])
    problems.add((Named(name),), "must be width and height, such as 512x768", seen=text)
    return 0, 0
