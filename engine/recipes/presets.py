"""SuperMerger's weight presets by name, and preset files of one's own.

The 38 presets that it ships are given here by the curves and patterns they are made of, over the 25 UNet blocks; BASE
is 0 in all but ALL_B. FLAT_50 is not among them; people add it themselves, so it is here too. A preset file has one
preset a line, the name, a tab or a colon, and the numbers, under the header ``preset_name<TAB>preset_weights``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from engine.architecture.widths import FamilyName
from engine.errors import Named, Problem, RecipeError, did_you_mean
from engine.files import read_text
from engine.recipes.blocks import BLOCKS, UNET_BLOCKS, blocks_of

Weights = tuple[float, ...]
PresetRow = tuple[float | str, ...]
"""Numbers and the letters of random ones."""

_COUNT = len(UNET_BLOCKS)
_HEADER = "preset_name"
_SEPARATORS = (":", "\t")
_LETTERS = ("R", "U", "X", "D", "ER", "EU", "EX")


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


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnPresets:
    """Presets of a file.

    Attributes:
        rows: every row of a name, in the order of the file: rows of 26 and of 20 may have the same name.
        notes: the lines that are no presets, which are passed over.
    """

    rows: Mapping[str, tuple[PresetRow, ...]] = field(default_factory=dict[str, tuple[PresetRow, ...]])
    notes: tuple[str, ...] = ()


NO_PRESETS = OwnPresets()
"""No presets of one's own."""


def preset_row(name: str, own: OwnPresets = NO_PRESETS, family: FamilyName = "sd1") -> PresetRow:
    """The row of a preset, BASE first; letters in it stand for random numbers.

    Args:
        name: as SuperMerger lists it; spaces around it do not matter.
        own: presets of a file, which come before the shipped ones.
        family: of the models: of several rows of the name, the last one with as many numbers as the family has blocks
            is taken.

    Raises:
        RecipeError: there is none of that name.
    """
    known: dict[str, tuple[PresetRow, ...]] = {**{shipped: (row,) for shipped, row in PRESETS.items()}, **own.rows}
    if (found := known.get(name.strip())) is None:
        raise RecipeError(f"there is no preset {name!r}", remedy=did_you_mean(name.strip(), known))
    counts = (len(blocks_of(family)), len(BLOCKS))
    return next((row for count in counts for row in reversed(found) if len(row) == count), found[-1])


def preset_weights(name: str, own: OwnPresets = NO_PRESETS, family: FamilyName = "sd1") -> Weights:
    """The numbers of a preset; the arguments are those of ``preset_row``.

    Raises:
        RecipeError: there is none of that name, or it has random numbers.
    """
    row = preset_row(name, own, family)
    if letters := [word for word in row if isinstance(word, str)]:
        raise RecipeError(
            f"the preset {name.strip()!r} has random numbers ({', '.join(dict.fromkeys(letters))}) in it",
            remedy="draw them with recipe-search recipe convert --from weights --seed",
        )
    return tuple(float(word) for word in row)


def parse_presets(text: str, where: Path | str = "presets") -> OwnPresets:
    """Presets of SuperMerger's ``mbwpresets.txt``, or of another tool's list of the same form.

    As SuperMerger does, a line with a colon and a tab is read both ways, and what is no preset is passed over.

    Raises:
        RecipeError: there are lines, and none of them is a preset; all of them at once, each with its number.
    """
    found: dict[str, tuple[PresetRow, ...]] = {}
    problems: list[Problem] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith(_HEADER):
            continue
        rows = _readings(line)
        for name, row in rows:
            found[name] = (*found.get(name, ()), row)
        if not rows:
            separated = any(separator in line for separator in _SEPARATORS)
            reason = "has something that is no number" if separated else "has no tab or colon behind the name"
            what = f"{line.strip()!r} {reason}"
            problems.append(Problem(place=(Named(f"line {number}"),), what=what, remedy="write NAME<TAB>0,0.25,..."))
    if problems and not found:
        raise RecipeError.of(problems, where)
    place = where if isinstance(where, Path) else Named(where)
    passed_over = "it is passed over, as SuperMerger does"
    return OwnPresets(rows=found, notes=tuple(f"{problem.under(place)}; {passed_over}" for problem in problems))


def _readings(line: str) -> list[tuple[str, PresetRow]]:
    """The presets of a line: one, or one by its colon and one by its tab."""
    found: list[tuple[str, PresetRow]] = []
    for separator in _SEPARATORS:
        name, there, numbers = line.partition(separator)
        words = [word.strip() for word in numbers.split(",")]
        if there and all(map(_is_weight, words)):
            found.append((name.strip(), tuple(word if word in _LETTERS else float(word) for word in words)))
    return found


def _is_weight(word: str) -> bool:
    if word in _LETTERS:
        return True
    try:
        return math.isfinite(float(word))
    except ValueError:
        return False


def read_presets(path: Path | str) -> OwnPresets:
    """Presets of a file.

    Raises:
        RecipeError: it cannot be read, or no line of it is a preset.
    """
    return parse_presets(read_text(Path(path), RecipeError), Path(path))


def preset_line(name: str, weights: Weights) -> str:
    """One line for a preset file."""
    from engine.recipes.steps import number

    return f"{name}\t{','.join(number(weight) for weight in weights)}"
