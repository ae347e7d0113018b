"""A recipe as the stages of Model Mixer: sums one after the other, each by block and with rules, then factors (Self).

Which ratio a tensor gets is Model Mixer's own rule (wkpark/sd-webui-model-mixer, 8d55c1d): the weight of its block; the
last weight for ``time_embed``, ``label_emb`` and the output layer, which no rule reaches; the VAE stays A's. Rules name
blocks exactly, in SDXL too, and elements by a part of the tensor's name.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import TYPE_CHECKING, Literal

from engine.architecture.widths import FamilyName
from engine.exports.ratio_tools.block_slots import POSITIONS, UNET
from engine.exports.ratio_tools.fitting.equal_tensors import EqualTensors
from engine.exports.ratio_tools.fitting.fitted_ratios import LinearTensor
from engine.exports.ratio_tools.fitting.merge_forms import AddDifference, Weights, rounded, same_weights, total
from engine.recipes.blocks import block_of, blocks_of
from engine.recipes.elemental import parse_elemental
from engine.supermerger.rule_words import RatioNeed, rules_for

if TYPE_CHECKING:
    from engine.exports.content import ExportContent

StageMode = Literal["Sum", "Add-Diff", "Self"]

_BASE = {"sd1": "cond_stage_model.", "sd2": "cond_stage_model.", "sdxl": "conditioner."}
_BLOCKS = (f"{UNET}input_blocks.", f"{UNET}middle_block.", f"{UNET}output_blocks.")
_EXTRA = (f"{UNET}time_embed.", f"{UNET}out.", f"{UNET}label_emb.")
_SKIPPED = frozenset({
    POSITIONS,
    "conditioner.embedders.0.transformer.text_model.embeddings.position_ids",
    "conditioner.embedders.1.model.transformer.text_model.embeddings.position_ids",
    "conditioner.embedders.1.model.logit_scale",
    "conditioner.embedders.1.model.text_projection",
})  # fmt: skip
SELF_SKIPS = ("to_out", "proj_out", "norm")
"""Parts of the names of tensors that its Self never multiplies."""
EXTRA = ""
"""The slot of tensors that go with the last weight and that no rule reaches."""


def mixer_slot(key: str, family: FamilyName) -> str | None:
    """Return the block whose weight a tensor has, ``EXTRA``, or None: it is never merged."""
    if key in _SKIPPED or "model" not in key:
        return None
    if _BASE[family] in key:
        return "BASE"
    if key.startswith(_EXTRA):
        return EXTRA
    return block_of(key) if key.startswith(_BLOCKS) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One of its model slots.

    Attributes:
        model: that is merged in.
        mode: Sum, Add-Diff or Self.
        weights: by block, BASE first.
        rules: elemental text, or "".
        base: the model that Add-Diff subtracts, or "".
    """

    model: str
    mode: StageMode
    weights: tuple[float, ...]
    rules: str = ""
    base: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stages:
    """All of them.

    Attributes:
        first: the model that they start from.
        stages: in order.
        wrong: the tensors that would differ.
    """

    first: str
    stages: tuple[Stage, ...]
    wrong: tuple[str, ...] = ()


Ratios = Mapping[str, float]
"""A ratio by tensor."""


def stages_of(content: ExportContent, tensors: Mapping[str, LinearTensor]) -> Stages:
    """Return the stages that come nearest to a recipe; the given order of the models comes first.

    Args:
        content: its models are opened.
        tensors: what the stages are to make, Adjust left aside.
    """
    equal = EqualTensors(content.checkpoints)
    best: Stages | None = None
    for first in content.recipe.models:
        others = tuple(name for name in content.recipe.models if name != first)
        found = _Staging(content, tensors, first, others, equal).stages()
        if not found.wrong:
            return found
        best = found if best is None or len(found.wrong) < len(best.wrong) else best
    return best if best is not None else Stages(first="", stages=())


