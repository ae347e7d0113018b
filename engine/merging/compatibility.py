"""Whether the models of a run fit each other: shapes, input convolutions, keys that only one of them has."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import Tensor

from engine.architecture.widths import LATENT_CHANNELS, TEXT, Shape, same_shape
from engine.errors import RecipeError
from engine.modes.record import Operands
from engine.recipes.blocks import is_merged, takes_part
from engine.recipes.dialects import Dialect
from engine.recipes.steps import MergeStep

WIDER_INPUTS = {9: "an inpainting", 8: "an InstructPix2Pix"}
"""Input channels of the UNets that see more than the noisy latent."""


def input_channels(a: Shape, b: Shape) -> bool:
    """Whether A is the input convolution of a model with further inputs, and B of one without."""
    return (
        len(a) == len(b) == 4 and a[1] in WIDER_INPUTS and b[1] == LATENT_CHANNELS and (a[0], *a[2:]) == (b[0], *b[2:])
    )


def first_channels(operands: Operands[Tensor]) -> Tensor:
    """The formula of such a convolution: the first, with its leading channels replaced by the second."""
    whole, part = operands.models
    found = whole.clone()
    found[:, : part.shape[1]] = part
    return found


Shapes = Mapping[str, Shape]

_POSITIONS = f"{TEXT}embeddings.position_ids"


def appended(a: Shapes, b: Shapes, dialect: Dialect) -> list[str]:
    """Keys that only B has and the result gets: with "model" in their name, but for SD1's position numbers.

    None in the WebUI's own merger.
    """
    if dialect.webui or a is b:
        return []
    return [key for key in b if key not in a and is_appended(key)]


def is_appended(key: str) -> bool:
    """Whether the result gets a key that only B has, as far as its name says."""
    return "model" in key and key != _POSITIONS


def is_subtracted(key: str, dialect: Dialect) -> bool:
    """Whether B - C takes the place of B in Add difference; since November 2023 only for what is merged."""
    return "model" in key and (is_merged(key) or dialect.native_dtype)


def check_shapes(
    run: MergeStep, dialect: Dialect, touched: Callable[[str], bool], a: Shapes, b: Shapes, c: Shapes | None = None
) -> None:
    """Check that every key that takes part has one shape in all the models.

    Args:
        run: what is merged, and how.
        dialect: whose rules hold.
        touched: whether the run does anything to a key.
        a: key to shape of A.
        b: the same of B.
        c: the same of C.

    Raises:
        RecipeError: some do not; or the models have other inputs, in a way that the run cannot merge.
    """
    if a is b and (c is None or c is a):
        return
    shared = [key for key in a if takes_part(key, dialect) and key in b]
    odd = [key for key in shared if not same_shape(a[key], b[key])]
    if run.pair.calculation.merges_inputs:
        odd = [key for key in odd if not _merges_inputs(dialect, a[key], b[key])]
    if c is not None and run.pair.needs_c:
        odd += [key for key in shared if key in c and not same_shape(c[key], b[key])]
    odd = [key for key in odd if touched(key)]
    if c is not None and run.pair.subtracts:  # B - C is made of all keys first
        odd += [key for key in b if is_subtracted(key, dialect) and key in c and not same_shape(b[key], c[key])]
    if odd:
        raise _shape_error(odd, a, b, c)


def _shape_error(odd: list[str], *models: Shapes | None) -> RecipeError:
    key = odd[0]
    others = f" and {len(odd) - 1} more" if len(odd) > 1 else ""
    shapes = {name: model[key] for name, model in zip("ABC", models, strict=True) if model and key in model}
    seen = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
    reason = _shape_remedy(shapes.get("A", ()), shapes.get("B", ()))
    return RecipeError(f"these models cannot be merged: {key}{others} differ in shape ({seen}); {reason}")


def _merges_inputs(dialect: Dialect, a: Shape, b: Shape) -> bool:
    """SuperMerger of October 2023 crashes on the nine channels of inpainting models, not on eight."""
    crashes = dialect.native_dtype and not dialect.webui and a[1] == max(WIDER_INPUTS)
    return input_channels(a, b) and not crashes


def _shape_remedy(a: Shape, b: Shape) -> str:
    if input_channels(b, a):
        return f"B is {WIDER_INPUTS[b[1]]} model and A is not: make it A"
    if input_channels(a, b):
        return f"A is {WIDER_INPUTS[a[1]]} model: merge it in the dialect classic with calculation normal"
    return "take models of one architecture"
