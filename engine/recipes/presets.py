"""SuperMerger's weight presets by name, and preset files of one's own.

The 38 presets that it ships are given here by the curves and patterns they are made of, over the 25 UNet blocks; BASE
is 0 in all but ALL_B. FLAT_50 is not among them; people add it themselves, so it is here too. A preset file has one
preset a line, the name, a tab or a colon, and the numbers, under the header ``preset_name<TAB>preset_weights``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path

from engine.errors import Named, Problems, RecipeError, did_you_mean
from engine.files import read_text
from engine.recipes.blocks import UNET_BLOCKS

Weights = tuple[float, ...]

_COUNT = len(UNET_BLOCKS)
_HEADER = "preset_name"


def _smoothstep(x: float) -> float:
    return x * x * (3 - 2 * x)


def _triangle(x: float) -> float:
    return 1 - abs(x % 2 - 1)


def _curve(formula: Callable[[float], float]) -> Weights:
    return tuple(formula(number / (_COUNT - 1)) for number in range(_COUNT))


def _pattern(digits: str) -> Weights:
    return tuple({"0": 0.0, "h": 0.5, "1": 1.0}[digit] for digit in digits)


def _wrap(count: int) -> Weights:
    half = count // 2
    return _pattern("1" * half + "0" * (_COUNT - count) + "1" * half)


def _reverse(weights: Weights) -> Weights:
    return tuple(1 - weight for weight in weights)


def _smoothsteps() -> dict[str, Weights]:
    found = {"SMOOTHSTEP": _curve(_smoothstep), "REVERSE-SMOOTHSTEP": _reverse(_curve(_smoothstep))}
    for n in (2, 3, 4):
        waves = _curve(lambda t, n=n: _triangle(n * _smoothstep(t)))
        found |= {f"SMOOTHSTEP*{n}": waves, f"R_SMOOTHSTEP*{n}": _reverse(waves)}
    for n in (2, 3, 4):
        waves = _curve(lambda t, n=n: _smoothstep(_triangle(n * t)))
        found |= {f"SMOOTHSTEP/{n}": waves, f"R_SMOOTHSTEP/{n}": _reverse(waves)}
    return found


def _cubics() -> dict[str, Weights]:
    cosine = _curve(lambda t: (1 + math.cos(math.pi * t)) / 2)
    true = _curve(lambda t: 6.41667 * t**3 - 9.625 * t**2 + 4.16667 * t + 0.0416667 if t else 0.0)
    fake = _curve(lambda t: 19 / 3 * t**3 - 9.5 * t**2 + 25 / 6 * t)
    return {
        "COSINE": cosine,
        "REVERSE_COSINE": _reverse(cosine),
        "TRUE_CUBIC_HERMITE": true,
        "TRUE_REVERSE_CUBIC_HERMITE": _reverse(true),
        "FAKE_CUBIC_HERMITE": fake,
        "FAKE_REVERSE_CUBIC_HERMITE": _reverse(fake),
    }


def _shipped() -> dict[str, Weights]:
    valley = _curve(lambda t: abs(2 * t - 1))
    unet = {
        "GRAD_V": valley,
        "GRAD_A": _reverse(valley),
        **{f"FLAT_{percent}": (percent / 100,) * _COUNT for percent in (25, 75, 50)},
        **{f"WRAP{count:02d}": _wrap(count) for count in (8, 12, 14, 16)},
        "MID12_50": _pattern("00000hhhhhhhhhhhhhh000000"),
        "OUT07": _pattern("0" * 18 + "1" * 7),
        "OUT12": _pattern("0" * 13 + "1" * 12),
        "OUT12_5": _pattern("0" * 12 + "h" + "1" * 12),
        "RING08_SOFT": _pattern("00000h111h00000h111h00000"),
        "RING08_5": _pattern("0000001111000001111000000"),
        "RING10_5": _pattern("0000011111000001111100000"),
        "RING10_3": _pattern("0000001111100011111000000"),
        **_smoothsteps(),
        **_cubics(),
        "ALL_A": (0.0,) * _COUNT,
    }
    return {name: (0.0, *weights) for name, weights in unet.items()} | {"ALL_B": (1.0,) * (_COUNT + 1)}


PRESETS: Mapping[str, Weights] = _shipped()
"""26 numbers by name, BASE first."""


def preset_weights(name: str, own: Mapping[str, Weights] | None = None) -> Weights:
    """The numbers of a preset, BASE first.

    Args:
        name: as SuperMerger lists it; spaces around it do not matter.
        own: presets of a file, which come before the shipped ones.

    Raises:
        RecipeError: there is none of that name.
    """
    known = {**PRESETS, **(own or {})}
    if (found := known.get(name.strip())) is not None:
        return found
    raise RecipeError(f"there is no preset {name!r}", remedy=did_you_mean(name.strip(), known))


def parse_presets(text: str, where: Path | str = "presets") -> dict[str, Weights]:
    """Presets of SuperMerger's ``mbwpresets.txt``, or of another tool's list of the same form.

    Raises:
        RecipeError: lines that are no preset; all of them at once, each with its number.
    """
    found: dict[str, Weights] = {}
    problems = Problems()
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith(_HEADER):
            continue
        name, separator, numbers = line.partition("\t") if "\t" in line else line.partition(":")
        try:
            found[name.strip()] = tuple(float(word) for word in numbers.split(","))
        except ValueError:
            reason = "has something that is no number" if separator else "has no tab or colon behind the name"
            problems.add((Named(f"line {number}"),), f"{line.strip()!r} {reason}", "write NAME<TAB>0,0.25,...")
    problems.raise_as(RecipeError, where)
    return found


def read_presets(path: Path | str) -> dict[str, Weights]:
    """Presets of a file.

    Raises:
        RecipeError: it cannot be read, or has lines that are no preset.
    """
    return parse_presets(read_text(Path(path), RecipeError), Path(path))


def preset_line(name: str, weights: Weights) -> str:
    """One line for a preset file."""
    from engine.recipes.steps import number

    return f"{name}\t{','.join(number(weight) for weight in weights)}"
