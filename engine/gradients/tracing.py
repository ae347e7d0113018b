"""Rendering that records its last steps, so that gradients flow from pictures to weights.

As in DRaFT-K (Clark et al. 2023, https://arxiv.org/abs/2309.17400), only the last K steps are differentiated, for a
fraction of the time and memory of all; the steps before are taken as given. Every UNet call and every decoding is
computed again when its turn comes in the backward pass, so that memory holds the inner values of one at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Protocol

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from engine.errors import RenderError
from engine.rendering.batches import in_pieces, most_at_once
from engine.rendering.denoiser import Denoiser, UnetModel
from engine.rendering.first_pass import first_pass, groups_of, picture_size_of
from engine.rendering.vae_codec import DECODED_PIXELS, Codec, VaeModel, refuse_broken
from engine.sampling.schedules import sigmas_for
from engine.sampling.stepping import Denoise
from engine.shots.shot import Shot

AT_ONCE = 4
"""The usual number of pictures that go through the model together while they are traced."""


class TracedModel(UnetModel, VaeModel, Protocol):
    """The parts of a live model that pictures are differentiated through."""


class Tracer:
    """Makes the pictures of a ``Renderer``, differentiable by the weights of the UNet.

    Args:
        model: The live model.
        denoiser: The guided denoiser of the same model.
    """

    def __init__(self, model: VaeModel, denoiser: Denoiser) -> None:
        self._denoiser = denoiser
        self._codec = Codec(model)  # its own: a trace that runs out of memory must not change how pictures are batched

    def trace(self, shots: Sequence[Shot], *, last: int = 1, at_once: int = AT_ONCE) -> Tensor:
        """Make the pictures of ``Renderer.render``, with gradients to whatever parameters of the UNet ask for them.

        Args:
            shots: At least one, all of one size, without a second pass.
            last: How many of the last steps are differentiated; as many as there are, or more, is the whole chain.
            at_once: How many pictures go through the model together, and so whose inner values a backward pass holds.

        Returns:
            As ``Renderer.render``.

        Raises:
            RenderError: As ``Renderer.render``; or ``last`` or ``at_once`` is less than 1, or a shot has a second pass.
        """
        _check_traceable(shots, last, at_once)
        width, height = picture_size_of(shots)
        pictures = torch.empty(len(shots), 3, height, width, device=self._denoiser.device)
        most = min(at_once, most_at_once(width * height, self._denoiser.device))

        def make(numbers: list[int]) -> None:
            pictures[numbers] = self._pictures([shots[number] for number in numbers], last)

        with torch.enable_grad():
            for group in groups_of(shots):
                in_pieces(group, most, make)
        return pictures

    def _pictures(self, shots: Sequence[Shot], last: int) -> Tensor:
        denoiser = self._denoiser
        latents = first_pass(shots, self._traced_denoise(shots, last), denoiser.levels_of(shots[0]), denoiser.device)
        refuse_broken(shots, latents, "the UNet", "latents")
        return self._decoded(shots, latents)

    def _traced_denoise(self, shots: Sequence[Shot], last: int) -> Denoise:
        """The guided denoiser, recorded in the last steps and no others."""
        first, numbered, done = shots[0], self._denoiser.numbered(shots), 0
        sigmas = sigmas_for(first.sampler, first.schedule, first.steps, self._denoiser.levels_of(first))
        begin = sigmas[max(0, len(sigmas) - 1 - last)]

        def denoise(x: Tensor, sigma: float) -> Tensor:
            nonlocal done
            call, done = done, done + 1
            if sigma > begin:
                with torch.no_grad():
                    return numbered(x, sigma, call)
            return recomputed(lambda x: numbered(x, sigma, call), x)

        return denoise

    def _decoded(self, shots: Sequence[Shot], latents: Tensor) -> Tensor:
        """The pictures, decoded as many at once as ``Renderer`` decodes."""
        pictures = torch.empty(len(shots), 3, shots[0].height, shots[0].width, device=latents.device)

        def decode(numbers: list[int]) -> None:
            chosen = [shots[number] for number in numbers]
            pictures[numbers] = recomputed(lambda x: self._codec.decode(chosen, x), latents[numbers])

        in_pieces(list(range(len(shots))), max(1, DECODED_PIXELS // pictures[0, 0].numel()), decode)
        return pictures


def recomputed(work: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Return ``work(x)``, whose inner values are dropped and computed again in the backward pass.

    Each such piece has a backward pass of its own, so the gradients of its parameters are complete, and can be freed,
    before the next piece begins.
    """
    if not x.requires_grad:
        x = x.detach().requires_grad_()
    return checkpoint(work, x, use_reentrant=True, preserve_rng_state=False)


@contextmanager
def recomputing_blocks(model: TracedModel, *, thrifty: bool) -> Generator[None]:
    """Within, ``thrifty`` backward passes compute every block of UNet and VAE again instead of keeping its values.

    Least memory, for one more forward pass through what is differentiated. It must hold in the backward pass.
    """
    parts = (model.unet, model.vae) if thrifty else ()
    for part in parts:
        part.enable_gradient_checkpointing()
    try:
        yield
    finally:
        for part in parts:
            part.disable_gradient_checkpointing()


def _check_traceable(shots: Sequence[Shot], last: int, at_once: int) -> None:
    if last < 1 or at_once < 1:
        raise RenderError(
            f"the last {last} steps of {at_once} pictures at once cannot be differentiated",
            remedy="write 1 or more of both",
        )
    if second := [shot.label for shot in shots if shot.hires]:
        raise RenderError(
            f"{len(second)} of {len(shots)} shots have a second pass (hires fix), which is not differentiated, such as "
            f"{second[0]}",
            remedy="leave it out",
        )
