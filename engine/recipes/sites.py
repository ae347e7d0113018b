"""Which tensors a self step reaches at a site, by the names that every model of a family has."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from engine.architecture.layout import shapes
from engine.architecture.widths import REAL, FamilyName
from engine.recipes.blocks import Site, place_of
from engine.recipes.dialects import Dialect, dialect_of


def idle_sites(sites: Iterable[Site], family: FamilyName, dialect: Dialect) -> list[Site]:
    """The sites where nothing would be multiplied."""
    return [site for site in sites if not self_reach(site, family, dialect.name)]


def is_unknown_element(element: str, family: FamilyName) -> bool:
    """Whether no tensor of a family has these letters in its name."""
    return not any(element in key for key in shapes(REAL[family]))


@lru_cache(maxsize=4096)
def self_reach(site: Site, family: FamilyName, dialect: str) -> frozenset[str]:
    """The keys that a self step multiplies at this site, in a model of ordinary size."""
    skips = dialect_of(dialect).self_skips
    return frozenset(
        key
        for key, block in _keys(family, dialect)
        if block == site.block and site.element in key and not any(part in key for part in skips)
    )


@lru_cache(maxsize=16)
def _keys(family: FamilyName, dialect: str) -> tuple[tuple[str, str], ...]:
    rules = dialect_of(dialect)
    places = ((key, place_of(key, family, rules)) for key in shapes(REAL[family]))
    return tuple((key, place[0]) for key, place in places if place)
