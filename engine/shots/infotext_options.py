"""Settings that pictures usually leave alone in a WebUI's text in a picture, to write and to read.

The keys are those of WebUI 1.10 (modules/sd_samplers_common.py, sd_samplers_kdiffusion.py, sd_samplers_cfg_denoiser.py,
sd_hijack_clip.py and processing.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.errors import Problems
from engine.shots.infotext_values import number_of, size_of, written
from engine.shots.options import LIMITS, PictureOptions

KEYS: Mapping[str, str] = {
    "emphasis": "Emphasis",
    "ngms": "NGMS",
    "ngms_all": "NGMS all steps",
    "skip_early_cfg": "Skip Early CFG",
    "s_churn": "Sigma churn",
    "s_tmin": "Sigma tmin",
    "s_tmax": "Sigma tmax",
    "sigma_min": "Schedule min sigma",
    "sigma_max": "Schedule max sigma",
    "rho": "Schedule rho",
    "variation_seed": "Variation seed",
    "variation_strength": "Variation seed strength",
    "seed_resize": "Seed resize from",
}
"""The keys of the WebUI's text by the names of ``PictureOptions``."""
NO_LIMIT = "inf"
"""How a WebUI writes that "Sigma tmax" has no limit."""


def option_pairs(options: PictureOptions) -> dict[str, str]:
    """Return the pairs of the settings that have an effect."""
    found = options.fields
    if options.variation_strength:
        found["variation_seed"] = options.variation_seed
    return {key: written(found[name]) for name, key in KEYS.items() if name in found}


def picture_options(fields: Mapping[str, str], problems: Problems) -> PictureOptions:
    """Return the settings that a picture's text names; what it lacks is as usual.

    Args:
        fields: As ``engine.shots.infotext.read_fields`` gives them.
        problems: Numbers that are none are added.
    """
    found: dict[str, Any] = {}
    for name, key in KEYS.items():
        if key not in fields or (name == "s_tmax" and fields[key] == NO_LIMIT):
            continue
        text = fields[key]
        if name in LIMITS or name == "variation_seed":
            found[name] = number_of(key, text, float if name in LIMITS else int, problems)
        elif name == "seed_resize":
            found[name] = size_of(key, text, problems)
        else:
            found[name] = text.casefold() == "true" if name == "ngms_all" else text
    return PictureOptions(**found)
