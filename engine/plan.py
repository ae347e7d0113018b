"""A recipe as arithmetic: what happens to each key, as a short row of numbers.

Merge, self and adjust steps fold into ``out = scale * ((1 - ratio) * first + ratio * second) + shift``, rounded once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from engine.blocks import BLOCKS, Site, block_of, is_merged, self_applies
from engine.layout import UNET
from engine.recipe import AdjustStep, Recipe, SelfStep

_UNIT = 0.02  # what one unit of a colour field adds to the last bias
_SCALED = {
    f"{UNET}input_blocks.0.0.weight": ("IN", -0.01),
    f"{UNET}input_blocks.0.0.bias": ("IN", 0.02),
    f"{UNET}out.0.weight": ("OUT", -0.01),
    f"{UNET}out.0.bias": ("OUT", 0.02),
    f"{UNET}out.2.weight": ("OUT2", -0.01),
}
_SHIFTED = f"{UNET}out.2.bias"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """``scale * lerp(first, second, ratio) + shift``; ``shift`` is empty or one number per element."""

    first: str
    second: str
    ratio: float
    scale: float = 1.0
    shift: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The rows of a recipe for the keys of a model, and the names of the models it takes."""

    models: tuple[str, str]
    rows: dict[str, Row]


def plan_for(recipe: Recipe, keys: Iterable[str]) -> Plan:
    """The plan of a recipe for LDM keys; keys that take no part in merges get no row."""
    merge, self_step, adjust = recipe.merge, recipe.self_step, recipe.adjust
    first, second = merge.models
    plain = {block: Row(first=first, second=second, ratio=merge.ratio(block)) for block in BLOCKS}
    found: dict[str, Row] = {}
    for key in filter(is_merged, keys):
        row = plain[block_of(key)]
        scale = self_factor(self_step, key) * _adjust_scale(adjust, key)
        shift = _adjust_shift(adjust, key)
        found[key] = row if scale == 1 and not shift else replace(row, scale=scale, shift=shift)
    return Plan(models=merge.models, rows=found)


def self_factor(step: SelfStep | None, key: str) -> float:
    """The factor of the last site that matches; 1 where none does or the key is never multiplied."""
    if step is None or not self_applies(key):
        return 1.0
    block, factor = block_of(key), 1.0
    for site, value in step.factors:
        factor = value if _matches(site, block, key) else factor
    return factor


def _matches(site: Site, block: str, key: str) -> bool:
    return site.block == block and site.element in key


def _adjust_scale(step: AdjustStep | None, key: str) -> float:
    if step is None or key not in _SCALED:
        return 1.0
    field, slope = _SCALED[key]
    return 1.0 + slope * step.value(field)


def _adjust_shift(step: AdjustStep | None, key: str) -> tuple[float, ...]:
    """SuperMerger's eight-field matrix for SD1: what is added to the four latent channels."""
    if step is None or key != _SHIFTED:
        return ()
    *_, contrast, light, col1, col2, col3 = step.values
    shift = (contrast, -light + col1 + col3, light / 3 + col1 - col2, 2 * light / 3 - col2 + col3)
    return tuple(_UNIT * value for value in shift) if any(shift) else ()
