"""The space of a study, built from what a person writes: bounds, groups, ties, sites, Adjust fields, choices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from engine.errors import Problems
from engine.recipes.blocks import Site
from search.errors import SearchError
from search.space.checks import site_problems
from search.space.frame import SEPARATE, RecipeFrame
from search.space.knob import STEP, Knob, KnobKind
from search.space.space import Space

KnobBounds = tuple[float, float]
"""Smallest and largest value of a knob."""

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
"""Six groups along the UNet of SD1 and SD2: halves of IN, the middle, thirds of OUT."""
XL_GROUPS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "IN_EARLY": ("IN00", "IN01", "IN02", "IN03", "IN04"),
        "IN_LATE": ("IN05", "IN06", "IN07", "IN08"),
        "MIDDLE": ("M00",),
        "OUT_EARLY": ("OUT00", "OUT01", "OUT02"),
        "OUT_MIDDLE": ("OUT03", "OUT04", "OUT05"),
        "OUT_LATE": ("OUT06", "OUT07", "OUT08"),
    }
)
"""Six groups along the UNet of SDXL: halves of IN, the middle, thirds of OUT."""
RATIO_BOUNDS: KnobBounds = (0.0, 1.0)
"""Usual bounds of a block's ratio."""
SELF_BOUNDS: KnobBounds = (0.8, 1.2)
"""Usual bounds of a multiplier."""
ADJUST_BOUNDS: KnobBounds = (-5.0, 5.0)
"""Usual bounds of an Adjust value."""
FINE: Mapping[KnobKind, float] = MappingProxyType({"self": 0.5, "adjust": 0.5})
"""How much finer multipliers and Adjust values are searched near the value that changes nothing."""
GRID: Mapping[KnobKind, float] = MappingProxyType({"adjust": 0.01, "choice": 1.0})
"""The grids of kinds of knobs that have another than the usual one, `knob.STEP`."""


def build_space(
    *,
    ratios: KnobBounds = RATIO_BOUNDS,
    bounds: Mapping[str, KnobBounds] | None = None,
    groups: Mapping[str, Sequence[str]] | None = None,
    freeze: Mapping[str, float] | None = None,
    sites: Sequence[str | Site] = (),
    factors: KnobBounds = SELF_BOUNDS,
    adjust: Sequence[str] = (),
    adjusts: KnobBounds = ADJUST_BOUNDS,
    frame: RecipeFrame | None = None,
    seconds: KnobBounds | None = None,
    ties: Mapping[str, str] | None = None,
    steps: Mapping[str, float] | None = None,
    choices: Mapping[str, Sequence[str]] | None = None,
) -> Space:
    """Return a space: the blocks of the frame, multipliers on the chosen sites, the chosen Adjust fields, choices.

    BASE (text encoder and VAE), its second ratio, and TIME, OUT and LABEL are frozen at 0 unless they are asked for in
    `bounds`, `groups`, `freeze` or `ties`.

    Args:
        ratios: bounds of every block; may reach outside 0..1.
        bounds: bounds of single knobs by name (`OUT05`, `self:OUT05:attn1`, `adjust:CONT`), instead of the common ones.
        groups: ratios that move together in stage `groups`, by group name; None: six along the UNet. Second ratios
            follow the same groups, named `beta:IN_EARLY` and so on.
        freeze: value by knob name; such a knob is not searched.
        sites: sites to multiply, `OUT05:attn1`.
        factors: bounds of every multiplier, around 1.
        adjust: fields to search, names of the dialect's Adjust fields.
        adjusts: bounds of every Adjust value, around 0.
        frame: what all recipes have in common; None: a Weight sum of two SD1 models.
        seconds: bounds of the second ratio of every block, for three models; None: there is none.
        ties: knobs that always have the value of another, `{"OUT05": "IN05"}`.
        steps: grid by knob name.
        choices: words by choice: `mode`, `calculation`, `vae`.

    Raises:
        SearchError: unknown names, a block in two groups, empty ranges; every problem at once.
    """
    frame, special, fixed, problems = frame or RecipeFrame(), dict(bounds or {}), dict(freeze or {}), Problems()
    tied, grids, words = dict(ties or {}), dict(steps or {}), dict(choices or {})
    group_of = _groups_of_blocks(_default_groups(frame) if groups is None else groups, frame, problems)
    kinds: dict[str, KnobKind] = dict.fromkeys(frame.blocks, "block")
    if seconds is not None:
        kinds |= dict.fromkeys((f"beta:{block}" for block in frame.blocks), "second")
        group_of = {f"beta:{block}": f"beta:{group}" for block, group in group_of.items()} | group_of
    kinds |= dict.fromkeys((f"self:{site}" for site in _parsed_sites(sites, problems)), "self")
    kinds |= dict.fromkeys((f"adjust:{field}" for field in _known_fields(adjust, frame, problems)), "adjust")
    kinds |= dict.fromkeys(words, "choice")
    for name in ("BASE", *SEPARATE):
        for knob in (name, f"beta:{name}"):
            if knob in kinds and not any(knob in asked for asked in (special, group_of, tied)):
                fixed.setdefault(knob, 0.0)
    common: dict[KnobKind, KnobBounds] = {
        "block": ratios, "second": seconds or ratios, "self": factors, "adjust": adjusts
    }  # fmt: skip
    _add_unknown_names({"bounds": special, "freeze": fixed, "ties": tied, "steps": grids}, list(kinds), problems)
    knobs: list[Knob] = []
    for name, kind in kinds.items():
        options = tuple(words.get(name, ()))
        low, high = special.get(name, (0.0, len(options) - 1.0) if kind == "choice" else common[kind])
        with problems.collecting():
            knob = Knob(
                name=name, kind=kind, low=low, high=high, neutral=1.0 if kind == "self" else 0.0,
                frozen=fixed.get(name), group=group_of.get(name), tied=tied.get(name), options=options,
                step=grids.get(name, GRID.get(kind, STEP)), fine=FINE.get(kind, 0.0),
            )  # fmt: skip
            knobs.append(knob)
    problems.raise_as(SearchError, "the search space")
    return Space(knobs=tuple(knobs), frame=frame)


