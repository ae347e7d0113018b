"""Whether the models of a run fit each other: shapes, input convolutions, keys that only one of them has."""

from __future__ import annotations

from collections.abc import Mapping

from engine.blocks import is_merged
from engine.dialects import Dialect
from engine.errors import RecipeError
from engine.steps import MergeStep
from engine.widths import LATENT_CHANNELS, Shape

WIDER_INPUTS = {9: "an inpainting", 8: "an InstructPix2Pix"}
"""Input channels of the UNets that see more than the noisy latent."""


def input_channels(a: Shape, b: Shape) -> bool:
    """Whether A is the input convolution of a model with further inputs, and B of one without."""
    return (
        len(a) == len(b) == 4 and a[1] in WIDER_INPUTS and b[1] == LATENT_CHANNELS and (a[0], *a[2:]) == (b[0], *b[2:])
    )


Shapes = Mapping[str, Shape]


def same_shape(first: Shape, second: Shape) -> bool:
    """Equal but for trailing ones: some tools store 1x1 convolutions as matrices."""
    return _trimmed(first) == _trimmed(second)


def _trimmed(shape: Shape) -> Shape:
    while shape and shape[-1] == 1:
        shape = shape[:-1]
    return shape


def appended(a: Shapes, b: Shapes) -> list[str]:
    """Keys that only B has and the result gets: with "model" in their name, but for SD1's position numbers."""
    return [key for key in b if key not in a and "model" in key and not key.endswith("position_ids")]


def check_shapes(run: MergeStep, dialect: Dialect, a: Shapes, b: Shapes, c: Shapes | None = None) -> None:
    """Check that every key that takes part has one shape in all the models.

    Raises:
        RecipeError: some do not; or the models have other inputs, in a way that the run cannot merge.
    """
    if a is b and (c is None or c is a):
        return
    shared = [key for key in a if is_merged(key) and key in b]
    odd = [key for key in shared if not same_shape(a[key], b[key])]
    if run.calculation == "normal":
        odd = [key for key in odd if not _merges_inputs(dialect, a[key], b[key])]
    if c is not None:
        odd += [key for key in shared if key in c and not same_shape(c[key], b[key])]
    if odd:
        first = odd[0]
        others = f" and {len(odd) - 1} more" if len(odd) > 1 else ""
        third = f", C {c[first]}" if c is not None and first in c else ""
        raise RecipeError(
            f"these models cannot be merged: {first}{others} differ in shape (A {a[first]}, "
            f"B {b[first]}{third}); {_reason(a[first], b[first])}"
        )


def _merges_inputs(dialect: Dialect, a: Shape, b: Shape) -> bool:
    """SuperMerger of October 2023 crashes on the nine channels of inpainting models, not on eight."""
    return input_channels(a, b) and not (dialect.native_dtype and a[1] == max(WIDER_INPUTS))


def _reason(a: Shape, b: Shape) -> str:
    if input_channels(b, a):
        return f"B is {WIDER_INPUTS[b[1]]} model and A is not: make it A"
    if input_channels(a, b):
        return f"A is {WIDER_INPUTS[a[1]]} model: merge it in the dialect classic with calculation normal"
    return "take models of one architecture"
