"""The tensors of a recipe that an export must get right: all that a picture is made with."""

from __future__ import annotations

from engine.checkpoints.checkpoint import is_kept
from engine.exports.content import ExportContent
from engine.exports.ratio_tools.fitting.fitted_ratios import LinearTensor
from engine.exports.target import ExportOptions, Refusal

_VAE = "first_stage_model."


def linear_tensors(content: ExportContent, options: ExportOptions) -> dict[str, LinearTensor]:
    """Return the tensors that are weighted sums.

    EMA copies and the buffers of training are left aside, since no picture is made with them; so is the VAE where
    another one takes its place.
    """
    curved = {*content.nonlinear}
    rows = content.plan.rows
    return {
        key: LinearTensor(weights=content.weights(key), shift=rows[key].shift)
        for key in rows
        if key not in curved and _is_compared(key, options)
    }


def nonlinear_refusals(content: ExportContent, options: ExportOptions, tool: str) -> tuple[Refusal, ...]:
    """Return the refusal of what no weighted sum gives, if there is such.

    Args:
        content: a recipe with its models.
        options: with the VAE that takes the place of the merged one, if any.
        tool: that has nothing but weighted sums.
    """
    keys = tuple(key for key in content.nonlinear if _is_compared(key, options))
    what = f"{tool} has weighted sums alone; calculation modes, or the inputs of an inpainting model, make these"
    return (Refusal(what=what, keys=keys),) if keys else ()


def _is_compared(key: str, options: ExportOptions) -> bool:
    return is_kept(key) and not (options.output.vae and key.startswith(_VAE))