def suggested_sites(frame: RecipeFrame | None = None, element: str = "attn1") -> tuple[str, ...]:
    """Return the sites in OUT where an element can be multiplied: what people try first in Self mode."""
    frame = frame or RecipeFrame()
    sites = [f"{block}:{element}" for block in frame.blocks if block.startswith("OUT") and block != "OUT"]
    return tuple(site for site in sites if not site_problems(site, frame))


def _default_groups(frame: RecipeFrame) -> Mapping[str, tuple[str, ...]]:
    return XL_GROUPS if frame.family == "sdxl" else DEFAULT_GROUPS


def _groups_of_blocks(groups: Mapping[str, Sequence[str]], frame: RecipeFrame, problems: Problems) -> dict[str, str]:
    """Return the group of every grouped block."""
    group_of: dict[str, str] = {}
    for name, blocks in groups.items():
        for block in blocks:
            if block not in frame.blocks:
                known = f"the blocks are {' '.join(frame.blocks)}"
                problems.add(("groups", name), f"{block!r} is no block", known)
            elif block in group_of:
                what = f"{block} is already in group {group_of[block]}"
                problems.add(("groups", name), what, "leave it in one of them")
            else:
                group_of[block] = name
    return group_of


def _parsed_sites(sites: Sequence[str | Site], problems: Problems) -> list[Site]:
    """Return the sites, each once; unknown ones are problems."""
    found: dict[Site, None] = {}
    for site in sites:
        with problems.collecting("self", "sites"):
            found[site if isinstance(site, Site) else Site.parse(site)] = None
    return list(found)


def _known_fields(fields: Sequence[str], frame: RecipeFrame, problems: Problems) -> list[str]:
    for field in (field for field in fields if field not in frame.fields):
        problems.add(("adjust",), f"the field {field!r} is unknown", f"the fields are {', '.join(frame.fields)}")
    return [field for field in frame.fields if field in fields]


def _add_unknown_names(given: Mapping[str, Mapping[str, object]], names: list[str], problems: Problems) -> None:
    for what, by_name in given.items():
        for name in (name for name in by_name if name not in names):
            problems.add((what,), f"{name!r} is no knob of this space", "choose its site or field first")
