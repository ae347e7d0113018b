"""Shots to pictures: noise, guided sampling, a second pass where one is wanted, decoding, in batches that fit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from engine.architecture.configs import Family
from engine.architecture.widths import SD1
from engine.errors import RenderError
from engine.prompts.conditioner import Conditioner
from engine.prompts.encoders import towers_of
from engine.rendering.batches import in_pieces
from engine.rendering.denoiser import Denoiser, UnetModel
from engine.rendering.guidance import is_guided
from engine.rendering.noise import NoiseSource
from engine.rendering.second_pass import SecondPass
from engine.rendering.vae_codec import Codec, Progress, VaeModel, refuse_broken
from engine.sampling.sample import sample
from engine.sampling.schedules import sigmas_for
from engine.sampling.sigmas import levels_of
from engine.shots.shot import Shot

if TYPE_CHECKING:
    from transformers import CLIPTextModel

    from engine.prompts.embeddings import EmbeddingFolder
    from engine.rendering.upscaler_models import UpscalerFolder

MOST_SHOTS = 32  # at once; more gain nothing and cost memory
CPU_PIXELS = 2**20  # of all shots rendered at once on a CPU, which shares its memory with everything else


class RenderModel(UnetModel, VaeModel, Protocol):
    """What rendering needs of a live model: three modules, in eval mode, on one device; the VAE in float32."""

    @property
    def text_encoder(self) -> CLIPTextModel: ...  # noqa: D102


class Renderer:
    """Renders shots with one live model, whose weights may change between calls.

    ``family`` says what the model is and what its UNet predicts; left out, an SD1 model that predicts noise.
    ``embeddings`` is what prompts and negatives may name beside words, ``upscalers`` the model files that second passes
    may enlarge with.
    """

    def __init__(
        self,
        model: RenderModel,
        family: Family | None = None,
        *,
        embeddings: EmbeddingFolder | None = None,
        upscalers: UpscalerFolder | None = None,
    ) -> None:
        family = family or Family(widths=SD1)
        self._model, self._family = model, family
        self._levels = levels_of(sdxl=family.name == "sdxl", zero_terminal=family.zero_terminal_snr)
        self._conditioner = Conditioner(towers_of(model, family), embeddings)
        self._denoiser = Denoiser(model, family, self._levels, self._conditioner)
        self._device = self._denoiser.device
        self._codec = Codec(model)
        self._second = SecondPass(self._denoiser, self._codec, upscalers)
        self._shots_at_once = MOST_SHOTS

    def forget_text(self) -> None:
        """Drop the remembered conditioning: the text encoder's weights have changed."""
        self._conditioner.forget()

    def render(self, shots: Sequence[Shot], *, progress: Progress | None = None) -> Tensor:
        """Make the pictures.

        A picture depends on its shot and the weights; the company it is rendered in changes it only by rounding.

        Args:
            shots: At least one, all with pictures of one size in the end.
            progress: Called with the number of pictures just finished; the numbers add up to ``len(shots)``.

        Returns:
            ``(n, 3, height, width)`` float32 from 0 to 1, on the model's device, in the order of the shots.

        Raises:
            RenderError: No shots, several sizes, an embedding or an upscaler that cannot be used, not enough memory for
                a single picture, or pictures that came out NaN or infinite (every such shot is named).
        """
        pictures = self._empty(shots)  # outside of inference mode, so that they can be worked on afterwards
        with torch.inference_mode():
            return self._rendered(shots, pictures, progress)

    def _empty(self, shots: Sequence[Shot]) -> Tensor:
        width, height = _one_size(shots)
        return torch.empty(len(shots), 3, height, width, device=self._device)

    def _rendered(self, shots: Sequence[Shot], pictures: Tensor, progress: Progress | None) -> Tensor:
        """Fill empty pictures, in whatever mode of torch it is called in."""
        self._second.refuse_unknown(shots)

        def make(piece: list[int]) -> None:
            chosen = [shots[number] for number in piece]
            latents = self._sample(chosen)
            refuse_broken(chosen, latents, "the UNet", "latents")
            if chosen[0].hires:
                latents = self._second.over(chosen, latents)
                refuse_broken(chosen, latents, "the UNet, in the second pass,", "latents")
            pictures[piece] = self._codec.decode(chosen, latents, progress)

        for alike in _groups(shots):
            first = shots[alike[0]]
            most = min(self._shots_at_once, self._bound(max(pictures[0, 0].numel(), first.width * first.height)))
            fitted = in_pieces(alike, most, make)
            if fitted < most:  # remembered, so that later calls batch, and thus round, in the same way
                self._shots_at_once = fitted
        return pictures

    def _bound(self, pixels: int) -> int:
        """Most shots at once, by memory; a GPU's limit shows itself."""
        return max(1, CPU_PIXELS // pixels) if self._device.type == "cpu" else MOST_SHOTS

    def _sample(self, shots: list[Shot]) -> Tensor:
        """Latents of the first pass of shots whose walks are alike (`_groups`)."""
        first = shots[0]
        sigmas = sigmas_for(first.sampler, first.schedule, first.steps, self._levels)
        source = NoiseSource(shots, self._device)
        unit, denoise = source.first(), self._denoiser.of(shots)
        noise = source.after(sigmas)
        return sample(first.sampler, denoise, unit, sigmas, noise, eta=first.noise_share, s_noise=first.noise_factor)


# ----------------------------------------------------------------------------------------------------- small parts


def _one_size(shots: Sequence[Shot]) -> tuple[int, int]:
    sizes = Counter(shot.picture_size for shot in shots)
    if not sizes:
        raise RenderError("no shots to render. Give at least one")
    if len(sizes) > 1:
        found = ", ".join(f"{width}x{height} ({count} shots)" for (width, height), count in sizes.items())
        raise RenderError(f"shots of several sizes in one call: {found}. Render each size in a call of its own")
    return next(iter(sizes))


def _groups(shots: Sequence[Shot]) -> list[list[int]]:
    """Numbers of the shots that can go through the same steps."""
    groups: dict[object, list[int]] = {}
    for number, shot in enumerate(shots):
        enlarged = (shot.hires.upscaler, shot.hires.denoise, shot.target) if shot.hires else None
        groups.setdefault((enlarged, *map(_walk, shot.passes)), []).append(number)
    return list(groups.values())


def _walk(shot: Shot) -> object:
    """What shots have in common that one pass can make together."""
    noise = (shot.noise_share, shot.noise_factor)
    return (shot.width, shot.height, shot.sampler, shot.follows, shot.steps, noise, is_guided(shot))
