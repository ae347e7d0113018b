"""All modes by name. A new one of ours is one file in this folder and one entry here.

A calculation mode of one's own needs no entry: a package offers its record as an entry point of the group
``sd_recipe_search.calculation_modes``, and it can be named wherever ours can:

    [project.entry-points."sd_recipe_search.calculation_modes"]
    geometric = "my_modes.geometric:GEOMETRIC"

It runs with all rights of this program, so install packages that you trust.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType

from engine.errors import RecipeError, did_you_mean
from engine.modes.cosine import COSINE_A, COSINE_B
from engine.modes.extract import EXTRACT
from engine.modes.plus_random import PLUS_RANDOM
from engine.modes.record import CalculationMode, MergeMode
from engine.modes.self_factor import SELF
from engine.modes.smooth_add import SMOOTH_ADD, SMOOTH_ADD_MT
from engine.modes.splice import TENSOR, TENSOR_2
from engine.modes.sums import ADD_DIFFERENCE, NORMAL, SUM_TWICE, TRIPLE_SUM, WEIGHT_SUM
from engine.modes.train_difference import TRAIN_DIFFERENCE

GROUP = "sd_recipe_search.calculation_modes"
"""The group of entry points by which installed packages add calculation modes."""

MERGE_MODES: Mapping[str, MergeMode] = MappingProxyType(
    {mode.name: mode for mode in (WEIGHT_SUM, ADD_DIFFERENCE, TRIPLE_SUM, SUM_TWICE)}
)
"""The merge modes by name, in SuperMerger's order."""

_CALCULATION_MODES = (
    NORMAL, COSINE_A, COSINE_B, TRAIN_DIFFERENCE, SMOOTH_ADD, SMOOTH_ADD_MT, TENSOR, TENSOR_2, SELF, EXTRACT,
    PLUS_RANDOM,
)  # fmt: skip


@cache
def calculation_modes() -> Mapping[str, CalculationMode]:
    """The calculation modes by name: ours, then those of installed packages.

    Raises:
        RecipeError: an installed package's mode cannot be loaded, is no record, or has a name that is taken.
    """
    found = {mode.name: mode for mode in _CALCULATION_MODES}
    for point in entry_points(group=GROUP):
        mode = _loaded(point)
        if mode.name in found:
            what = f"{_called(point)}: there is a calculation mode {mode.name!r} already"
            raise RecipeError(what, remedy="give it another name")
        found[mode.name] = mode
    return MappingProxyType(found)


def merge_mode(name: str) -> MergeMode:
    """The merge mode of that name.

    Raises:
        RecipeError: there is none.
    """
    if name not in MERGE_MODES:
        raise RecipeError(f"there is no merge mode {name!r}", remedy=did_you_mean(name, MERGE_MODES))
    return MERGE_MODES[name]


def calculation_mode(name: str) -> CalculationMode:
    """The calculation mode of that name, in whatever dialect.

    Raises:
        RecipeError: there is none.
    """
    known = calculation_modes()
    if name not in known:
        raise RecipeError(f"there is no calculation mode {name!r}", remedy=did_you_mean(name, known))
    return known[name]


def _loaded(point: EntryPoint) -> CalculationMode:
    """Import someone else's mode; whatever that raises becomes a RecipeError with its type and message."""
    try:
        mode = point.load()
    except Exception as error:
        what = f"{_called(point)} cannot be loaded ({type(error).__name__}: {error})"
        raise RecipeError(what, remedy="mend the package or uninstall it") from error
    if not isinstance(mode, CalculationMode):
        what = f"{_called(point)} is {mode!r:.60}"
        raise RecipeError(what, remedy="a CalculationMode of engine.modes.record is needed")
    return replace(mode, package=_package(point))


def _called(point: EntryPoint) -> str:
    return f"the entry point {point.name} ({point.value}) of {_package(point)}"


def _package(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist else "an unknown package"
