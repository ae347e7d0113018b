"""The steps of a recipe: merge, self and adjust, as frozen values.

Numbers are rounded to six decimals when a step is made, factors that change nothing are dropped, and self factors
are kept in the order of their sites, so that equal steps are written alike.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

from engine.blocks import ADJUST_FIELDS, BLOCKS, Site
from engine.errors import RecipeError
from engine.layout import self_reach

DECIMALS = 6
_MODEL = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeStep:
    """Weight sum: ``(1 - r) * first + r * second``, with ``r`` by block.

    Attributes:
        models: names of the two models; a ratio is the weight of the second.
        ratios: 26 numbers in the order of ``BLOCKS``, BASE (text encoder and VAE) first. Any finite number will do.
    """

    models: tuple[str, str] = ("A", "B")
    ratios: tuple[float, ...]

    def __post_init__(self) -> None:
        _check_models(self.models)
        if len(self.ratios) != len(BLOCKS):
            raise RecipeError(
                f"a merge step has {len(self.ratios)} ratios; it needs {len(BLOCKS)}: BASE, IN00..IN11, M00, "
                "OUT00..OUT11 (put a BASE of 0 in front of 25 UNet weights)"
            )
        object.__setattr__(self, "ratios", _numbers(self.ratios, BLOCKS, "ratio"))

    def ratio(self, block: str) -> float:
        """The weight of the second model in ``block``."""
        return self.ratios[BLOCKS.index(block)]


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfStep:
    """Multiplies the merged weights of some sites.

    A key takes the factor of the last site (in site order) that matches it; keys with ``to_out``, ``proj_out`` or
    ``norm`` in their name are never multiplied. As in SuperMerger, a factor of exactly 0 leaves its keys untouched,
    so it is kept as 1, which means the same.

    Attributes:
        factors: (site, factor) pairs; sorted by site, neutral ones that shadow nothing are dropped.
    """

    factors: tuple[tuple[Site, float], ...]

    def __post_init__(self) -> None:
        sites = [site for site, _ in self.factors]
        _check_sites(sites)
        rounded = _numbers((factor for _, factor in self.factors), [str(site) for site in sites], "factor")
        pairs = sorted(zip(sites, (factor or 1.0 for factor in rounded), strict=True))
        object.__setattr__(self, "factors", _without_neutral(pairs))


@dataclass(frozen=True, slots=True, kw_only=True)
class AdjustStep:
    """SuperMerger's Adjust, eight fields in the order of ``ADJUST_FIELDS``; useful values lie within -10 .. 10."""

    values: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.values) != len(ADJUST_FIELDS):
            raise RecipeError(
                f"an adjust step has {len(self.values)} values; it needs {len(ADJUST_FIELDS)}: "
                f"{', '.join(ADJUST_FIELDS)} (texts with seven values are older than BRI and mean something else)"
            )
        object.__setattr__(self, "values", _numbers(self.values, ADJUST_FIELDS, "value"))

    def value(self, field: str) -> float:
        """The value of one of ``ADJUST_FIELDS``."""
        return self.values[ADJUST_FIELDS.index(field)]


Step = MergeStep | SelfStep | AdjustStep


def kind_of(step: Step) -> str:
    """``merge``, ``self`` or ``adjust``."""
    return {MergeStep: "merge", SelfStep: "self", AdjustStep: "adjust"}[type(step)]


def is_neutral(step: Step) -> bool:
    """Whether a self or adjust step changes nothing."""
    if isinstance(step, SelfStep):
        return not step.factors
    return isinstance(step, AdjustStep) and not any(step.values)


def _check_models(models: tuple[str, ...]) -> None:
    wrong = [name for name in models if not _MODEL.fullmatch(name)]
    if wrong or len(models) != 2:
        raise RecipeError(f"models {models!r}: a merge step names two models, with plain words such as A and B")


def _check_sites(sites: list[Site]) -> None:
    twice = sorted({str(site) for site in sites if sites.count(site) > 1})
    if twice:
        raise RecipeError(f"a self step has two factors for {', '.join(twice)}; leave one")
    idle = [str(site) for site in sites if not self_reach(site)]
    if idle:
        raise RecipeError(
            f"no tensor that a self step may multiply belongs to {', '.join(idle)}; attention lies in IN01, IN02, "
            "IN04, IN05, IN07, IN08, M00 and OUT03..OUT11, and norm, to_out and proj_out are never multiplied"
        )


def _without_neutral(pairs: list[tuple[Site, float]]) -> tuple[tuple[Site, float], ...]:
    """A factor of 1 says something only where it shadows a factor that comes before it."""
    kept: list[tuple[Site, float]] = []
    for site, factor in pairs:
        if factor != 1 or any(self_reach(site) & self_reach(other) for other, _ in kept):
            kept.append((site, factor))
    return tuple(kept)


def _numbers(values: Iterable[float], names: Iterable[str], what: str) -> tuple[float, ...]:
    found = tuple(round(float(value), DECIMALS) + 0.0 for value in values)  # + 0.0 makes a plain 0 of -0
    for value, name in zip(found, names, strict=True):
        if not math.isfinite(value):
            raise RecipeError(f"the {what} of {name} is {value}; write a number")
    return found
