"""A recipe in the ratios of a tool: which tensors share a ratio there, and which of them would come out wrong.

What the tool makes of every tensor of these models is worked out from its own rules, and compared with the folded rows.
So a recipe fits that makes the same model, however it is written: in another dialect, as a chain, with rules.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from engine.checkpoints.checkpoint import is_kept
from engine.exports.ratio_tools.fitting.equal_tensors import EqualTensors
from engine.exports.ratio_tools.fitting.merge_forms import MergeForm, Ratio, WeightedSum, Weights, same_weights

if TYPE_CHECKING:
    from engine.exports.content import ExportContent

_TRIED = 4  # ratios of a slot that are tried, the most frequent first


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolRules:
    """How a tool shares ratios out.

    Attributes:
        tool: its name, for people.
        slot_of: what its ratio is called that a tensor has; None: the tensor stays as it is in the first model.
        appends: whether tensors that only the second model has come along.
    """

    tool: str
    slot_of: Callable[[str], str | None]
    appends: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearTensor:
    """A tensor of the result, as a weighted sum of the models' tensors.

    Attributes:
        weights: by model.
        shift: one number per element that is added, or none.
    """

    weights: Weights
    shift: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """The ratios nearest to a recipe.

    Attributes:
        form: the formula with its models.
        ratios: by slot, of those that have tensors.
        slots: the slot of each tensor that a ratio applies to.
        wrong: the tensors that would differ, with what the tool makes of them; None: it leaves them out.
    """

    form: MergeForm
    ratios: Mapping[str, Ratio]
    slots: Mapping[str, str]
    wrong: Mapping[str, Weights | None] = field(default_factory=dict[str, "Weights | None"])


def fitted(
    content: ExportContent,
    tensors: Mapping[str, LinearTensor],
    rules: ToolRules,
    forms: Sequence[MergeForm],
) -> Fit:
    """Return the ratios of a tool that come nearest to a recipe.

    Args:
        content: its models are opened.
        tensors: the tensors that must be right.
        rules: of the tool.
        forms: its formulas, with the recipe's models in all the places that they may have; the first of equals wins.
    """
    equal = EqualTensors(content.checkpoints)
    best = min((_Fitting(content, tensors, rules, form, equal) for form in forms), key=lambda fitting: fitting.cost)
    return best.fit()


class _Fitting:
    """One formula against the tensors of a recipe."""

    def __init__(
        self,
        content: ExportContent,
        tensors: Mapping[str, LinearTensor],
        rules: ToolRules,
        form: MergeForm,
        equal: EqualTensors,
    ) -> None:
        self._tensors, self._rules, self._form, self._equal = tensors, rules, form, equal
        self._keys = {name: content.checkpoints[name].shapes.keys() for name in form.models}
        self._slots: dict[str, list[str]] = defaultdict(list)
        self._made = content.plan.rows.keys()
        self._fixed: list[str] = []
        for key in tensors:
            slot = rules.slot_of(key) if all(key in keys for keys in self._keys.values()) else None
            (self._fixed if slot is None else self._slots[slot]).append(key)
        self._ratios = {slot: self._counted(keys) for slot, keys in self._slots.items()}

    @property
    def cost(self) -> int:
        """How many tensors the formula misses, equal tensors left aside: reading them takes long."""
        missed = sum(len(self._slots[slot]) - max(counts.values(), default=0) for slot, counts in self._ratios.items())
        return missed + sum(not self._is_right(key, self._kept(key), read=False) for key in self._fixed)

    def fit(self) -> Fit:
        """Return the ratios, and what is wrong with them."""
        wrong: dict[str, Weights | None] = {
            key: kept for key in self._fixed if not self._is_right(key, kept := self._kept(key))
        }
        ratios: dict[str, Ratio] = {}
        for slot in self._slots:
            ratios[slot], missed = self._best_ratio(slot)
            wrong |= dict.fromkeys(missed, self._form.weights(ratios[slot]))
        wrong |= self._extra()
        slots = {key: slot for slot, keys in self._slots.items() for key in keys}
        return Fit(form=self._form, ratios=ratios, slots=slots, wrong=wrong)

    def _extra(self) -> dict[str, Weights | None]:
        """What comes along from the second model, and that the recipe does not make."""
        if not self._rules.appends:
            return {}
        second = self._form.models[1]
        strange = self._keys[second] - self._keys[self._form.models[0]] - self._made
        return {key: {second: 1.0} for key in strange if "model" in key and is_kept(key)}

    def _counted(self, keys: Sequence[str]) -> Counter[Ratio]:
        found = (self._form.ratio(self._tensors[key].weights) for key in keys)
        return Counter(ratio for ratio in found if ratio is not None)

    def _best_ratio(self, slot: str) -> tuple[Ratio, list[str]]:
        """The ratio with the fewest wrong tensors, and these."""
        tried = [ratio for ratio, _ in self._ratios[slot].most_common(_TRIED)] or [self._nothing]
        found: list[tuple[Ratio, list[str]]] = []
        for ratio in tried:
            weights = self._form.weights(ratio)
            missed = [key for key in self._slots[slot] if not self._is_right(key, weights)]
            if not missed:
                return ratio, missed
            found.append((ratio, missed))
        return min(found, key=lambda one: len(one[1]))

    @property
    def _nothing(self) -> Ratio:
        """The ratio that leaves the first model as it is."""
        return self._form.ratio({self._form.models[0]: 1.0}) or (0.0,)

    def _kept(self, key: str) -> Weights | None:
        """What comes out where nothing is merged: the first model's tensor, or the second's; None: nothing."""
        first, *others = self._form.models
        if key in self._keys[first]:
            return {first: 1.0}
        comes = self._rules.appends and isinstance(self._form, WeightedSum) and "model" in key
        return {others[0]: 1.0} if comes and key in self._keys[others[0]] else None

    def _is_right(self, key: str, theirs: Weights | None, *, read: bool = True) -> bool:
        ours = self._tensors[key]
        if theirs is None or ours.shift:
            return False
        if same_weights(ours.weights, theirs):
            return True
        return read and same_weights(self._equal.joined(key, ours.weights), self._equal.joined(key, theirs))
