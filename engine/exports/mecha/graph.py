"""A recipe as sd-mecha's instructions: a sum of models, factors of it, shifts, each with a way for keys that lack it.

Two models are ``weighted_sum`` and, where the weights add up to another number than 1, ``add_difference`` with the same
sum in the delta space. Else models are added to the first one by one, opened in the delta space. ``fallback`` gives
the keys that an instruction does not make: sd-mecha makes a key only where all that it takes have it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

from engine.architecture.widths import FamilyName
from engine.exports.content import ExportContent
from engine.exports.linear import rounded, shifts_of
from engine.exports.mecha.config import CONFIGS, config_keys
from engine.exports.mecha.lines import Instructions
from engine.exports.mecha.literals import add_numbers
from engine.merging.output import root_model

_SMALLEST_SUM = 0.05
"""Of two weights, relative to the larger: a smaller sum would make ratios so large that float32 shows it."""


class MechaGraph:
    """The instructions of a recipe.

    Attributes:
        keys: the keys of the result that sd-mecha writes.
        lost: those that it does not know.
        base: the model that the others are merged into.
    """

    def __init__(self, content: ExportContent) -> None:
        self._content, self._recipe = content, content.recipe
        self._family: FamilyName = content.recipe.family
        known = config_keys(self._family)
        self.keys = tuple(key for key in content.plan.rows if key in known)
        self.lost = tuple(key for key in content.plan.rows if key not in known)
        self.base = root_model(self._recipe)
        self._others = tuple(name for name in self._recipe.models if name != self.base)
        self._known = {name: frozenset(model.shapes) & known for name, model in content.checkpoints.items()}

    @cached_property
    def weights(self) -> dict[str, dict[str, float]]:
        """The weight of each model, by key."""
        return {key: self._content.weights(key) for key in self.keys}

    @cached_property
    def is_pair(self) -> bool:
        """Whether it is a weighted sum of two models, times a factor."""
        return len(self._others) == 1 and all(_is_ratio(row) for row in self.weights.values())

    @cached_property
    def unreachable(self) -> tuple[str, ...]:
        """The keys that come out wrong: the model that the others are merged into lacks them, or the result does."""
        made = frozenset(self.keys)
        apart = [key for key in self.keys if key not in self._known[self.base]]
        wrong = [key for key in apart if not self._is_copied(key)]
        if apart:
            wrong += sorted(self._supplied - made)
        return tuple(wrong)

    @property
    def shifts(self) -> dict[str, tuple[float, ...]]:
        """What is added to each element of a tensor, by key."""
        return shifts_of(self._content, self.keys)

    @property
    def _supplied(self) -> frozenset[str]:
        """The keys that some model has: all of them come out once other models stand in for the base."""
        return frozenset[str]().union(*self._known.values())

    def _is_copied(self, key: str) -> bool:
        """Whether a key that the base lacks is copied of the first other model that has it."""
        first = next(name for name in self._others if key in self._known[name])
        row = self._content.plan.rows[key]
        return row.source == first or (self.is_pair and row.is_plain)

    # -------------------------------------------------------------------------------------------- instructions

    def instructions(self, files: Mapping[str, str], shift_file: str) -> Instructions:
        """Return the instructions; the last one makes the result.

        Args:
            files: what each model is called in them.
            shift_file: what the file of the shifts is called.
        """
        lines = Instructions()
        result = (self._pair if self.is_pair else self._chain)(lines, files)
        if self.shifts:
            shift = lines.model(shift_file, CONFIGS[self._family], "delta")
            result = lines.merge("fallback", lines.merge("add_difference", result, shift), result)
        return lines

    def _pair(self, lines: Instructions, files: Mapping[str, str]) -> str:
        other = self._others[0]
        ratios = {key: _ratio(row, other) for key, row in self.weights.items() if len(self._holders(key)) > 1}
        factors = {key: rounded(sum(row.values()) - 1) for key, row in self.weights.items()}
        factors = {key: value if abs(value) > 1e-9 else 0.0 for key, value in factors.items()}
        models = [self._model(lines, files, name, "weight") for name in (self.base, other)]
        alpha, _ = add_numbers(lines, ratios, self._family, partial=False)
        result = self._summed(lines, models, alpha)
        if not any(factors.values()):
            return result
        models = [self._model(lines, files, name, "delta") for name in (self.base, other)]
        return self._added(lines, result, self._summed(lines, models, alpha), factors, whole=True)

    def _summed(self, lines: Instructions, models: list[str], alpha: str) -> str:
        result = lines.merge("weighted_sum", *models, alpha)
        other = self._others[0]
        if self._known[self.base] - self._known[other]:
            result = lines.merge("fallback", result, models[0])
        if any(key not in self._known[self.base] for key in self.keys):
            result = lines.merge("fallback", result, models[1])
        return result

    def _chain(self, lines: Instructions, files: Mapping[str, str]) -> str:
        result = self._model(lines, files, self.base, "weight")
        held = {key: row for key, row in self.weights.items() if key in self._known[self.base]}
        for name in (*self._others, self.base):
            less = float(name == self.base)
            weights = {key: rounded(row.get(name, 0.0) - less) for key, row in held.items()}
            if any(weights.values()):
                whole = self._known[name] >= held.keys()
                result = self._added(lines, result, self._model(lines, files, name, "delta"), weights, whole=whole)
        for name in self._others:
            if any(row == {name: 1.0} for key, row in self.weights.items() if key not in held):
                result = lines.merge("fallback", result, self._model(lines, files, name, "weight"))
        return result

    def _added(self, lines: Instructions, to: str, what: str, weights: Mapping[str, float], *, whole: bool) -> str:
        """Add a multiple of something in the delta space; keys that lack it stay as they are."""
        numbers, partial = add_numbers(lines, weights, self._family, partial=True)
        result = lines.merge("add_difference", to, what, numbers)
        return result if whole and not partial else lines.merge("fallback", result, to)

    def _model(self, lines: Instructions, files: Mapping[str, str], name: str, space: str) -> str:
        return lines.model(files[name], CONFIGS[self._family], space)

    def _holders(self, key: str) -> list[str]:
        return [name for name, keys in self._known.items() if key in keys]


def _is_ratio(row: Mapping[str, float]) -> bool:
    return abs(sum(row.values())) > _SMALLEST_SUM * max(map(abs, row.values()), default=0.0)


def _ratio(row: Mapping[str, float], other: str) -> float:
    """The weight of the other model, of a sum of weights that is made 1."""
    return rounded(row.get(other, 0.0) / sum(row.values()))
