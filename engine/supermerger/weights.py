"""SuperMerger's weights box: block weights, BASE first, with commas between; or a preset's name. Letters are random.

``0,0.35,R,...``: ``R`` draws from 0 to 1, ``U`` from -0.5 to 1.5, ``X`` between the limits of its block, ``D`` (dialect
``head``) around the upper one. ``ER``, ``EU`` and ``EX`` give the block a weight of 0 and an elemental rule that draws
for every key. The random numbers are those of ``numpy.random.seed(seed)`` and ``rand``, in all
dialects.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from engine.architecture.widths import FamilyName
from engine.errors import Named, RecipeError
from engine.recipes.blocks import BLOCKS, EXTENDED_BLOCKS, blocks_of
from engine.recipes.dialects import Dialect
from engine.recipes.elemental import RANDOM_RATIOS
from engine.recipes.presets import NO_PRESETS, OwnPresets, PresetRow, preset_row
from engine.recipes.steps import FORMS, number

Side = Literal["alpha", "beta"]

OFFSETS: dict[Side, int] = {"alpha": 0, "beta": 50}
"""Which of the drawn numbers belongs to the first block of each text."""
RANDOM_PRESETS = ("ALL_R", "ALL_U", "ALL_X")
"""Presets that SuperMerger adds when it runs: one letter for every block."""

_RANDOM_COUNT = 3000
_LETTERS = ("R", "U", "X", "D")
_ELEMENTAL = tuple(f"E{letter}" for letter in RANDOM_RATIOS)


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomSettings:
    """SuperMerger's settings of random weights ("Let the Dice roll"), which it keeps nowhere.

    Attributes:
        lower: lower limits, one number for every place of a row or one a place: X draws down to it, and it is the width
            of what D draws from.
        upper: upper limits: X draws from it down, and D around it.
        alpha_limits: the lower and the upper limits within which the dialect ``head`` holds random weights alpha.
        beta_limits: the same for beta.
        decimals: to which random numbers are rounded.
    """

    lower: tuple[float, ...] = (0.0,)
    upper: tuple[float, ...] = (1.0,)
    alpha_limits: tuple[tuple[float, ...], tuple[float, ...]] = ((0.0,), (1.0,))
    beta_limits: tuple[tuple[float, ...], tuple[float, ...]] = ((0.0,), (1.0,))
    decimals: int = 3

    def draw(self, letter: str, value: float, place: int, *, held: Side | None) -> float:
        """A random weight.

        Args:
            letter: R, U, X or D.
            value: the drawn number, from 0 to 1.
            place: in the row, from 0.
            held: whose limits it is held within; None: nobody's.

        Raises:
            RecipeError: a list of limits has no number for the place.
        """
        low, high = _limit_at(self.lower, place, "lower"), _limit_at(self.upper, place, "upper")
        found = {
            "R": value,
            "U": 1.5 - 2 * value,
            "X": (low - high) * value + high,
            "D": high + low * (value - 0.5),
        }[letter]
        found = round(found, self.decimals)
        if held is None:
            return found
        least, most = self.alpha_limits if held == "alpha" else self.beta_limits
        floor, ceiling = _limit_at(least, place, f"{held} lower"), _limit_at(most, place, f"{held} upper")
        return min(max(found, floor), ceiling)


USUAL_RANDOM = RandomSettings()
"""SuperMerger's settings of random weights as it starts."""


def _limit_at(limits: tuple[float, ...], place: int, name: str) -> float:
    if len(limits) == 1:
        return limits[0]
    if place < len(limits):
        return limits[place]
    remedy = "write one number, or one for every number of the weights"
    raise RecipeError(f"the {name} limits are {len(limits)} numbers, and weight {place + 1} is random", remedy=remedy)


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsText:
    """What a weights text says once its random numbers are drawn.

    Attributes:
        numbers: one for each block, BASE first.
        elemental: rules for the blocks marked ER, EU and EX, to be put behind the elemental text; "" without such.
    """

    numbers: tuple[float, ...]
    elemental: str = ""


def weights_line(weights: Sequence[float]) -> str:
    """The weights as SuperMerger's box takes them, ``0,0.35,0.35,...``."""
    return ",".join(number(weight) for weight in weights)


