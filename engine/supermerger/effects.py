"""What a run does to every tensor, by names alone: two runs with the same effects make the same model.

The formulas of SuperMerger's dialects agree to rounding, so what may differ between them is which tensors are touched,
and with which ratios.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

from engine.architecture.layout import shapes
from engine.architecture.widths import REAL, FamilyName
from engine.merging.ratios import RunSettings, rule_name
from engine.recipes.adjust import ADJUSTED
from engine.recipes.blocks import place_of
from engine.recipes.dialects import Dialect
from engine.recipes.elemental import parse_elemental
from engine.recipes.steps import MergeStep

Effect = tuple[float, float] | None
"""Alpha and beta of a tensor; None where it stays what it is in A."""

_ORDER = 2000  # places in the file, which only random rules ask for, stay below the end of SuperMerger's random numbers


@lru_cache(maxsize=8)
def known_keys(family: FamilyName) -> tuple[str, ...]:
    """Every tensor that files of a family have; EMA copies, which no picture is made with, are not among them."""
    return tuple(shapes(REAL[family]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Effects:
    """What a run does in a dialect.

    Attributes:
        run: the run.
        family: of its models.
        dialect: whose rules hold.
        by_key: its effect on every tensor.
    """

    run: MergeStep
    family: FamilyName
    dialect: Dialect
    by_key: dict[str, Effect]

    @classmethod
    def of(cls, run: MergeStep, family: FamilyName, dialect: Dialect) -> Effects:
        """The effects of a run.

        Raises:
            RecipeError: a block has no weight, or a rule gives a ratio beyond the limits of the calculation mode.
        """
        keys = known_keys(family)
        order = {key: place % _ORDER for place, key in enumerate(keys)}
        settings = RunSettings(run, family, dialect, keys, order)
        return cls(run=run, family=family, dialect=dialect, by_key={key: _effect(run, settings, key) for key in keys})

    def ratio_for(self, key: str, target: Effect) -> float | None:
        """The alpha that a rule must give a tensor for an effect; None where no rule can do it."""
        place = place_of(key, self.family, self.dialect)
        if place is None or self._is_filtered(key):
            return None
        if self.run.pair.calculation.inputs == "A":
            return self._factor_for(key, target)
        if target is not None:
            return target[0] if target[1] == self._beta(key) else None
        return 0.0 if is_a(self.run, key, 0.0, self._beta(key)) else None

    def _factor_for(self, key: str, target: Effect) -> float | None:
        if target is None:
            return None if _is_adjusted(self.run, key) else self.run.pair.calculation.neutral
        skipped = any(part in key for part in self.dialect.self_skips)
        return None if skipped or (target[0] == 0 and self.dialect.self_skips_zero) else target[0]

    def _beta(self, key: str) -> float:
        """Beta of a tensor, which no rule changes."""
        settings = RunSettings(replace(self.run, filter=None), self.family, self.dialect, [key])
        ratios = settings.ratios(key)
        return ratios[1] if ratios and self.run.pair.uses_beta else 0.0

    def _is_filtered(self, key: str) -> bool:
        if not self.run.filter:
            return False
        return RunSettings(self.run, self.family, self.dialect, [key]).ratios(key) is None

    def block_of(self, key: str) -> str | None:
        """What elemental rules call the block of a tensor; None where it is never merged."""
        place = place_of(key, self.family, self.dialect)
        if place is None:
            return None
        block, extended = place
        return extended if self.run.by_extended_block else rule_name(block, self.family)

    def random_keys(self) -> frozenset[str]:
        """The tensors whose ratio is random: it changes with the seed."""
        rules = parse_elemental(self.run.elemental, self.run.calculation, extended=self.run.by_extended_block)
        if not any(isinstance(rule.ratio, str) for rule in rules):
            return frozenset()
        other = Effects.of(replace(self.run, seed=(self.run.seed or 0) ^ 1), self.family, self.dialect).by_key
        return frozenset(key for key, effect in self.by_key.items() if effect != other[key])


def _effect(run: MergeStep, settings: RunSettings, key: str) -> Effect:
    ratios = settings.ratios(key)
    if ratios is None or not settings.computes(key, ratios[0]):
        return None
    alpha, beta = ratios[0], ratios[1] if run.pair.uses_beta else 0.0
    return None if is_a(run, key, alpha, beta) else (alpha, beta)


def is_a(run: MergeStep, key: str, alpha: float, beta: float) -> bool:
    """Whether a run with these ratios leaves a tensor what it is in A."""
    return not _is_adjusted(run, key) and run.pair.calculation.leaves_a(alpha, beta if run.pair.uses_beta else 0.0)


def _is_adjusted(run: MergeStep, key: str) -> bool:
    return any(run.adjust) and key in ADJUSTED
