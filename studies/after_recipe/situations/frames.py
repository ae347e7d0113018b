"""How a line of a list becomes a prompt: put into the frame of its list, and that into the study's.

A frame is a prompt of Dynamic Prompts. In it the list's own wildcard (``__light__`` for ``light.txt``) or
``__situation__`` stands for the line; where it has neither, the line comes last, after a comma. All its other wildcards
and choices are drawn. So one frame, "a photo of __subject__, __place__, __light__", serves every one of these three
lists: each in turn goes through its lines, while the others are drawn.

The line itself is marked by a letter that no prompt has, ``SLOT``, until the frame's choices are made. Then all lines
of a list can be put into the very same prompt, so that pictures of one seed differ by nothing but the line.
"""

from __future__ import annotations

from engine.errors import Place, Problems
from studies.studyfile.wildcard_circles import ANY, WILDCARD

SLOT = "\ue000"
"""Stands in a prompt where the line of a list goes: a letter for private use, which no prompt has."""


def framed(aspect: str, *frames: str) -> str:
    """Return the prompt of a list's lines, with ``SLOT`` where the line stands.

    Args:
        aspect: the list's name.
        frames: from the innermost (the list's) to the outermost (the study's); "" is none.
    """
    text = SLOT
    for frame in filter(None, frames):
        text = _with_slot(frame, aspect).replace(SLOT, text)
    return text


def _with_slot(frame: str, aspect: str) -> str:
    marked = WILDCARD.sub(lambda found: SLOT if found[1].strip() in {aspect, ANY} else found[0], frame)
    return marked if SLOT in marked else f"{frame.rstrip().removesuffix(',')}, {SLOT}"


def check_frame(frame: str, place: Place, problems: Problems) -> None:
    """Add a problem where a frame, with its ``SLOT``, would leave the line out of some pictures."""
    before = frame.partition(SLOT)[0]
    if before.count("{") > before.count("}"):
        remedy = "take it out of the braces"
        problems.add(place, "the line stands within a choice {...}, which would leave it out at times", remedy)