class _Staging:
    """The stages on top of one first model."""

    def __init__(
        self,
        content: ExportContent,
        tensors: Mapping[str, LinearTensor],
        first: str,
        others: tuple[str, ...],
        equal: EqualTensors,
    ) -> None:
        self._family: FamilyName = content.recipe.family
        self._tensors, self._equal = tensors, equal
        self._first, self._others = first, others
        self._known = {key for key in tensors if key in content.checkpoints[first].shapes}
        held = set[str].intersection(*({*content.checkpoints[name].shapes} for name in (first, *others)))
        self._slots = {
            key: slot for key in tensors if key in held and (slot := mixer_slot(key, self._family)) is not None
        }
        self._factors = {key: rounded(total(tensors[key].weights)) for key in self._slots}

    def stages(self) -> Stages:
        """Return the stages, and what they get wrong."""
        means = {key: self._mean(key) for key in self._slots}
        stages = [*self._sums(means)]
        if any(factor != 1 for factor in self._factors.values()):
            stages.append(self._stage(self._first, "Self", self._factors))
        made = {key: self._made(key, stages) for key in self._tensors}
        wrong = tuple(key for key, theirs in made.items() if not self._is_right(key, theirs))
        return Stages(first=self._first, stages=tuple(stages), wrong=wrong)

    def _mean(self, key: str) -> Weights:
        """The weights of a tensor before Self: they add up to 1."""
        weights, factor = self._tensors[key].weights, self._factors[key]
        return {name: weight / factor for name, weight in weights.items()} if factor else {self._first: 1.0}

    def _sums(self, means: Mapping[str, Weights]) -> Iterable[Stage]:
        for b, c in permutations(self._others, 2) if len(self._others) == 2 else ():
            form = AddDifference((self._first, b, c))
            ratios = {key: form.ratio(weights) for key, weights in means.items()}
            found = {key: ratio[0] for key, ratio in ratios.items() if ratio is not None}
            if len(found) == len(ratios):
                return [self._stage(b, "Add-Diff", found, base=c)]
        chains = {key: _chain(weights, self._others) for key, weights in means.items()}
        return [
            self._stage(name, "Sum", {key: chain[place] for key, chain in chains.items()})
            for place, name in enumerate(self._others)
        ]

    # ------------------------------------------------------------------------------------------ one stage as texts

    def _stage(self, model: str, mode: StageMode, ratios: Ratios, base: str = "") -> Stage:
        """The weights and rules that give tensors these ratios, as far as they can."""
        blocks = blocks_of(self._family)
        by_slot: dict[str, Counter[float]] = defaultdict(Counter)
        for key, slot in self._slots.items():
            by_slot[slot][ratios[key]] += 1
        usual = {block: by_slot[block].most_common(1)[0][0] if by_slot[block] else 0.0 for block in blocks}
        if by_slot[EXTRA]:
            usual[blocks[-1]] = by_slot[EXTRA].most_common(1)[0][0]
        rules = rules_for(self._needs(ratios, usual))
        return Stage(model=model, mode=mode, weights=tuple(usual.values()), rules=rules, base=base)

    def _needs(self, ratios: Ratios, usual: Ratios) -> Iterable[RatioNeed]:
        keys: dict[str, list[str]] = defaultdict(list)
        for key, slot in self._slots.items():
            keys[slot].append(key)
        for block, weight in usual.items():
            for ratio in dict.fromkeys(ratios[key] for key in keys[block] if ratios[key] != weight):
                mine = frozenset(key for key in keys[block] if ratios[key] == ratio)
                yield RatioNeed(block=block, ratio=ratio, keys=mine, others=frozenset(keys[block]) - mine)

    # --------------------------------------------------------------------------------- what Model Mixer makes of them

    def _made(self, key: str, stages: Sequence[Stage]) -> Weights | None:
        if key not in self._known:
            return None
        weights: dict[str, float] = {self._first: 1.0}
        if key in self._slots:
            for stage in stages:
                weights = _applied(weights, stage, self._ratio(key, stage), key)
        return weights

    def _ratio(self, key: str, stage: Stage) -> float:
        slot, blocks = self._slots[key], blocks_of(self._family)
        found = stage.weights[-1 if slot == EXTRA else blocks.index(slot)]
        for rule in parse_elemental(stage.rules):
            if slot != EXTRA and rule.meets(key, slot, exact=True) and not isinstance(rule.ratio, str):
                found = rule.ratio
        return found

    def _is_right(self, key: str, theirs: Weights | None) -> bool:
        ours = self._tensors[key]
        if theirs is None or ours.shift:
            return False
        if same_weights(ours.weights, theirs):
            return True
        return same_weights(self._equal.joined(key, ours.weights), self._equal.joined(key, theirs))


def _applied(weights: dict[str, float], stage: Stage, ratio: float, key: str) -> dict[str, float]:
    """The weights of a tensor after a stage."""
    if stage.mode == "Self":
        skipped = any(part in key for part in SELF_SKIPS) or ratio == 0
        return weights if skipped else {name: weight * ratio for name, weight in weights.items()}
    found = {name: weight * (1 - ratio) if stage.mode == "Sum" else weight for name, weight in weights.items()}
    found[stage.model] = found.get(stage.model, 0.0) + ratio
    if stage.mode == "Add-Diff":
        found[stage.base] = found.get(stage.base, 0.0) - ratio
    return found


def _chain(weights: Weights, others: Sequence[str]) -> tuple[float, ...]:
    """The ratios of sums one after the other that give these weights; 0 where a model is left out, or cannot be."""
    left, found = 1.0, list[float]()
    for name in reversed(others):
        weight = weights.get(name, 0.0)
        found.append(rounded(weight / left) if weight and rounded(left) else 0.0)
        left -= weight
    return tuple(reversed(found))
