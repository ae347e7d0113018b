"""A recipe: what to merge, as frozen values with one canonical text and one content hash.

It knows nothing of tensors. Numbers are rounded to six decimals and what changes nothing is dropped when a recipe is
made, so two recipes are equal exactly when their texts are.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from engine import recipe_text
from engine.blocks import DIALECTS, UNET_BLOCKS
from engine.errors import RecipeError
from engine.steps import AdjustStep, MergeStep, SelfStep, Step, is_neutral, kind_of
from engine.supermerger import lines

__all__ = ["AdjustStep", "MergeStep", "Recipe", "SelfStep", "Step"]

_ORDER = ("merge", "self", "adjust")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One merge step, then at most one self step on the merged value, then at most one adjust step.

    Attributes:
        steps: self and adjust steps that change nothing are dropped.
        dialect: whose rules give keys to blocks and define the steps; ``classic`` is the only one.
    """

    steps: tuple[Step, ...]
    dialect: str = "classic"

    def __post_init__(self) -> None:
        if self.dialect not in DIALECTS:
            raise RecipeError(f"there is no dialect {self.dialect!r}; write one of {', '.join(DIALECTS)}")
        places = [_ORDER.index(kind_of(step)) for step in self.steps]
        if places[:1] != [0] or places != sorted(set(places)):
            raise RecipeError(
                f"the steps are {', '.join(map(kind_of, self.steps)) or 'none'}; a recipe is one merge step, then at "
                "most one self step, then at most one adjust step"
            )
        object.__setattr__(self, "steps", tuple(step for step in self.steps if not is_neutral(step)))

    @classmethod
    def flat(cls, ratio: float, *, base: float = 0.0) -> Recipe:
        """FLAT_xx: one ratio in all 25 UNet blocks. ``flat(0)`` is A, ``flat(1, base=1)`` is B whole."""
        return cls(steps=(MergeStep(ratios=(base, *(ratio for _ in UNET_BLOCKS))),))

    @property
    def merge(self) -> MergeStep:
        """The merge step."""
        return next(step for step in self.steps if isinstance(step, MergeStep))

    @property
    def self_step(self) -> SelfStep | None:
        """The self step, if the recipe has one that changes anything."""
        return next((step for step in self.steps if isinstance(step, SelfStep)), None)

    @property
    def adjust(self) -> AdjustStep | None:
        """The adjust step, if the recipe has one that changes anything."""
        return next((step for step in self.steps if isinstance(step, AdjustStep)), None)

    @property
    def text(self) -> str:
        """The canonical text: a version line, then one step a line; no newline at the end."""
        return recipe_text.write(self.dialect, self.steps)

    @property
    def key(self) -> str:
        """SHA-256 of the text, 64 hex digits."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @classmethod
    def parse(cls, text: str) -> Recipe:
        """Read what ``text`` wrote.

        Raises:
            RecipeError: with line, column, the value seen and what should stand there.
        """
        dialect, steps = recipe_text.read(text)
        return cls(dialect=dialect, steps=steps)

    def supermerger(self) -> str:
        """Lines to paste into SuperMerger, run by run, the dialect named."""
        return "\n".join(lines(self.merge, self.self_step, self.adjust))
