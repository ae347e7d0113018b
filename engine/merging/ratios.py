"""Which keys a run touches, and with which ratios: block weights, elemental rules, Include and Exclude.

SuperMerger's rules as data for every key; exact replay and the folded plan both ask here, so a recipe has one meaning.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import replace
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt

from engine.architecture.widths import FamilyName
from engine.errors import RecipeError
from engine.modes.record import ANY, limits_text
from engine.recipes.adjust import ADJUSTED
from engine.recipes.blocks import ELEMENTAL_NAMES, EXTENDED_BLOCKS, place_of
from engine.recipes.dialects import Dialect, dialect_of
from engine.recipes.elemental import Rule, parse_elemental
from engine.recipes.steps import FORMS, Filter, MergeStep, Ratio

Ratios = tuple[float, float]
"""Alpha and beta of one key."""
KeyPlace = tuple[str, str, str]
"""A key, its block, and its extended id (the block again, but for SDXL)."""

_EXTENDED = {"CLIPL": 0, "VAE": 0, "CLIPG": 1}
_RANDOM_OFFSET = 100  # SuperMerger keeps the first numbers for the weights themselves
_RANDOM_COUNT = {"2023": 2500}
_RANDOM_USUAL = 3000
_RANDOM_DECIMALS = 3


class RunSettings:
    """What one run does to each key.

    Attributes:
        table: alpha and beta of every key that the run touches; all others it leaves as they are in A (and Adjust
            does too). Whether B and C have the key is not asked here.

    Args:
        run: with its elemental text, weights and filter.
        family: of its models.
        dialect: whose rules hold.
        keys: of A, in the order of its file.
        order: the place of each key, by which random elemental ratios are drawn; that in ``keys`` where not given.

    Raises:
        RecipeError: a key belongs to a block without weight, or gets a ratio that the calculation cannot take.
    """

    def __init__(
        self,
        run: MergeStep,
        family: FamilyName,
        dialect: Dialect,
        keys: Iterable[str],
        order: Mapping[str, int] | None = None,
    ) -> None:
        self._run, self._dialect, self._given_order = run, dialect, order
        self._mode = run.pair.calculation
        self._family: FamilyName = family
        self._keys = tuple(keys)
        self._rules = parse_elemental(run.elemental, run.calculation, extended=run.by_extended_block)
        self.table: dict[str, Ratios] = self._by_weights()
        if run.filter and run.filter.chooses:
            self._keep_out(run.filter)
        for rule in self._rules:
            self._apply(rule)
        self._check_limits()

    def ratios(self, key: str) -> Ratios | None:
        """Alpha and beta of a key; None where the run does not touch it."""
        return self.table.get(key)

    def touches(self, key: str) -> bool:
        """Whether the run does anything to a key."""
        return key in self.table

    def computes(self, key: str, alpha: float) -> bool:
        """Whether the calculation mode computes a key with this alpha; else the key stays A's, without Adjust."""
        if self._mode.inputs != "A":
            return not (self._mode.skips and self._mode.skips_key(key))
        if any(part in key for part in self._dialect.self_skips):
            return False
        return alpha != 0 or not self._dialect.self_skips_zero

    def marks(self) -> dict[str, Hashable]:
        """What decides what the run does to each key, whatever the ratios are: equal marks, equal treatment.

        Random ratios are drawn for every key by its place, so with them no two marks are equal.
        """
        places = {key: self._weight_place(block, extended) for key, block, extended in self._places}
        rules = [frozenset(self._met_keys(rule)) for rule in self._rules]
        drawn = any(isinstance(rule.ratio, str) for rule in self._rules)
        return {
            key: (
                places.get(key),
                key in self.table,
                self.computes(key, 1.0),
                tuple(key in met for met in rules),
                key if drawn else "",
            )
            for key in self._keys
        }

    @property
    def _places(self) -> tuple[KeyPlace, ...]:
        return _places_of(self._keys, self._family, self._dialect.name)

    def _by_weights(self) -> dict[str, Ratios]:
        known: dict[tuple[str, str], Ratios] = {}
        for place in {(block, extended) for _, block, extended in self._places}:
            known[place] = self._weights(*place)
        return {key: known[block, extended] for key, block, extended in self._places}

    def _weights(self, block: str, extended: str) -> Ratios:
        alpha, beta = self._run.alpha, self._run.beta
        if isinstance(alpha, tuple) and len(alpha) == len(EXTENDED_BLOCKS):
            return self._extended_weights(alpha, beta, extended)
        return _block_ratio(alpha, block), _block_ratio(beta, block)

    def _weight_place(self, block: str, extended: str) -> str:
        """The place that decides a key's weights: its extended id, its block, or none where all have one weight."""
        forms = [len(ratio) for ratio in (self._run.alpha, self._run.beta) if isinstance(ratio, tuple)]
        if len(EXTENDED_BLOCKS) in forms:
            return extended
        return block if forms else ""

    def _extended_weights(self, alpha: Ratio, beta: Ratio, extended: str) -> Ratios:
        """With two ratios SuperMerger's dialect ``head`` writes that of the second text over the first."""
        first = _extended_ratio(alpha, extended)
        if self._run.pair.beta_by_block:
            return _extended_ratio(beta, extended), _extended_ratio(beta, "CLIPL")
        return first, _extended_ratio(beta, "CLIPL")

    def _keep_out(self, chosen: Filter) -> None:
        """Take the keys that Include or Exclude keeps the run from out of the table."""
        for key, block, extended in self._places:
            names = {block, extended} if self._dialect.extended else {block}
            if _filtered(chosen, key, names, toggles=self._dialect.filter_toggles):
                del self.table[key]

    def _apply(self, rule: Rule) -> None:
        """The rule's ratio takes the place of alpha where it meets a key."""
        for key in self._met_keys(rule):
            if key in self.table:
                self.table[key] = self._rule_ratio(rule, key), self.table[key][1]

    def _met_keys(self, rule: Rule) -> tuple[str, ...]:
        plain, names = replace(rule, ratio=0.0), self._run.by_extended_block
        return _matching_keys(plain, self._keys, self._family, self._dialect.name, by_extended=names)

    def _rule_ratio(self, rule: Rule, key: str) -> float:
        if not isinstance(rule.ratio, str):
            return rule.ratio
        drawn = self._random_number(self._order[key] + _RANDOM_OFFSET)
        return round({"R": drawn, "U": 1 - 2 * drawn, "X": 1 - drawn}[rule.ratio], _RANDOM_DECIMALS)

    def _random_number(self, number: int) -> float:
        if number >= len(self._random_numbers):
            end = len(self._random_numbers) - _RANDOM_OFFSET
            raise RecipeError(f"random elemental ratios end with key {end} of a file, as SuperMerger's")
        return float(self._random_numbers[number])

    @cached_property
    def _order(self) -> Mapping[str, int]:
        return self._given_order or {key: place for place, key in enumerate(self._keys)}

    @cached_property
    def _random_numbers(self) -> npt.NDArray[np.float64]:
        count = _RANDOM_COUNT.get(self._dialect.name, _RANDOM_USUAL)
        return np.random.RandomState(self._run.seed).rand(count)  # SuperMerger's stream

    def _check_limits(self) -> None:
        mode = self._mode
        low, high = mode.alpha_limits
        if (low, high) == ANY:
            return
        for key, (alpha, _) in self.table.items():
            if not low <= alpha <= high:
                what = f"{mode.name}: a rule gives {key} the ratio {alpha}"
                raise RecipeError(what, remedy=f"it must be {limits_text((low, high))}")


