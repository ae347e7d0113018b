"""What old versions of AUTOMATIC1111's WebUI did otherwise, and by which versions a picture's text means it.

The versions, and the keys of the text, are those of the WebUI's own backward compatibility (``backcompat`` in
modules/infotext_versions.py, 1.10). Free of torch.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

VersionNumber = tuple[int, int, int, int, int]
"""Major, minor, patch; -1 for a release candidate, else 0; commits since the release."""

NEW_TIMELINES: VersionNumber = (1, 6, 0, 0, 0)
"""The first version with today's schedules in prompts, and with DDIM's conditionings unpadded."""
FULL_ALPHAS: VersionNumber = (1, 7, 0, 0, 225)
"""The first version whose noise levels are not of half precision."""
PADDED = frozenset({"DDIM", "PLMS"})
"""The samplers that padded conditionings before ``NEW_TIMELINES``."""

_VERSION = re.compile(r"v?(\d+)\.(\d+)(?:\.(\d+))?(-?rc\d*)?(?:-(\d+))?(?:-g?[0-9a-f]+)?", re.IGNORECASE)
_YES = "true"


@dataclass(frozen=True, slots=True, kw_only=True)
class Compatibility:
    """What a picture does as an old WebUI did; all False is today's.

    Attributes:
        old_timelines: In ``[a:b:when]`` a number below 1 is a fraction of the steps and any other a step, and a second
            pass counts the steps of the first.
        padded_negatives: A negative is brought to the prompt's number of tokens: its last one is repeated, or its end
            is cut off.
        half_levels: The model's noise levels are computed in half precision.
    """

    old_timelines: bool = False
    padded_negatives: bool = False
    half_levels: bool = False

    @property
    def fields(self) -> dict[str, bool]:
        """What is on, by name."""
        found = {name: getattr(self, name) for name in KEYS}
        return {name: value for name, value in found.items() if value}


KEYS: Mapping[str, str] = {
    "old_timelines": "Old prompt editing timelines",
    "padded_negatives": "Pad conds v0",
    "half_levels": "Downcast alphas_cumprod",
}
"""The keys of the WebUI's text by the names of ``Compatibility``; their value is True."""
TODAY = Compatibility()
"""Nothing as it was before."""


def number_of_version(text: str) -> VersionNumber | None:
    """Return the number of a WebUI's version, such as "v1.6.0-2-g4afaaf8a"; None for what is none."""
    found = _VERSION.fullmatch(text.strip())
    if found is None:
        return None
    major, minor, patch, candidate, commits = found.groups()
    if candidate:  # the commits after a release candidate do not count for the WebUI
        return int(major), int(minor), int(patch or 0), -1, 0
    return int(major), int(minor), int(patch or 0), 0, int(commits or 0)


def compatibility_of(fields: Mapping[str, str]) -> Compatibility:
    """Return what a picture's text asks for, by its own keys or by its version.

    Args:
        fields: As ``engine.shots.infotext.read_fields`` gives them.
    """
    version = number_of_version(fields.get("Version", ""))
    by_key = {name: fields.get(key, "").casefold() == _YES for name, key in KEYS.items()}
    if version is None:
        return Compatibility(**by_key)
    old = version < NEW_TIMELINES
    return Compatibility(
        old_timelines=by_key["old_timelines"] or (old and "[" in fields.get("Prompt", "")),
        padded_negatives=by_key["padded_negatives"] or (old and fields.get("Sampler") in PADDED),
        half_levels=by_key["half_levels"] or version < FULL_ALPHAS,
    )
