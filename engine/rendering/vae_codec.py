"""Latents to pictures and back with a live model's VAE, as many at once as fit into memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor

from engine.errors import RenderError
from engine.rendering.batches import in_pieces
from engine.shots.limits import LATENT_STEP
from engine.shots.shot import Shot

if TYPE_CHECKING:
    from diffusers import AutoencoderKL

DECODED_PIXELS = 2**20
"""The most pixels of all pictures decoded at once: about 4 GB with the full-size VAE."""

PicturesDone = Callable[[int], None]
"""``progress(count)``: called with the number of pictures just finished."""


class VaeModel(Protocol):
    """What pictures need of a live model: its VAE, in float32 and in eval mode."""

    @property
    def vae(self) -> AutoencoderKL:
        """The VAE, in float32 and in eval mode."""
        ...


class Codec:
    """The VAE of one live model, whose weights may change between calls."""

    def __init__(self, model: VaeModel) -> None:
        self._model = model
        self._pixels_at_once = DECODED_PIXELS

    def decode(self, shots: Sequence[Shot], latents: Tensor, progress: PicturesDone | None = None) -> Tensor:
        """Pictures ``(n, 3, h, w)`` float32 from 0 to 1, of latents ``(n, 4, h / 8, w / 8)``.

        Raises:
            RenderError: Pictures came out NaN or infinite (they are named by their shots), or there is too little
                memory for one.
        """
        height, width = (side * LATENT_STEP for side in latents.shape[-2:])
        pictures = torch.empty(len(latents), 3, height, width, device=latents.device)

        def work(piece: list[int]) -> None:
            decoded = self._decoded(latents[piece])
            refuse_broken([shots[number] for number in piece], decoded, "the VAE", "picture")
            pictures[piece] = (decoded * 0.5 + 0.5).clamp_(0, 1)
            if progress:
                progress(len(piece))

        self._pieces(len(latents), width * height, work)
        return pictures

    def encode(self, pictures: Tensor) -> Tensor:
        """Latents ``(n, 4, h // 8, w // 8)`` float32 of pictures ``(n, 3, h, w)`` from 0 to 1.

        The mean of the encoder's distribution; the WebUI samples from the distribution, without a seed.

        Raises:
            RenderError: There is too little memory for one picture.
        """
        vae, dtype, scale = self._parts()
        height, width = pictures.shape[-2:]
        latents = torch.empty(len(pictures), 4, height // LATENT_STEP, width // LATENT_STEP, device=pictures.device)

        def work(piece: list[int]) -> None:
            distribution = vae.encode(pictures[piece].to(dtype) * 2 - 1, return_dict=False)[0]
            latents[piece] = distribution.mean.float() * scale

        self._pieces(len(pictures), width * height, work)
        return latents

    def _decoded(self, latents: Tensor) -> Tensor:
        """The VAE's output for latents, float32, about -1 to 1."""
        vae, dtype, scale = self._parts()
        return vae.decode(latents.to(dtype) / scale, return_dict=False)[0].float()

    def _parts(self) -> tuple[Any, torch.dtype, float]:
        vae: Any = self._model.vae  # typed by diffusers with names of tensors that are never made
        return vae, next(vae.parameters()).dtype, vae.config["scaling_factor"]

    def _pieces(self, count: int, pixels: int, work: Callable[[list[int]], None]) -> None:
        most = max(1, self._pixels_at_once // pixels)
        fitted = in_pieces(list(range(count)), most, work)
        if fitted < most:
            self._pixels_at_once = fitted * pixels


def refuse_broken(shots: Sequence[Shot], values: Tensor, part: str, what: str) -> None:
    """Refuse values that are not all finite.

    Raises:
        RenderError: Every shot whose values are NaN or infinite is named.
    """
    whole = values.isfinite().flatten(1).all(1).tolist()
    broken = [shot.label for shot, good in zip(shots, whole, strict=True) if not good]
    if broken:
        raise RenderError(
            f"{part} gave NaN or infinite {what} for {len(broken)} of {len(shots)} shots rendered together:\n"
            + "\n".join(f"  {label}" for label in broken)
            + '\nThe recipe drives weights out of range, or precision "fp16" is too narrow for them: bring its numbers '
            'closer to neutral, or choose precision "fp32"'
        )
