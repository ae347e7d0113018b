"""What meh and bbc-mc have in common: 25 block weights and a base alpha, for tensors by the same rules."""

from __future__ import annotations

from engine.exports.content import ExportContent
from engine.exports.ratio_tools.block_slots import mbw_slot
from engine.exports.ratio_tools.fitting.compared_tensors import linear_tensors, nonlinear_refusals
from engine.exports.ratio_tools.fitting.fit_refusals import refusals_of_fit
from engine.exports.ratio_tools.fitting.fitted_ratios import Fit, ToolRules, fitted
from engine.exports.ratio_tools.fitting.merge_forms import pair_forms
from engine.exports.target import ExportOptions, Refusal
from engine.exports.texts.shell_words import plain_number
from engine.recipes.blocks import UNET_BLOCKS

_XL_NOTE = (
    "these 25 weights are named after SD1's blocks: in SDXL IN09 to IN11, OUT09 and OUT10 have no tensors, "
    "and OUT11 is the output layer"
)


def mbw_rules(tool: str) -> ToolRules:
    """Return the rules of one of these tools."""
    return ToolRules(tool=tool, slot_of=mbw_slot)


def mbw_fit(content: ExportContent, options: ExportOptions, rules: ToolRules, *, add_difference: bool) -> Fit:
    """Return the weights that come nearest to a recipe."""
    forms = pair_forms(content.recipe.models, add_difference=add_difference)
    return fitted(content, linear_tensors(content, options), rules, forms)


def mbw_refusals(
    content: ExportContent, options: ExportOptions, rules: ToolRules, *, add_difference: bool
) -> tuple[Refusal, ...]:
    """Return what these tools cannot hold of a recipe."""
    if found := nonlinear_refusals(content, options, rules.tool):
        return found
    fit = mbw_fit(content, options, rules, add_difference=add_difference)
    return refusals_of_fit(fit, linear_tensors(content, options), rules)


def weight_of(fit: Fit, slot: str) -> float:
    """Return the weight of a slot; 0 where no tensor has it."""
    return fit.ratios[slot][0] if slot in fit.ratios else 0.0


def unet_weights(fit: Fit) -> str:
    """Return the 25 numbers, IN00 first."""
    return ",".join(plain_number(weight_of(fit, block)) for block in UNET_BLOCKS)


def xl_notes(content: ExportContent) -> tuple[str, ...]:
    """Return the note on the names of the weights in SDXL."""
    return (_XL_NOTE,) if content.recipe.family == "sdxl" else ()