def parse_weights(
    text: str,
    family: FamilyName,
    dialect: Dialect,
    *,
    own: OwnPresets = NO_PRESETS,
    seed: int | None = None,
    side: Side = "alpha",
    random: RandomSettings = USUAL_RANDOM,
) -> WeightsText:
    """Read a weights text.

    Args:
        text: numbers and letters with commas, or without a comma a preset's name.
        family: of the models; it says how many blocks there are.
        dialect: whose letters there are, and whether drawn numbers are held within the limits.
        own: presets of one's own by name.
        seed: of the random numbers; SuperMerger keeps it in mergehistory.csv alone.
        side: which text it is.
        random: SuperMerger's settings of random weights.

    Raises:
        RecipeError: with the place in the text; an unknown preset, a wrong count, or random numbers without a seed.
    """
    if "," not in text and (text.strip() in own.rows or text.strip() not in RANDOM_PRESETS):
        row = preset_row(text, own, family)
        _check_count(row, family, dialect, text)
        text = ",".join(word if isinstance(word, str) else number(word) for word in row)
    if "," not in text:
        text = ",".join(text.strip()[-1] * len(BLOCKS))
    words = [word.strip() for word in text.split(",")]
    names = _blocks_of_row(len(words), family, dialect)
    numbers = [_parsed_number(word, place, text, names, dialect) for place, word in enumerate(words)]
    return _with_random_weights(words, numbers, names, dialect, seed, side, random)


def _blocks_of_row(count: int, family: FamilyName, dialect: Dialect) -> tuple[str, ...]:
    """The blocks of a row of so many numbers; SDXL takes the row of 26 as well."""
    names = FORMS.get(count)
    long = count > len(BLOCKS)
    if names is None or (family != "sdxl" and count != len(BLOCKS)) or (long and not dialect.extended):
        needed = blocks_of(family)
        hint = "; put a 0 for BASE in front" if count in {len(needed) - 1, len(BLOCKS) - 1} else ""
        raise RecipeError(
            f"the weights are {count} numbers",
            remedy=f"{family} in the dialect {dialect.name} needs {len(needed)}: BASE, {needed[1]} .. "
            f"{needed[-1]}{hint}",
        )
    return names


def _check_count(row: PresetRow, family: FamilyName, dialect: Dialect, name: str) -> None:
    try:
        _blocks_of_row(len(row), family, dialect)
    except RecipeError as error:
        raise error.under(Named(f"preset {name.strip()!r}")) from None


def _parsed_number(word: str, place: int, text: str, names: Sequence[str], dialect: Dialect) -> float:
    """A plain number; 0 for a letter, whose random number comes later."""
    letters = _known_letters(dialect)
    if word in letters:
        return 0.0
    try:
        found = float(word)
    except ValueError:
        found = math.nan
    if math.isfinite(found):
        return found
    column = sum(len(part) + 1 for part in text.split(",")[:place]) + 1
    raise RecipeError(
        f"weights, number {place + 1} ({names[place]}), column {column}: {word!r} is no weight",
        remedy=f"write a number such as 0.35, or {', '.join(letters)} for a random one",
    )


def _known_letters(dialect: Dialect) -> tuple[str, ...]:
    known = _LETTERS if dialect.extended else _LETTERS[:-1]
    return (*known, *_ELEMENTAL)


def _with_random_weights(
    words: Sequence[str],
    numbers: list[float],
    names: Sequence[str],
    dialect: Dialect,
    seed: int | None,
    side: Side,
    random: RandomSettings,
) -> WeightsText:
    letters = {place: word for place, word in enumerate(words) if word in _known_letters(dialect)}
    if letters and seed is None:
        place, letter = next(iter(letters.items()))
        raise RecipeError(
            f"weights, number {place + 1} ({names[place]}): {letter} is random and needs a seed",
            remedy="give it (--seed; mergehistory.csv has it in column 18)",
        )
    if letters:
        drawn = _random_numbers(seed or 0)
        held = side if dialect.extended else None
        for place, letter in letters.items():
            if letter in _LETTERS:  # the others draw for every key
                numbers[place] = random.draw(letter, drawn[place + OFFSETS[side]], place, held=held)
    return WeightsText(numbers=tuple(numbers), elemental=_random_rules(letters, len(words)))


def _random_numbers(seed: int) -> list[float]:
    import numpy as np

    if not 0 <= seed < 1 << 32:
        raise RecipeError(f"the seed of random weights is {seed}", remedy="give one from 0 to 4294967295")
    return [float(value) for value in np.random.RandomState(seed).rand(_RANDOM_COUNT)]


def _random_rules(letters: Mapping[int, str], count: int) -> str:
    """One rule a letter, R before U before X, for all its blocks.

    Blocks have the names of rules, which go by the place in the row of 26; for SDXL too.
    """
    names = EXTENDED_BLOCKS if count == len(EXTENDED_BLOCKS) else BLOCKS
    found: list[str] = []
    for letter in RANDOM_RATIOS:
        blocks = [names[place] for place, word in letters.items() if word == f"E{letter}"]
        found += [f"{' '.join(blocks)}::{letter}"] if blocks else []
    return ",".join(found)
