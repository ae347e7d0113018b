"""Names in rules and filters that meet no tensor: SuperMerger passes over them without a word.

The tensors are those of an ordinary model of the family; a file may have more, so this is worth a note and no refusal.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from engine.architecture.layout import shapes
from engine.architecture.widths import REAL, FamilyName
from engine.errors import Named, Problem
from engine.recipes.blocks import (
    BLOCKS,
    ELEMENTAL_NAMES,
    EXTENDED_BLOCKS,
    block_hint,
    blocks_of,
    element_hint,
    place_of,
)
from engine.recipes.dialects import Dialect, dialect_of
from engine.recipes.elemental import Rule, numbered_rules
from engine.recipes.steps import Filter, MergeStep

_MORE = "model_ema.diffusion_model"  # keys of training, which rules may speak of too
_PARTS_OF_FILTER = ("Adjust", "VAE")


def unmet_names(run: MergeStep, family: FamilyName, dialect: Dialect) -> list[Problem]:
    """The names in a run that no tensor has, each with its place and the name that was probably meant.

    Args:
        run: with its rules and its filter.
        family: of the models.
        dialect: whose rules hold.
    """
    rules = numbered_rules(run.elemental, run.calculation, extended=run.by_extended_block)
    found = [problem for place, rule in rules for problem in _of_rule(place, rule, run, family, dialect)]
    return [*found, *(_of_filter(run.filter, family, dialect) if run.filter else ())]


def _of_rule(place: Named, rule: Rule, run: MergeStep, family: FamilyName, dialect: Dialect) -> Iterator[Problem]:
    extended = run.by_extended_block
    places = _places(family, dialect.name, extended=extended)
    names = EXTENDED_BLOCKS if extended else BLOCKS[: len(blocks_of(family))] if family == "sdxl" else BLOCKS
    wholes = "\n".join([*(key + block for key, block in places), _MORE])
    strange = {name for name in rule.blocks if name and not _is_block(name, wholes, places, exact=dialect.exact_blocks)}
    texts = "\n".join([*(key for key, _ in places), _MORE]) if dialect.exact_blocks else wholes
    unknown = {name for name in rule.elements if name not in texts}
    for name in sorted(strange):
        yield Problem(place=(place,), what=f"no tensor has a block {name!r}", remedy=block_hint(name, names))
    for name in sorted(unknown):
        yield Problem(place=(place,), what=f"no tensor has {name!r} in its name", remedy=element_hint(name))
    met = any(rule.meets(key, block, exact=dialect.exact_blocks) for key, block in places)
    if not met and not strange and not unknown and _MORE not in rule.blocks:
        yield Problem(place=(place,), what="meets no tensor", remedy="its blocks have no such elements")


def _is_block(name: str, wholes: str, places: tuple[tuple[str, str], ...], *, exact: bool) -> bool:
    return any(name == block for _, block in places) if exact else name in wholes


def _of_filter(chosen: Filter, family: FamilyName, dialect: Dialect) -> Iterator[Problem]:
    known = {name for _, name in _places(family, dialect.name, extended=False, true_names=True)}
    if dialect.extended:
        known |= {name for _, name in _places(family, dialect.name, extended=True)}
    place = (chosen.kind,)
    for name in chosen.blocks:
        if name not in known and name not in _PARTS_OF_FILTER:
            what = f"no tensor of {family} has a block {name!r} in the dialect {dialect.name}"
            yield Problem(place=(*place, "blocks"), what=what, remedy=block_hint(name, blocks_of(family)))
    texts = "\n".join([*shapes(REAL[family]), _MORE])
    for name in chosen.elements:
        if name not in texts:
            what = f"no tensor has {name!r} in its name"
            remedy = block_hint(name, blocks_of(family)) if name.upper() in BLOCKS else element_hint(name)
            yield Problem(place=(*place, "elements"), what=what, remedy=remedy)


@lru_cache(maxsize=32)
def _places(
    family: FamilyName, dialect: str, *, extended: bool, true_names: bool = False
) -> tuple[tuple[str, str], ...]:
    """The merged keys of a family, each with what rules call its block; or with its true name, as in filters."""
    rules = dialect_of(dialect)
    places = ((key, place_of(key, family, rules)) for key in shapes(REAL[family]))
    shifted = ELEMENTAL_NAMES if family == "sdxl" and not true_names else {}
    return tuple(
        (key, place[1] if extended else shifted.get(place[0], place[0])) for key, place in places if place is not None
    )
