"""Adjust: SuperMerger's numbers for contrast, brightness and colour, and what they do to six tensors of the UNet.

Since October 2023 there are eight fields; before that seven, of which the last three mean something else. The tensors
are the same in SD1, SD2 and SDXL; the colours differ, since SDXL's latents do.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from engine.architecture.widths import FamilyName
from engine.errors import RecipeError
from engine.recipes.dialects import EIGHT_FIELDS, SEVEN_FIELDS, Dialect

UNIT = 0.02  # what one unit of a colour field adds to the last bias
_UNET = "model.diffusion_model."
SCALED: dict[str, tuple[str, float]] = {
    f"{_UNET}input_blocks.0.0.weight": ("IN", -0.01),
    f"{_UNET}input_blocks.0.0.bias": ("IN", 0.02),
    f"{_UNET}out.0.weight": ("OUT", -0.01),
    f"{_UNET}out.0.bias": ("OUT", 0.02),
    f"{_UNET}out.2.weight": ("OUT2", -0.01),
}
"""Tensors that are multiplied by ``1 + slope * value``: the field and the slope."""
SHIFTED = f"{_UNET}out.2.bias"
"""The tensor that the colour fields are added to, one number for each latent channel."""
ADJUSTED = frozenset({*SCALED, SHIFTED})

_OFF = re.compile(r"[0,]*")


def parse_adjust(text: str, dialect: Dialect) -> tuple[float, ...]:
    """Read an Adjust text as SuperMerger does: missing fields and words are 0, further ones are ignored.

    Returns:
        One number for each of the dialect's fields; empty where the text means "off": without a comma, or made of
        nothing but ``0`` and commas.

    Raises:
        RecipeError: a field is infinite or not a number.
    """
    text = text.replace(" ", "")
    if "," not in text or _OFF.fullmatch(text):
        return ()
    fields = dialect.adjust_fields
    found = [_field(word) for word in text.split(",")[: len(fields)]]
    if not all(math.isfinite(value) for value in found):
        raise RecipeError(
            f"Adjust {text!r} has a field that is not finite", remedy="useful values lie within -10 .. 10"
        )
    return (*found, *(0.0,) * (len(fields) - len(found)))


def _field(word: str) -> float:
    try:
        return float(word)
    except ValueError:
        return 0.0


def factor(values: Sequence[float], key: str) -> float:
    """What a tensor is multiplied by; 1 for all but five tensors.

    Args:
        values: seven or eight fields, or none.
        key: an LDM key.
    """
    if not values or key not in SCALED:
        return 1.0
    field, slope = SCALED[key]
    return 1 + slope * values[EIGHT_FIELDS.index(field)]


def shift(values: Sequence[float], family: FamilyName) -> tuple[float, float, float, float]:
    """What is added to the four latent channels of ``SHIFTED``.

    Args:
        values: seven fields (2023), or eight.
        family: of the model.
    """
    if len(values) == len(SEVEN_FIELDS):
        contrast, first, second, third = values[3:]
        channels = (contrast, first, second, third)
    elif family == "sdxl":
        contrast, light, first, second, third = values[3:]
        channels = (contrast, first - second - third, -second + third, light)
    else:
        contrast, light, first, second, third = values[3:]
        channels = (contrast, -light + first + third, light / 3 + first - second, 2 * light / 3 - second + third)
    one, two, three, four = (UNIT * value for value in channels)
    return one, two, three, four


def to_eight(values: Sequence[float], family: FamilyName = "sd1") -> tuple[float, ...]:
    """Eight fields that do exactly what seven did in the dialect ``2023``.

    The first four mean the same. Of the four new colour fields one is free; for SD1 and SD2 COL2 is kept 0.

    Raises:
        RecipeError: not seven values.
    """
    if len(values) != len(SEVEN_FIELDS):
        raise RecipeError(
            f"{len(values)} Adjust values", remedy=f"seven are translated to eight: {', '.join(SEVEN_FIELDS)}"
        )
    first, second, third = values[4:]
    if family == "sdxl":  # BRI is the last channel; COL1 takes what COL2 and COL3 leave, and COL3 is kept 0
        return (*values[:4], third, first - second, -second, 0.0)
    light = (second + third - first) / 2
    return (*values[:4], light, second - light / 3, 0.0, third - 2 * light / 3)


def to_seven(values: Sequence[float], family: FamilyName = "sd1") -> tuple[float, ...]:
    """Seven fields of the dialect ``2023`` that do what eight do now: one field for each latent channel.

    Raises:
        RecipeError: not eight values.
    """
    if len(values) != len(EIGHT_FIELDS):
        raise RecipeError(
            f"{len(values)} Adjust values", remedy=f"eight are translated to seven: {', '.join(EIGHT_FIELDS)}"
        )
    _, *colours = shift(values, family)
    return (*values[:4], *(colour / UNIT for colour in colours))
