"""Which keys a run touches, and with which ratios: block weights, elemental rules, Include and Exclude.

SuperMerger's rules as data for every key; exact replay and the folded plan both ask here, so a recipe has one meaning.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from engine.adjust import ADJUSTED
from engine.blocks import ELEMENTAL_NAMES, EXTENDED_BLOCKS, place_of
from engine.dialects import Dialect, Family
from engine.elemental import Rule, parse_elemental
from engine.errors import RecipeError
from engine.steps import FORMS, Filter, MergeStep, Ratio

Ratios = tuple[float, float]
"""Alpha and beta of one key."""

_BETA_BY_BLOCK = ("Triple sum", "sum Twice")
_BETA_CALCULATIONS = ("tensor", "tensor2")
_EXTENDED = {"CLIPL": 0, "VAE": 0, "CLIPG": 1}
_RANDOM_OFFSET = 100  # SuperMerger keeps the first numbers for the weights themselves
_RANDOM_COUNT = {"2023": 2500}
_RANDOM_USUAL = 3000
_RANDOM_DECIMALS = 3


class RunSettings:
    """What one run does to each key.

    Args:
        run: with its elemental text, weights and filter.
        family: of its models.
        dialect: whose rules hold.
        order: the place of every key in A's file; random elemental ratios are drawn by it.
    """

    def __init__(self, run: MergeStep, family: Family, dialect: Dialect, order: Mapping[str, int]) -> None:
        self._run, self._dialect, self._order = run, dialect, order
        self._family: Family = family
        self._rules = parse_elemental(run.elemental, run.calculation, extended=run.by_extended_block)
        self._alpha, self._beta = _ratio_table(run.alpha), _ratio_table(run.beta)
        self._plain = not self._rules and not run.filter and not run.by_extended_block
        self._by_block: dict[str, Ratios] = {}

    def ratios(self, key: str) -> Ratios | None:
        """Alpha and beta of a key; None where the run leaves the key as it is in A (and Adjust does too).

        Raises:
            RecipeError: the key belongs to a block that the weights do not know.
        """
        place = place_of(key, self._family, self._dialect)
        if place is None:
            return None
        block, extended = place
        if self._plain:
            if block not in self._by_block:
                self._by_block[block] = self._weights(block, extended)
            return self._by_block[block]
        name = extended if self._run.by_extended_block else self._rule_name(block)
        if self._run.filter and _filtered(self._run.filter, key, name, toggles=self._dialect.filter_toggles):
            return None
        alpha, beta = self._weights(block, extended)
        for rule in self._rules:
            if rule.meets(key, name, exact=self._dialect.exact_blocks):
                alpha = self._rule_ratio(rule, key)
        if self._run.calculation == "extract" and not 0 <= alpha <= 1:
            raise RecipeError(f"extract: a rule gives {key} the ratio {alpha}; it must be from 0 to 1")
        return alpha, beta

    def touches(self, key: str) -> bool:
        """Whether the run does anything to a key."""
        return self.ratios(key) is not None

    def multiplies(self, key: str, alpha: float) -> bool:
        """Whether Self (or plus random) with this alpha touches the key."""
        if any(part in key for part in self._dialect.self_skips):
            return False
        return alpha != 0 or not self._dialect.self_skips_zero

    def _rule_name(self, block: str) -> str:
        return ELEMENTAL_NAMES[block] if self._family == "sdxl" else block

    def _weights(self, block: str, extended: str) -> Ratios:
        alpha, beta = self._run.alpha, self._run.beta
        if isinstance(alpha, tuple) and len(alpha) == len(EXTENDED_BLOCKS):
            return self._extended_weights(alpha, beta, extended)
        return _ratio(self._alpha, alpha, block), _ratio(self._beta, beta, block)

    def _extended_weights(self, alpha: Ratio, beta: Ratio, extended: str) -> Ratios:
        """With two ratios SuperMerger's dialect ``head`` writes that of the second text over the first."""
        first = _extended_ratio(alpha, extended)
        if self._run.mode in _BETA_BY_BLOCK or self._run.calculation in _BETA_CALCULATIONS:
            return _extended_ratio(beta, extended), _extended_ratio(beta, "CLIPL")
        return first, _extended_ratio(beta, "CLIPL")

    def _rule_ratio(self, rule: Rule, key: str) -> float:
        if not isinstance(rule.ratio, str):
            return rule.ratio
        drawn = self._random(self._order[key] + _RANDOM_OFFSET)
        return round({"R": drawn, "U": 1 - 2 * drawn, "X": 1 - drawn}[rule.ratio], _RANDOM_DECIMALS)

    def _random(self, number: int) -> float:
        count = _RANDOM_COUNT.get(self._dialect.name, _RANDOM_USUAL)
        if number >= count:
            raise RecipeError(
                f"random elemental ratios end with key {count - _RANDOM_OFFSET} of a file, as SuperMerger's do"
            )
        return float(np.random.RandomState(self._run.seed).rand(count)[number])


def _ratio_table(ratio: Ratio) -> dict[str, float]:
    return dict(zip(FORMS[len(ratio)], ratio, strict=True)) if isinstance(ratio, tuple) else {}


def _ratio(table: Mapping[str, float], ratio: Ratio, block: str) -> float:
    if not isinstance(ratio, tuple):
        return ratio
    if block not in table:
        raise RecipeError(
            f"a key belongs to block {block}, for which there is no weight; give one ratio for all instead"
        )
    return table[block]


def _extended_ratio(ratio: Ratio, extended: str) -> float:
    if not isinstance(ratio, tuple):
        return ratio
    place = _EXTENDED[extended] if extended in _EXTENDED else EXTENDED_BLOCKS.index(extended)
    return ratio[min(place, len(ratio) - 1)]


def _filtered(chosen: Filter, key: str, block: str, *, toggles: bool) -> bool:
    """Whether Include or Exclude keeps the run from this key."""
    hits = (
        block in chosen.blocks,
        "Adjust" in chosen.blocks and key in ADJUSTED,
        *(element in key for element in chosen.elements),
        "VAE" in chosen.blocks and "first_stage_model" in key,
    )
    hit = sum(hits) % 2 == 1 if toggles else any(hits)
    return hit == (chosen.kind == "exclude")
