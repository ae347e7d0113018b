"""Why a recipe does not fit a tool, in words: the tensors with the same reason together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from engine.exports.ratio_tools.fitting.fitted_ratios import Fit, LinearTensor, ToolRules
from engine.exports.ratio_tools.fitting.merge_forms import Weights, total
from engine.exports.target import Refusal
from engine.recipes.adjust import ADJUSTED

_VAE = "first_stage_model."
_PARTS = (("time_embed", "time_embed"), ("label_emb", "label_emb"), (_VAE, "the VAE"))
"""Parts of names, and what people call the tensors."""
_CLOSE = 1e-9


def refusals_of_fit(
    fit: Fit, tensors: Mapping[str, LinearTensor], rules: ToolRules, *, adjust: bool = False
) -> tuple[Refusal, ...]:
    """Return a refusal for every reason.

    Args:
        fit: the ratios that come nearest.
        tensors: what the recipe makes.
        rules: of the tool.
        adjust: whether the tool has Adjust.
    """
    groups: dict[str, list[str]] = defaultdict(list)
    for key, theirs in fit.wrong.items():
        groups[_reason(key, tensors.get(key), theirs, fit, rules, adjust=adjust)].append(key)
    return tuple(Refusal(what=what, keys=tuple(keys)) for what, keys in groups.items())


def _reason(
    key: str, ours: LinearTensor | None, theirs: Weights | None, fit: Fit, rules: ToolRules, *, adjust: bool
) -> str:
    tool = rules.tool
    if ours is None or theirs is None:
        return f"{tool} {'adds' if ours is None else 'leaves out'} what only one of the models has"
    if ours.shift or abs(total(ours.weights) - total(theirs)) > _CLOSE:
        return _factor_reason(key, tool, adjust=adjust)
    if strange := ours.weights.keys() - {*fit.form.models}:
        return f"{tool} merges {' and '.join(fit.form.models)} in one run, without {', '.join(sorted(strange))}"
    if key not in fit.slots:
        return f"{tool} never merges {_called(key) or 'these'}: what {fit.form.models[0]} has stays"
    slot = fit.slots[key]
    return f"{tool} has one ratio for {slot}{_company(slot, fit) if len(fit.ratios) > 1 else ''}"


def _company(slot: str, fit: Fit) -> str:
    """What else belongs to a slot than its name says."""
    others = sorted({name for key, other in fit.slots.items() if other == slot and (name := _called(key))})
    return f", {' and '.join(others)} among it" if others else ""


def _called(key: str) -> str | None:
    return next((name for part, name in _PARTS if part in key), None)


def _factor_reason(key: str, tool: str, *, adjust: bool) -> str:
    if key in ADJUSTED:
        return f"{tool} has {'Adjust as the last step alone' if adjust else 'no Adjust'}"
    return f"{tool} cannot multiply tensors by factors of their own (Self)"
