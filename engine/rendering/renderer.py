"""Shots to pictures: a first pass, a second where the shot has one, decoding, in batches that fit into memory."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from engine.architecture.configs import ModelFamily
from engine.architecture.widths import SD1
from engine.footprint.demand import Form
from engine.footprint.options import ANYTHING, MemoryOptions
from engine.prompts.conditioner import Conditioner
from engine.prompts.encoders import towers_of
from engine.rendering.batches import MOST_SHOTS, in_pieces, most_at_once
from engine.rendering.denoiser import Denoiser, UnetModel
from engine.rendering.first_pass import first_pass, groups_of, picture_size_of
from engine.rendering.presence import Presence, Residence
from engine.rendering.second_pass import SecondPass
from engine.rendering.vae_codec import Codec, PicturesDone, VaeModel, refuse_broken
from engine.rendering.vae_forms import VaeForms
from engine.sampling.sigmas import levels_of
from engine.shots.shot import Shot

if TYPE_CHECKING:
    from transformers import CLIPTextModel

    from engine.prompts.embeddings import EmbeddingFolder
    from engine.rendering.upscaler_models import UpscalerFolder


class RenderModel(UnetModel, VaeModel, Protocol):
    """What rendering needs of a live model: three modules, in eval mode, on one device; the VAE in float32."""

    @property
    def text_encoder(self) -> CLIPTextModel:
        """The first text encoder, in eval mode."""
        ...


class Renderer:
    """Renders shots with one live model, whose weights may change between calls.

    Args:
        model: The live model.
        family: What the model is and what its UNet predicts; None: an SD1 model that predicts noise.
        embeddings: What prompts and negatives may name beside words.
        upscalers: The model files that second passes may enlarge with.
        residence: Moves parts of the model off the device; None: they stay.
        asked: What is asked of memory.
        planned: How the model begins; None: with everything on the device, the VAE in fp32.
        speed: How the UNet is called, one of ``engine.footprint.options.SPEEDS``.

    Attributes:
        denoiser: The model's guided denoiser.
    """

    def __init__(
        self,
        model: RenderModel,
        family: ModelFamily | None = None,
        *,
        embeddings: EmbeddingFolder | None = None,
        upscalers: UpscalerFolder | None = None,
        residence: Residence | None = None,
        asked: MemoryOptions = ANYTHING,
        planned: Form | None = None,
        speed: str = "auto",
    ) -> None:
        family = family or ModelFamily(widths=SD1)
        self._presence = Presence(residence, asked.encoders, planned)
        at_work = partial(self._presence.at_work, "text")
        conditioner = Conditioner(towers_of(model, family), embeddings, at_work)
        levels = levels_of(sdxl=family.name == "sdxl", zero_terminal=family.zero_terminal_snr)
        self.denoiser = Denoiser(model, family, levels, conditioner, speed=speed)
        self._forms = VaeForms(asked.vae_precision, self.denoiser.device, planned)
        self._codec = Codec(model, self._forms, self._presence)
        self._second = SecondPass(self.denoiser, self._codec, upscalers)
        self._shots_at_once = MOST_SHOTS

    def forget_text(self) -> None:
        """Drop the remembered conditioning: the text encoder's weights have changed."""
        self.denoiser.forget_text()

    def forget_vae(self) -> None:
        """Try number formats again in which the VAE overflowed: its weights have changed."""
        self._forms.forget()

    @property
    def vae_form(self) -> str:
        """In which form the VAE works now, such as ``fp32`` or ``fp16 in strips``."""
        return str(self._forms)

    def render(self, shots: Sequence[Shot], *, progress: PicturesDone | None = None) -> Tensor:
        """Make the pictures.

        A picture depends on its shot and the weights; the batch it is rendered in changes it only by rounding.

        Args:
            shots: At least one, all with pictures of one size in the end.
            progress: Called with the number of pictures just finished; the numbers add up to ``len(shots)``.

        Returns:
            ``(n, 3, height, width)`` float32 from 0 to 1, on the model's device, in the order of the shots.

        Raises:
            RenderError: No shots, several sizes, an embedding or an upscaler that cannot be used, not enough memory for
                a single picture, or pictures that came out NaN or infinite (every such shot is named).
        """
        width, height = picture_size_of(shots)
        self._presence.send_away("vae")
        pictures = self._empty(len(shots), height, width)
        with torch.inference_mode():
            self._second.refuse_unknown(shots)
            for group in groups_of(shots):
                self._render_group(shots, group, pictures, progress)
        return pictures

    def _empty(self, count: int, height: int, width: int) -> Tensor:
        """Memory for pictures; made outside of inference mode, so that they can be worked on afterwards."""
        made: list[Tensor] = []

        def make(_: list[int]) -> None:
            made.append(torch.empty(count, 3, height, width, device=self.denoiser.device))

        in_pieces([0], 1, make, self._presence.make_room)
        return made[0]

    def _render_group(
        self, shots: Sequence[Shot], group: list[int], pictures: Tensor, progress: PicturesDone | None
    ) -> None:
        """Fill in the pictures of shots that take the same steps."""

        def make(numbers: list[int]) -> None:
            chosen = [shots[number] for number in numbers]
            pictures[numbers] = self._codec.decode(chosen, self._latents(chosen), progress)

        first = shots[group[0]]
        pixels = max(pictures[0, 0].numel(), first.width * first.height)
        most = min(self._shots_at_once, most_at_once(pixels, self.denoiser.device))
        fitted = in_pieces(group, most, make, self._presence.make_room)
        if fitted < most:  # remembered, so that later calls batch, and thus round, in the same way
            self._shots_at_once = fitted

    def _latents(self, shots: Sequence[Shot]) -> Tensor:
        """The final latents of shots that take the same steps."""
        denoiser = self.denoiser
        levels = denoiser.levels_of(shots[0])
        latents = first_pass(shots, denoiser.of(shots), levels, denoiser.device, denoiser.noise)
        refuse_broken(shots, latents, "the UNet", "latents")
        if shots[0].hires:
            latents = self._second.over(shots, latents)
            refuse_broken(shots, latents, "the UNet, in the second pass,", "latents")
        return latents
