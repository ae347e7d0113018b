"""Derivatives of what a recipe's pictures are worth, or of how well it knows given ones, by every number at once.

One backward pass serves all numbers of a recipe: see ``engine.gradients.contraction``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.gradients.contraction import Contraction
from engine.gradients.denoising_loss import DenoisingLoss, Noised
from engine.gradients.slopes import Move, slopes_of
from engine.gradients.traced_renderer import AT_ONCE
from engine.live.weights import LiveWeights
from engine.modes.rows import Row
from engine.recipes.recipe import Recipe
from engine.shots.shot import Shot

Loss = Callable[[Tensor], Tensor]
"""From pictures ``(n, 3, h, w)``, 0 to 1, in the order of the shots, to a scalar."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slopes:
    """A value and its derivatives.

    Attributes:
        value: of the loss at the recipe.
        by_name: its derivative by every number asked for, in the loss's unit per unit of the number.
        pictures: ``(n, 3, h, w)`` from 0 to 1 that the loss was taken of; None for denoising losses.
    """

    value: float
    by_name: dict[str, float]
    pictures: Tensor | None = None


class Differentiation:
    """Differentiates at one recipe, which is built already.

    Args:
        weights: the live model, built to ``recipe``.
        renderer: of the same model.
        recipe: what is built.
        moves: by name, the recipe with that number moved.

    Raises:
        RecipeError: as ``engine.gradients.slopes.slopes_of``, or a number moves more than the UNet.
    """

    def __init__(
        self, weights: LiveWeights, renderer: DenoisingLoss, recipe: Recipe, moves: Mapping[str, Move]
    ) -> None:
        plan = weights.plan(recipe)
        self._slopes: dict[str, dict[str, Row]] = {
            name: slopes_of(name, plan, weights.plan(move.recipe), move.step) for name, move in moves.items()
        }
        live = frozenset(weights.keys)
        keys = {key for slopes in self._slopes.values() for key in slopes if key in live}
        self._contraction = Contraction(weights, sorted(keys))
        self._renderer = renderer

    def of_pictures(
        self, shots: Sequence[Shot], loss: Loss, *, last: int = 1, at_once: int = AT_ONCE, thrifty: bool = False
    ) -> Slopes:
        """Differentiate a loss of pictures through their decoding and the last steps.

        The loss sees all pictures at once, and its own gradient by the pictures is taken first and brought to a largest
        element of 1: half-precision models neither underflow nor overflow then.

        Args:
            shots: at least one, all of one size.
            loss: differentiable.
            last: how many steps.
            at_once: how many pictures go through the model together.
            thrifty: least memory, more time; see ``engine.gradients.traced_renderer.TracedRenderer.recomputing``.

        Raises:
            RenderError: as ``Renderer.render``.
        """
        with self._contraction.collecting(), self._renderer.recomputing(thrifty=thrifty):
            pictures = self._renderer.trace(shots, last=last, at_once=at_once)
            value, gradient = _outer(loss, pictures)
            scale = float(gradient.abs().max())
            if scale:
                pictures.backward(gradient / scale)
        return Slopes(value=value, by_name=self._by_name(scale), pictures=pictures.detach())

    def of_denoising(self, noised: Noised, *, thrifty: bool = False) -> Slopes:
        """Differentiate the mean denoising loss on pictures."""
        with self._contraction.collecting(), self._renderer.recomputing(thrifty=thrifty):
            errors = self._renderer.errors(noised, backward=lambda error: error.backward())
        return Slopes(value=float(errors.mean()), by_name=self._by_name(1.0))

    def _by_name(self, scale: float) -> dict[str, float]:
        found = self._contraction.found()
        return {
            name: scale * sum(found[key].along(row) for key, row in slopes.items() if key in found)
            for name, slopes in self._slopes.items()
        }


def _outer(loss: Loss, pictures: Tensor) -> tuple[float, Tensor]:
    """The loss, and its gradient by the pictures."""
    with torch.enable_grad():
        seen = pictures.detach().requires_grad_()
        value = loss(seen)
        (gradient,) = torch.autograd.grad(value, seen)
    return float(value.detach()), gradient
