"""Shots to pictures: noise, guided sampling, decoding, in batches that fit."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import count
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor
from torch.nn.functional import pad

from engine.configs import Family
from engine.encoders import sizes_of, towers_of
from engine.errors import RenderError
from engine.guidance import Guidance, is_guided
from engine.noise import NoiseSource
from engine.sampler_names import SAMPLERS
from engine.samplers import sample
from engine.schedules import sigmas_for
from engine.shots import Shot
from engine.sigmas import levels_of
from engine.stepping import Denoise
from engine.text import Conditioner
from engine.widths import SD1

if TYPE_CHECKING:
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextModel

    from engine.embeddings import EmbeddingFolder

MOST_SHOTS = 32  # at once; more gain nothing and cost memory
CPU_PIXELS = 2**20  # of all shots rendered at once on a CPU, which shares its memory with everything else
DECODED_PIXELS = 2**20  # of all pictures decoded at once: about 4 GB with the full-size VAE
TOKEN_MULTIPLE = 16  # attention on a CPU is slow on a row of keys that does not fill its vectors

Progress = Callable[[int], None]


class RenderModel(Protocol):
    """What rendering needs of a live model: three modules, in eval mode, on one device; the VAE in float32."""

    @property
    def unet(self) -> UNet2DConditionModel: ...  # noqa: D102
    @property
    def vae(self) -> AutoencoderKL: ...  # noqa: D102
    @property
    def text_encoder(self) -> CLIPTextModel: ...  # noqa: D102


class Renderer:
    """Renders shots with one live model, whose weights may change between calls.

    ``family`` says what the model is and what its UNet predicts; left out, an SD1 model that predicts noise.
    ``embeddings`` is what prompts and negatives may name beside words.
    """

    def __init__(
        self, model: RenderModel, family: Family | None = None, *, embeddings: EmbeddingFolder | None = None
    ) -> None:
        self._model = model
        self._family = family or Family(widths=SD1)
        self._levels = levels_of(sdxl=self._family.name == "sdxl", zero_terminal=self._family.zero_terminal_snr)
        self._conditioner = Conditioner(towers_of(model, self._family), embeddings)
        first = next(model.unet.parameters())
        self._device, self._dtype = first.device, first.dtype
        self._shots_at_once = MOST_SHOTS
        self._decoded_pixels = DECODED_PIXELS

    def forget_text(self) -> None:
        """Drop the remembered conditioning: the text encoder's weights have changed."""
        self._conditioner.forget()

    def render(self, shots: Sequence[Shot], *, progress: Progress | None = None) -> Tensor:
        """Make the pictures.

        A picture depends on its shot and the weights; the company it is rendered in changes it only by rounding.

        Args:
            shots: At least one, all of one size.
            progress: Called with the number of pictures just finished; the numbers add up to ``len(shots)``.

        Returns:
            ``(n, 3, height, width)`` float32 from 0 to 1, on the model's device, in the order of the shots.

        Raises:
            RenderError: No shots, several sizes, an embedding that cannot be used, not enough memory for a single
                picture, or pictures that came out NaN or infinite (every such shot is named).
        """
        width, height = _one_size(shots)
        pictures = torch.empty(len(shots), 3, height, width, device=self._device)

        def make(piece: list[int]) -> None:
            chosen = [shots[number] for number in piece]
            latents = self._sample(chosen)
            _refuse_broken(chosen, latents, "the UNet", "latents")
            pictures[piece] = self._decode(chosen, latents, progress)

        with torch.inference_mode():
            for alike in _groups(shots):
                most = min(self._shots_at_once, self._bound(width * height))
                fitted = in_pieces(alike, most, make)
                if fitted < most:  # remembered, so that later calls batch, and thus round, in the same way
                    self._shots_at_once = fitted
        return pictures

    def _bound(self, pixels: int) -> int:
        """Most shots at once, by memory; a GPU's limit shows itself."""
        return max(1, CPU_PIXELS // pixels) if self._device.type == "cpu" else MOST_SHOTS

    def _sample(self, shots: list[Shot]) -> Tensor:
        """Latents of shots of one size whose walks are alike (`_groups`)."""
        first = shots[0]
        sigmas = sigmas_for(first.sampler, first.schedule, first.steps, self._levels)
        source = NoiseSource(shots, self._device)
        unit, denoise = source.first(), self._denoiser(shots)
        noise = source.after(sigmas)
        return sample(first.sampler, denoise, unit, sigmas, noise, eta=first.noise_share, s_noise=_factor(first))

    def _denoiser(self, shots: list[Shot]) -> Denoise:
        """The guided denoiser ``x - sigma * noise``; every call of it counts as one of the prompts' schedules."""
        guidance = Guidance(shots, self._conditioner, self._device)
        unet, levels, calls = self._model.unet, self._levels, count()
        sizes = sizes_of(shots, self._device)

        def denoise(x: Tensor, sigma: float) -> Tensor:
            scaled = (x / math.sqrt(1 + sigma * sigma)).to(self._dtype)
            time = torch.full((), levels.time_of(sigma), device=self._device)

            def predict(rows: Tensor, contexts: Tensor, pooled: Tensor | None) -> Tensor:
                inputs: dict[str, Any] = {**self._context(contexts.to(self._dtype))}
                if pooled is not None:
                    inputs["added_cond_kwargs"] = {"text_embeds": pooled.to(self._dtype), "time_ids": sizes[rows]}
                return unet(scaled[rows], time, **inputs, return_dict=False)[0].float()

            return self._clean(x, guidance.noise(next(calls), predict), sigma)

        return denoise

    def _clean(self, x: Tensor, output: Tensor, sigma: float) -> Tensor:
        """The clean latents that a prediction amounts to, all float32; ``x`` is noised and not scaled."""
        if self._family.prediction == "epsilon":
            return torch.sub(x, output, alpha=sigma)
        spread = 1 + sigma * sigma
        return torch.sub(x / spread, output, alpha=sigma / math.sqrt(spread))

    def _context(self, context: Tensor) -> dict[str, Tensor]:
        """The UNet's inputs for a conditioning; on a CPU with masked filling, which does not change the result."""
        filling = -context.shape[1] % TOKEN_MULTIPLE
        if self._device.type != "cpu" or not filling:
            return {"encoder_hidden_states": context}
        mask = pad(torch.ones(context.shape[:2], dtype=context.dtype), (0, filling))
        return {"encoder_hidden_states": pad(context, (0, 0, 0, filling)), "encoder_attention_mask": mask}

    def _decode(self, shots: list[Shot], latents: Tensor, progress: Progress | None) -> Tensor:
        vae: Any = self._model.vae  # typed by diffusers with names of tensors that are never made
        dtype, scale = next(vae.parameters()).dtype, vae.config["scaling_factor"]
        pixels = shots[0].width * shots[0].height
        pictures = torch.empty(len(shots), 3, shots[0].height, shots[0].width, device=self._device)

        def decode(piece: list[int]) -> None:
            decoded = vae.decode(latents[piece].to(dtype) / scale, return_dict=False)[0].float()
            _refuse_broken([shots[number] for number in piece], decoded, "the VAE", "picture")
            pictures[piece] = (decoded * 0.5 + 0.5).clamp_(0, 1)
            if progress:
                progress(len(piece))

        most = max(1, self._decoded_pixels // pixels)
        fitted = in_pieces(list(range(len(shots))), most, decode)
        if fitted < most:
            self._decoded_pixels = fitted * pixels
        return pictures


# ----------------------------------------------------------------------------------------------------- small parts


def in_pieces(numbers: list[int], most: int, work: Callable[[list[int]], None]) -> int:
    """Do the work on even pieces of at most ``most`` numbers, halving the pieces whenever memory runs out.

    Returns:
        The most that may be tried next time: ``most``, or what fitted after halving.

    Raises:
        RenderError: Memory runs out on a piece of one.
    """
    left = numbers
    while left:
        count = math.ceil(len(left) / math.ceil(len(left) / most))
        if _fits(left[:count], work):
            left = left[count:]
        else:
            most = count // 2
    return most


def _fits(piece: list[int], work: Callable[[list[int]], None]) -> bool:
    try:
        work(piece)
    except torch.OutOfMemoryError as error:
        if len(piece) == 1:
            raise RenderError(
                "the device has too little memory for a single picture. Render smaller pictures, choose precision "
                '"fp16", close other programs that use the device, or render on the CPU'
            ) from error
    else:
        return True
    if torch.cuda.is_available():  # outside the handler, where the failed call's tensors are free again
        torch.cuda.empty_cache()
    return False


def _one_size(shots: Sequence[Shot]) -> tuple[int, int]:
    sizes = Counter((shot.width, shot.height) for shot in shots)
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
        walk = (shot.sampler, shot.follows, shot.steps, shot.noise_share, _factor(shot))
        groups.setdefault((*walk, is_guided(shot)), []).append(number)
    return list(groups.values())


def _factor(shot: Shot) -> float:
    """The factor on fresh noise: ``s_noise`` where the WebUI hands it to the sampler."""
    return float(shot.s_noise) if SAMPLERS[shot.sampler].scales_noise else 1.0


def _refuse_broken(shots: Sequence[Shot], values: Tensor, part: str, what: str) -> None:
    whole = values.isfinite().flatten(1).all(1).tolist()
    broken = [shot.label for shot, good in zip(shots, whole, strict=True) if not good]
    if broken:
        raise RenderError(
            f"{part} gave NaN or infinite {what} for {len(broken)} of {len(shots)} shots rendered together:\n"
            + "\n".join(f"  {label}" for label in broken)
            + '\nThe recipe drives weights out of range, or precision "fp16" is too narrow for them: bring its numbers '
            'closer to neutral, or choose precision "fp32"'
        )
