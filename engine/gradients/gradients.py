"""Derivatives by numbers of a recipe: of a loss of its pictures, or of how well it denoises given ones."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.engine import Engine
from engine.errors import RenderError
from engine.gradients.denoising_loss import NoisedPictures, denoising_errors
from engine.gradients.derivatives import Move
from engine.gradients.differentiation import Differentiation
from engine.gradients.tracing import AT_ONCE, Tracer, recomputing_blocks
from engine.recipes.recipe import Recipe
from engine.rendering.vae_codec import Codec
from engine.shots.limits import LATENT_STEP
from engine.shots.shot import Shot

Loss = Callable[[Tensor], Tensor]
"""``loss(pictures)``: a scalar from pictures ``(n, 3, h, w)``, 0 to 1, in the order of the shots."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LossGradient:
    """A loss and its derivatives.

    Attributes:
        value: of the loss at the recipe.
        by_name: its derivative by every number asked for, in the loss's unit per unit of the number.
        pictures: ``(n, 3, h, w)`` from 0 to 1 that the loss was taken of; None for denoising losses.
    """

    value: float
    by_name: dict[str, float]
    pictures: Tensor | None = None


class Gradients:
    """Differentiates with an opened Engine, in which it builds the recipes.

    Args:
        engine: As opened.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def of_pictures(
        self,
        recipe: Recipe,
        moves: Mapping[str, Move],
        shots: Sequence[Shot],
        loss: Loss,
        *,
        last: int = 1,
        at_once: int = AT_ONCE,
        thrifty: bool = False,
    ) -> LossGradient:
        """Build a recipe, render shots, and differentiate a loss of the pictures by numbers of the recipe.

        The gradient flows through the decoding and the last steps. The loss sees all pictures at once, and its own
        gradient by the pictures is taken first and brought to a largest element of 1: half-precision models neither
        underflow nor overflow then.

        Args:
            recipe: Weighted sums, Self and Adjust.
            moves: By a name of your own, the recipe with one number moved; BASE's ratio cannot be among them.
            shots: At least one, all of one size, without a second pass.
            loss: Differentiable.
            last: Through how many of the last steps.
            at_once: How many pictures go through the model together: memory grows with it.
            thrifty: Least memory, for one more forward pass through what is differentiated.

        Raises:
            EngineError: As ``Engine.build`` and ``Engine.render``; a number whose derivative is not known; a second
                pass; less than one step or picture.
        """
        with self._differentiating(recipe, moves, thrifty=thrifty) as differentiation:
            pictures = self._tracer().trace(shots, last=last, at_once=at_once)
            value, gradient = _by_pictures(loss, pictures)
            scale = float(gradient.abs().max())
            if scale:
                pictures.backward(gradient / scale)
        by_name = {name: scale * derivative for name, derivative in differentiation.by_name().items()}
        return LossGradient(value=value, by_name=by_name, pictures=pictures.detach())

    def of_denoising(
        self, recipe: Recipe, moves: Mapping[str, Move], pictures: NoisedPictures, *, thrifty: bool = False
    ) -> LossGradient:
        """Build a recipe and differentiate its mean denoising error on given pictures by numbers of the recipe.

        Args:
            recipe: As ``of_pictures``.
            moves: As ``of_pictures``.
            pictures: What is denoised.
            thrifty: As ``of_pictures``.

        Raises:
            EngineError: As ``Engine.build``; a number whose derivative is not known.
        """
        with self._differentiating(recipe, moves, thrifty=thrifty) as differentiation:
            errors = denoising_errors(self._engine.denoiser, pictures, backward=lambda error: error.backward())
        return LossGradient(value=float(errors.mean()), by_name=differentiation.by_name())

    def denoising_errors(self, recipe: Recipe, pictures: NoisedPictures) -> Tensor:
        """Build a recipe and return its denoising error on each picture, ``(n,)``.

        Raises:
            EngineError: As ``Engine.build``.
        """
        self._engine.build(recipe)
        return denoising_errors(self._engine.denoiser, pictures)

    @torch.inference_mode()
    def encode(self, pictures: Tensor) -> Tensor:
        """Return latents of pictures by the VAE of the recipe built last, for ``NoisedPictures``.

        Args:
            pictures: ``(n, 3, h, w)`` from 0 to 1; sides are multiples of 8.

        Returns:
            ``(n, 4, h / 8, w / 8)`` float32, the means of the encoder's distributions.

        Raises:
            EngineError: The engine is closed.
            RenderError: No recipe was built, other shapes, or too little memory for one picture.
        """
        if pictures.ndim != 4 or pictures.shape[1] != 3 or any(side % LATENT_STEP for side in pictures.shape[2:]):
            raise RenderError(
                f"pictures of shape {tuple(pictures.shape)} cannot be encoded",
                remedy=f"give (n, 3, h, w) with sides that are multiples of {LATENT_STEP}",
            )
        device = self._engine.denoiser.device
        self._engine.weights.fetch("vae")
        return Codec(self._engine.weights.live).encode(pictures.to(device, torch.float32))

    @contextmanager
    def _differentiating(
        self, recipe: Recipe, moves: Mapping[str, Move], *, thrifty: bool
    ) -> Generator[Differentiation]:
        """Build the recipe; within, backward passes count."""
        self._engine.build(recipe)
        weights = self._engine.weights
        weights.fetch("vae")
        differentiation = Differentiation(weights, recipe, moves)
        with differentiation.collecting(), recomputing_blocks(weights.live, thrifty=thrifty):
            yield differentiation

    def _tracer(self) -> Tracer:
        return Tracer(self._engine.weights.live, self._engine.denoiser)


def _by_pictures(loss: Loss, pictures: Tensor) -> tuple[float, Tensor]:
    """The loss, and its gradient by the pictures."""
    with torch.enable_grad():
        leaves = pictures.detach().requires_grad_()
        value = loss(leaves)
        (gradient,) = torch.autograd.grad(value, leaves)
    return float(value.detach()), gradient
