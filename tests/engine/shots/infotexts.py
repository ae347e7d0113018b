"""What pictures say of their shots, for tests to compare."""

from __future__ import annotations

from engine.shots.infotext import read_fields, shot_settings
from engine.shots.shot import Shot


def parse_infotext(text: str) -> Shot:
    """The shot of a picture, from the text that a WebUI or ``infotext`` wrote; it must have a seed."""
    return Shot(**shot_settings(read_fields(text)))
