"""Settings of pictures outside a study: what options give, over what a picture says."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from engine.errors import Named, Problems
from engine.shots.options import USUAL
from studies.errors import StudyError

_SEED = Named("--seed")
FIRST_SEED = 1
"""The seed where neither an option nor a picture says one."""
PICTURE_OPTIONS = ("emphasis", "ngms", "variation_seed", "variation_strength")
"""The settings among those that pictures usually leave alone which have options of their own."""
MOST_SEEDS = 9999
"""The most seeds of one call: the names of pictures have four digits."""


def base_settings(given: Mapping[str, Any], taken: Mapping[str, Any]) -> dict[str, Any]:
    """Settings by the names of ``Shot``.

    Args:
        given: those of options.
        taken: what a picture says; a sampler that is given also replaces its schedule and its eta.
    """
    dropped = {"schedule", "eta"} if "sampler" in given else set[str]()
    own = {name: given[name] for name in PICTURE_OPTIONS if name in given}
    kept = {name: value for name, value in taken.items() if name not in dropped}
    settings = kept | {name: value for name, value in given.items() if name not in own}
    return settings | ({"options": replace(taken.get("options") or USUAL, **own)} if own else {})


def read_seeds(texts: Sequence[str]) -> list[int]:
    """Single seeds and ranges, each seed once, in the order given.

    Raises:
        StudyError: a text is neither, or a range is too long.
    """
    found: dict[int, None] = {}
    problems = Problems()
    for piece in (piece.strip() for text in texts for piece in text.split(",")):
        match = re.fullmatch(r"(\d{1,19})(?:-(\d{1,19}))?", piece)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if last < first:
            problems.add(
                (_SEED,), "must be a whole number from 0, or a range", "write for example 7 or 1-4", seen=piece
            )
        elif last - first >= MOST_SEEDS:
            count = last - first + 1
            problems.add((_SEED,), f"has {count} seeds", f"at most {MOST_SEEDS} are allowed", seen=piece)
        else:
            found |= dict.fromkeys(range(first, last + 1))
    problems.raise_as(StudyError)
    return list(found)
