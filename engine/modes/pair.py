"""A merge mode and a calculation mode together: what a run takes and which of its numbers mean something."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from engine.modes.record import CalculationMode, ExactForm, MergeMode
from engine.modes.registry import calculation_mode, merge_mode
from engine.modes.sums import ADD_DIFFERENCE


@dataclass(frozen=True, slots=True, kw_only=True)
class ModePair:
    """The two modes of a run, as SuperMerger takes them.

    Attributes:
        merge: Add difference for calculation modes that compute with A, B and C themselves.
        calculation: the calculation mode.
    """

    merge: MergeMode
    calculation: CalculationMode

    @property
    def models(self) -> int:
        """How many models the run takes."""
        return self.merge.models

    @property
    def decisive(self) -> str:
        """The name of the mode that decides how many models the run takes."""
        return self.calculation.name if self.calculation.inputs == "ABC" else self.merge.name

    @property
    def exact(self) -> ExactForm:
        """The form in SuperMerger's arithmetic."""
        return self.calculation.exact or self.merge.exact

    @property
    def subtracts(self) -> bool:
        """Whether B stands for B - C."""
        return self.merge.subtracts and self.calculation.inputs != "ABC"

    @property
    def needs_c(self) -> bool:
        """Whether a key must be in C to be merged."""
        return self.models > 2 and not self.subtracts

    @property
    def uses_beta(self) -> bool:
        """Whether a second ratio means anything."""
        return self.beta_by_block or self.calculation.beta == "number"

    @property
    def beta_by_block(self) -> bool:
        """Whether there is a second ratio for every block."""
        return self.merge.beta or self.calculation.beta == "blocks"


@lru_cache(maxsize=256)
def pair_of(mode: str, calculation: str) -> ModePair:
    """The modes of these names.

    Raises:
        RecipeError: there is no such mode.
    """
    chosen = calculation_mode(calculation)
    merge = merge_mode(mode)
    return ModePair(merge=ADD_DIFFERENCE if chosen.inputs == "ABC" else merge, calculation=chosen)
