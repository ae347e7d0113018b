"""Building the space of a study from what a person writes: bounds, groups, frozen knobs, sites and Adjust fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from engine.blocks import ADJUST_FIELDS, BLOCKS, Site
from engine.errors import EngineError
from search.errors import SearchError, refuse
from search.space import Kind, Knob, Space

Bounds = tuple[float, float]

DEFAULT_GROUPS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "IN_EARLY": ("IN00", "IN01", "IN02", "IN03", "IN04", "IN05"),
        "IN_LATE": ("IN06", "IN07", "IN08", "IN09", "IN10", "IN11"),
        "MIDDLE": ("M00",),
        "OUT_EARLY": ("OUT00", "OUT01", "OUT02", "OUT03"),
        "OUT_MIDDLE": ("OUT04", "OUT05", "OUT06", "OUT07"),
        "OUT_LATE": ("OUT08", "OUT09", "OUT10", "OUT11"),
    }
)
"""Six groups along the UNet: halves of the way in, the middle, thirds of the way out."""
RATIO_BOUNDS: Bounds = (0.0, 1.0)
SELF_BOUNDS: Bounds = (0.8, 1.2)
ADJUST_BOUNDS: Bounds = (-5.0, 5.0)


def build_space(
    *,
    ratios: Bounds = RATIO_BOUNDS,
    bounds: Mapping[str, Bounds] | None = None,
    groups: Mapping[str, Sequence[str]] = DEFAULT_GROUPS,
    freeze: Mapping[str, float] | None = None,
    sites: Sequence[str | Site] = (),
    factors: Bounds = SELF_BOUNDS,
    adjust: Sequence[str] = (),
    adjusts: Bounds = ADJUST_BOUNDS,
) -> Space:
    """Return the SD1 space: 26 blocks, multipliers on the chosen sites, the chosen Adjust fields.

    BASE (text encoder and VAE) is frozen at 0 unless it is asked for in `bounds`, `groups` or `freeze`.

    Args:
        ratios: bounds of every block.
        bounds: bounds of single knobs by name (`OUT05`, `self:OUT05:attn1`, `adjust:CONT`), instead of the common ones.
        groups: blocks that move together in stage `groups`, by group name.
        freeze: value by knob name; such a knob is not searched.
        sites: sites to multiply, `OUT05:attn1`.
        factors: bounds of every multiplier, around 1.
        adjust: fields to search, names of `ADJUST_FIELDS`.
        adjusts: bounds of every Adjust value, around 0.

    Raises:
        SearchError: unknown names, a block in two groups, empty ranges; every mistake at once.
    """
    special, fixed, mistakes = dict(bounds or {}), dict(freeze or {}), list[str]()
    home = _homes(groups, mistakes)
    if "BASE" not in special and "BASE" not in home:
        fixed.setdefault("BASE", 0.0)
    kinds: dict[str, Kind] = dict.fromkeys(BLOCKS, "block")
    kinds |= dict.fromkeys((f"self:{site}" for site in _sites(sites, mistakes)), "self")
    kinds |= dict.fromkeys((f"adjust:{field}" for field in _fields(adjust, mistakes)), "adjust")
    common = {"block": ratios, "self": factors, "adjust": adjusts}
    _no_strays(special, fixed, list(kinds), mistakes)
    knobs: list[Knob] = []
    for name, kind in kinds.items():
        low, high = special.get(name, common[kind])
        neutral = 1.0 if kind == "self" else 0.0
        try:
            knob = Knob(
                name=name, kind=kind, low=low, high=high, neutral=neutral, frozen=fixed.get(name), group=home.get(name)
            )  # fmt: skip
        except SearchError as error:
            mistakes.append(str(error))
        else:
            knobs.append(knob)
    refuse("the search space", mistakes)
    return Space(knobs=tuple(knobs))


def _homes(groups: Mapping[str, Sequence[str]], mistakes: list[str]) -> dict[str, str]:
    """Return the group of every grouped block."""
    home: dict[str, str] = {}
    for name, blocks in groups.items():
        for block in blocks:
            if block not in BLOCKS:
                mistakes.append(f"group {name}: {block!r} is no block; the blocks are {' '.join(BLOCKS)}")
            elif block in home:
                mistakes.append(f"group {name}: {block} is already in group {home[block]}; leave it in one of them")
            else:
                home[block] = name
    return home


def _sites(sites: Sequence[str | Site], mistakes: list[str]) -> list[Site]:
    """Return the sites, each once; unknown ones go on the list of mistakes."""
    found: dict[Site, None] = {}
    for site in sites:
        try:
            found[site if isinstance(site, Site) else Site.parse(site)] = None
        except EngineError as error:
            mistakes.append(f"site {site!r}: {error}")
    return list(found)


def _fields(fields: Sequence[str], mistakes: list[str]) -> list[str]:
    strays = [field for field in fields if field not in ADJUST_FIELDS]
    mistakes += [f"adjust field {field!r} is unknown; the fields are {', '.join(ADJUST_FIELDS)}" for field in strays]
    return [field for field in ADJUST_FIELDS if field in fields]


def _no_strays(
    special: Mapping[str, Bounds], fixed: Mapping[str, float], names: list[str], mistakes: list[str]
) -> None:
    for what, given in (("bounds", special), ("freeze", fixed)):
        strays = [name for name in given if name not in names]
        mistakes += [f"{what}: {name!r} is no knob of this space; choose its site or field first" for name in strays]
