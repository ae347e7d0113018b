"""The options of ``recipe-search recipe`` that say how an input is read."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from studies.cli.numbers import FiniteNumber

if TYPE_CHECKING:
    from studies.recipes.inputs import InputOptions

_FROM = (
    "toml",
    "weights",
    "elemental",
    "adjust",
    "preset",
    "history",
    "metadata",
    "mecha",
    "comfyui",
    "mergekit",
    "card",
)
DIALECTS = ("2023", "classic", "head", "head_patched")
"""The dialects of SuperMerger, as they are named on the command line."""
FAMILY_OPTION = click.option(
    "--family", type=click.Choice(["sd1", "sd2", "sdxl"]), help="Of the models; default: as the input says."
)
SOURCE_OPTIONS = (
    click.option("--from", "kind", type=click.Choice(_FROM), help="Format of the input; default: by its name."),
    click.option("--id", "row", type=int, help="ID of a row of mergehistory.csv; negative: from the end."),
    click.option("--preset", help="Name of a preset in a preset file."),
    click.option("--presets", type=click.Path(path_type=Path), help="A file of presets of your own."),
    FAMILY_OPTION,
    click.option(
        "--read-as",
        type=click.Choice(DIALECTS),
        help="SuperMerger's version (dialect) that a text is for; default: by its date or keys, else the usual one.",
    ),
    click.option("--chain", is_flag=True, help="Of a checkpoint whose models were merged too: all stages in one."),
)
"""Where an input is, and what it is of."""
SETTING_OPTIONS = (
    click.option(
        "--mode",
        default="Weight sum",
        help="Merge mode of a text of one field.  [default: Weight sum]",
    ),
    click.option("--calculation", default="normal", help="Calculation mode of such a text.  [default: normal]"),
    click.option("--alpha", type=FiniteNumber(), default=0.0, help="Alpha of such a text.  [default: 0]"),
    click.option("--beta", type=FiniteNumber(), default=0.0, help="Beta of such a text.  [default: 0]"),
    click.option("--weights-beta", default="", help="Weights beta beside a weights text; default: --beta everywhere."),
    click.option("--elemental", default="", help="Elemental text beside a weights text."),
    click.option("--adjust", default="", help="Adjust text beside a weights or elemental text."),
    click.option("--seed", type=int, help="Seed of random numbers in a single text, or in metadata, which lack it."),
    click.option("--extended", is_flag=True, help='SuperMerger\'s "use extended XL", which is recorded nowhere.'),
)
"""The settings of SuperMerger that an input does not record."""
RANDOM_OPTIONS = (
    click.option(
        "--lower", default="0", help="Lower limits of random X and D: a number, or one a block.  [default: 0]"
    ),
    click.option(
        "--upper", default="1", help="Upper limits of random X and D: a number, or one a block.  [default: 1]"
    ),
    click.option("--alpha-lower", default="0", help="Least random weight alpha, in the dialect head.  [default: 0]"),
    click.option("--alpha-upper", default="1", help="Greatest random weight alpha there.  [default: 1]"),
    click.option("--beta-lower", default="0", help="Least random weight beta there.  [default: 0]"),
    click.option("--beta-upper", default="1", help="Greatest random weight beta there.  [default: 1]"),
    click.option("--decimals", type=click.IntRange(0, 10), default=3, help="Decimals of random numbers.  [default: 3]"),
)
"""SuperMerger's settings of random weights."""


def with_options(options: tuple[Any, ...]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Put options on a command."""

    def put(command: Callable[..., None]) -> Callable[..., None]:
        for option in reversed(options):
            command = option(command)
        return command

    return put


def input_options(
    *,
    kind: str | None,
    row: int | None,
    preset: str | None,
    presets: Path | None,
    family: Any,
    read_as: str | None,
    chain: bool = False,
    lower: str = "0",
    upper: str = "1",
    alpha_lower: str = "0",
    alpha_upper: str = "1",
    beta_lower: str = "0",
    beta_upper: str = "1",
    decimals: int = 3,
    **settings: Any,
) -> InputOptions:
    """How an input is read, from the options of a command."""
    from engine.supermerger.fields import RunFields
    from engine.supermerger.weights import RandomSettings
    from studies.recipes.inputs import InputOptions

    random = RandomSettings(
        lower=_limits("lower", lower),
        upper=_limits("upper", upper),
        alpha_limits=(_limits("alpha-lower", alpha_lower), _limits("alpha-upper", alpha_upper)),
        beta_limits=(_limits("beta-lower", beta_lower), _limits("beta-upper", beta_upper)),
        decimals=decimals,
    )
    return InputOptions(
        kind=kind,
        dialect=read_as,
        family=family,
        row=row,
        preset=preset,
        presets=presets,
        chain=chain,
        settings=RunFields(models=_letters(**settings), random=random, **settings) if settings else RunFields(),
    )


def _limits(option: str, text: str) -> tuple[float, ...]:
    """Numbers with commas between."""
    from engine.errors import Named
    from studies.errors import StudyError

    try:
        found = tuple(float(word) for word in text.split(","))
    except ValueError:
        found = (math.nan,)
    if not all(map(math.isfinite, found)):
        what, remedy = f"{text!r} is not a row of numbers", "write one number, or one a block with commas between"
        raise StudyError(what, place=(Named(f"--{option}"),), remedy=remedy)
    return found


def _letters(*, mode: str, calculation: str, **_others: Any) -> tuple[str, ...]:
    """A and B, and C where the mode takes one; in Self, A twice."""
    from engine.modes.pair import pair_of
    from engine.supermerger.fields import mode_of

    pair = pair_of(mode_of(mode), calculation)
    if pair.calculation.inputs == "A":
        return "A", "A", ""
    return "A", "B", "" if pair.models == 2 else "C"
