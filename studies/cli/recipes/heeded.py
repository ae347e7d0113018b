"""Which options of an input are heeded, by what it is: one that would be passed over in silence is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from studies.cli.recipes.recipe_options import RANDOM_OPTIONS, SETTING_OPTIONS, SOURCE_OPTIONS, with_options

if TYPE_CHECKING:
    from studies.recipes.inputs import InputForm, RecipeInput


@click.command()
@with_options(SETTING_OPTIONS)
@with_options(RANDOM_OPTIONS)
def _settings() -> None:
    """Only to ask for the names of its options."""


@click.command()
@with_options(SOURCE_OPTIONS)
def _source() -> None:
    """Only to ask for the names of its options."""


_SETTINGS = frozenset(one.name or "" for one in _settings.params)
_CHECKED = _SETTINGS | {one.name or "" for one in _source.params} - {"kind"}
_TEXT = frozenset({"family", "read_as", "presets"})
_HEEDED: Mapping[InputForm, frozenset[str]] = {
    "recipe": frozenset(),
    "checkpoint": frozenset({"chain"}),
    "metadata": frozenset({"family", "read_as", "seed", "extended"}),
    "history": frozenset({"row", "family", "read_as", "presets", "extended"}),
    "foreign": frozenset({"family"}),
    "weights": _TEXT | _SETTINGS - {"alpha"},
    "preset": _TEXT | _SETTINGS - {"alpha"} | {"preset"},
    "elemental": _TEXT | _SETTINGS - {"elemental", "weights_beta"},
    "adjust": _TEXT | _SETTINGS - {"adjust", "elemental", "weights_beta"},
}
_WORDS: Mapping[InputForm, str] = {
    "recipe": "a recipe, which says all of it itself",
    "checkpoint": "a checkpoint that carries its recipe, which says all of it itself",
    "metadata": "metadata, which record it, or have no place for it",
    "history": "mergehistory.csv, which records it, or has no place for it",
    "foreign": "of another tool, which says it itself, or has no place for it",
    "weights": "a row of weights, which stands in its place, or needs none",
    "preset": "a preset, which stands in its place, or needs none",
    "elemental": "an elemental text, which stands in its place, or needs none",
    "adjust": "an Adjust text, which stands in its place, or needs none",
}


def refuse_idle(*inputs: RecipeInput) -> None:
    """Refuse options that were given and that none of the inputs heeds.

    Raises:
        click.UsageError: there are some; says what the inputs are.
    """
    context = click.get_current_context()
    heeded = frozenset[str]().union(*(_HEEDED[one.form] for one in inputs))
    idle = [
        parameter.opts[0]
        for parameter in context.command.params
        if parameter.name in _CHECKED - heeded
        and context.get_parameter_source(parameter.name) is ParameterSource.COMMANDLINE
    ]
    if idle:
        what = " and ".join(dict.fromkeys(_WORDS[one.form] for one in inputs))
        raise click.UsageError(f"{', '.join(idle)} would change nothing: the input is {what}")