def rule_name(block: str, family: FamilyName) -> str:
    """What SuperMerger's elemental rules call a block; its filters take the true names."""
    return ELEMENTAL_NAMES[block] if family == "sdxl" else block


@lru_cache(maxsize=64)
def _places_of(keys: tuple[str, ...], family: FamilyName, dialect: str) -> tuple[KeyPlace, ...]:
    """The keys that are merged, each with its block and its extended id."""
    rules = dialect_of(dialect)
    places = ((key, place_of(key, family, rules)) for key in keys)
    return tuple((key, *place) for key, place in places if place)


@lru_cache(maxsize=512)
def _matching_keys(
    rule: Rule, keys: tuple[str, ...], family: FamilyName, dialect: str, *, by_extended: bool
) -> tuple[str, ...]:
    """The merged keys that a rule meets; trial after trial the same, whatever its ratio."""
    exact = dialect_of(dialect).exact_blocks
    places = _places_of(keys, family, dialect)
    named = ((key, extended if by_extended else rule_name(block, family)) for key, block, extended in places)
    return tuple(key for key, name in named if rule.meets(key, name, exact=exact))


def _block_ratio(ratio: Ratio, block: str) -> float:
    if not isinstance(ratio, tuple):
        return ratio
    form = FORMS[len(ratio)]
    if block not in form:
        raise RecipeError(f"a key belongs to block {block}, which has no weight; give one ratio for all instead")
    return ratio[form.index(block)]


def _extended_ratio(ratio: Ratio, extended: str) -> float:
    if not isinstance(ratio, tuple):
        return ratio
    place = _EXTENDED[extended] if extended in _EXTENDED else EXTENDED_BLOCKS.index(extended)
    return ratio[min(place, len(ratio) - 1)]


def _filtered(chosen: Filter, key: str, names: set[str], *, toggles: bool) -> bool:
    """Whether Include or Exclude keeps the run from this key, whose block has these names."""
    hits = (
        not names.isdisjoint(chosen.blocks),
        "Adjust" in chosen.blocks and key in ADJUSTED,
        *(element in key for element in chosen.elements),
        "VAE" in chosen.blocks and "first_stage_model" in key,
    )
    hit = sum(hits) % 2 == 1 if toggles else any(hits)
    return hit == (chosen.kind == "exclude")
