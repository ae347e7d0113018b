"""Rendering that remembers how its last steps came about, so that gradients flow from pictures to weights.

As in DRaFT-K (Clark et al. 2023, https://arxiv.org/abs/2309.17400), the way down to the last K steps counts as given:
their gradients say most of what all steps' would, for a fraction of time and memory. Every UNet call and every decoding
is computed again when its turn comes in the backward pass, so that memory holds the inner values of one at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from engine.architecture.configs import Family
from engine.errors import RenderError
from engine.prompts.conditioner import Conditioner
from engine.rendering.denoiser import Denoiser, UnetModel
from engine.rendering.renderer import Renderer
from engine.rendering.vae_codec import Codec, VaeModel
from engine.sampling.schedules import sigmas_for
from engine.sampling.sigmas import NoiseLevels
from engine.sampling.stepping import Denoise
from engine.shots.shot import Shot

AT_ONCE = 4


class TracedRenderer(Renderer):
    """A renderer whose pictures may be differentiated."""

    _at_once: int | None = None
    """Most pictures at a time while pictures are traced."""

    def trace(self, shots: Sequence[Shot], *, last: int = 1, at_once: int = AT_ONCE) -> Tensor:
        """Make the pictures of ``render``, with gradients to whatever parameters of the UNet ask for them.

        Args:
            shots: at least one, all of one size, without a second pass.
            last: how many of the last steps are differentiated; as many as there are, or more, is the whole chain.
            at_once: how many pictures go through the model together, and so whose inner values a backward pass holds.

        Returns:
            As ``Renderer.render``.

        Raises:
            RenderError: as ``Renderer.render``; or ``last`` or ``at_once`` is less than 1, or a shot has a second pass.
        """
        _check(shots, last, at_once)
        usual = self._denoiser, self._codec
        self._denoiser = _TracedDenoiser(self._model, self._family, self._levels, self._conditioner, last)
        self._codec = _TracedCodec(self._model, at_once * shots[0].width * shots[0].height if shots else 1)
        self._at_once = at_once
        try:
            with torch.enable_grad():
                return self._rendered(shots, self._empty(shots), None)
        finally:
            self._denoiser, self._codec = usual
            self._at_once = None

    @contextmanager
    def recomputing(self, *, thrifty: bool) -> Generator[None]:
        """Within, ``thrifty`` backward passes compute every block of UNet and VAE again instead of keeping its values.

        Least memory, for one more forward pass through what is differentiated. It must hold in the backward pass.
        """
        parts = (self._model.unet, self._model.vae) if thrifty else ()
        for part in parts:
            part.enable_gradient_checkpointing()
        try:
            yield
        finally:
            for part in parts:
                part.disable_gradient_checkpointing()

    def _bound(self, pixels: int) -> int:
        most = super()._bound(pixels)
        return most if self._at_once is None else min(most, self._at_once)


class _TracedDenoiser(Denoiser):
    """Traces calls in the last steps, and no others."""

    def __init__(
        self, model: UnetModel, family: Family, levels: NoiseLevels, conditioner: Conditioner, last: int
    ) -> None:
        super().__init__(model, family, levels, conditioner)
        self._last = last

    def of(
        self, shots: Sequence[Shot], *, sizes: Sequence[tuple[int, int]] | None = None, base_calls: int | None = None
    ) -> Denoise:
        first, numbered, done = shots[0], self.numbered(shots, sizes=sizes, base_calls=base_calls), 0
        sigmas = sigmas_for(first.sampler, first.schedule, first.steps, self.levels)
        begin = sigmas[max(0, len(sigmas) - 1 - self._last)]

        def denoise(x: Tensor, sigma: float) -> Tensor:
            nonlocal done
            call, done = done, done + 1
            if sigma > begin:
                with torch.no_grad():
                    return numbered(x, sigma, call)
            return again(lambda x: numbered(x, sigma, call), x)

        return denoise


class _TracedCodec(Codec):
    """Decodes traced."""

    def __init__(self, model: VaeModel, pixels_at_once: int) -> None:
        super().__init__(model)
        self._pixels_at_once = min(self._pixels_at_once, pixels_at_once)

    def _decoded(self, latents: Tensor) -> Tensor:
        return again(super()._decoded, latents)


def again(work: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """``work(x)``, whose inner values are forgotten and computed again in the backward pass.

    Each such piece has a backward pass of its own, so the gradients of its parameters are complete, and can be freed,
    before the next piece begins.
    """
    if not x.requires_grad:
        x = x.detach().requires_grad_()
    return checkpoint(work, x, use_reentrant=True, preserve_rng_state=False)


def _check(shots: Sequence[Shot], last: int, at_once: int) -> None:
    if last < 1 or at_once < 1:
        raise RenderError(
            f"the last {last} steps of {at_once} pictures at once cannot be differentiated; write 1 or more of both"
        )
    if second := [shot.label for shot in shots if shot.hires]:
        raise RenderError(
            f"{len(second)} of {len(shots)} shots have a second pass (hires fix), which is not differentiated, such as "
            f"{second[0]}; leave it out"
        )
