"""The denoiser of shots: the UNet, guided by their prompts, as the function that samplers call."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor
from torch.nn.functional import pad

from engine.architecture.configs import ModelFamily
from engine.prompts.conditioner import Conditioner
from engine.prompts.encoders import sizes_of
from engine.rendering.guidance import Guidance
from engine.rendering.noise_memory import NoiseMemory
from engine.sampling.lcm import consistent
from engine.sampling.schedules import levels_for
from engine.sampling.sigmas import NoiseLevels, levels_of
from engine.sampling.stepping import Denoise
from engine.shots.samplers import SAMPLERS
from engine.shots.shot import Shot

if TYPE_CHECKING:
    from diffusers import UNet2DConditionModel

TOKEN_MULTIPLE = 16
"""Conditionings are padded to a multiple of so many tokens on a CPU, whose attention is slow on other lengths."""


class UnetModel(Protocol):
    """What denoising needs of a live model: its UNet, in eval mode."""

    @property
    def unet(self) -> UNet2DConditionModel:
        """The UNet, in eval mode."""
        ...


class Denoiser:
    """Makes denoisers of one live model, whose weights may change between them.

    Attributes:
        levels: The noise levels the model was trained on.
        device: Where the UNet lives.
        noise: The noise of the shots rendered so far.
    """

    def __init__(self, model: UnetModel, family: ModelFamily, levels: NoiseLevels, conditioner: Conditioner) -> None:
        self.levels = levels
        self._half_levels = levels_of(sdxl=family.name == "sdxl", zero_terminal=family.zero_terminal_snr, half=True)
        self._model, self._family, self._conditioner = model, family, conditioner
        self.noise = NoiseMemory()
        first = next(model.unet.parameters())
        self.device, self._dtype = first.device, first.dtype

    def levels_of(self, shot: Shot) -> NoiseLevels:
        """Return the noise levels that a shot is sampled with: the model's, or as old WebUIs computed them.

        With the range that its options set for schedules.
        """
        levels, options = self._half_levels if shot.compatibility.half_levels else self.levels, shot.options
        if not (options.sigma_min or options.sigma_max or options.rho):
            return levels
        return replace(levels, low=options.sigma_min, high=options.sigma_max, rho=options.rho)

    def of(
        self, shots: Sequence[Shot], *, sizes: Sequence[tuple[int, int]] | None = None, base_calls: int | None = None
    ) -> Denoise:
        """Return the guided denoiser of shots: from noised to clean latents, ``x - sigma * noise``.

        Its calls are counted: the prompts' schedules say which conditioning each call gets. Of the sampler DDIM CFG++
        it returns two latents, ``(2, n, 4, h, w)``: the guided ones and those of the negatives.

        Args:
            shots: Of one size, all or none guided.
            sizes: Width and height of each for SDXL's size conditioning; None: the shots' own.
            base_calls: In a second pass, over how many calls the schedules of the first ran.
        """
        numbered, calls = self.numbered(shots, sizes=sizes, base_calls=base_calls), count()
        return lambda x, sigma: numbered(x, sigma, next(calls))

    def numbered(
        self, shots: Sequence[Shot], *, sizes: Sequence[tuple[int, int]] | None = None, base_calls: int | None = None
    ) -> Callable[[Tensor, float, int], Tensor]:
        """As ``of``, but every call is given its number in the schedules, from 0; without a count of its own."""
        guidance = Guidance(shots, self._conditioner, self.device, base_calls=base_calls)
        unet, consistency = self._model.unet, shots[0].sampler == "LCM"
        levels = levels_for(shots[0].sampler, self.levels_of(shots[0]))
        size_rows = sizes_of(sizes or [(shot.width, shot.height) for shot in shots], self.device)

        def denoise(x: Tensor, sigma: float, call: int) -> Tensor:
            scaled = (x / math.sqrt(1 + sigma * sigma)).to(self._dtype)
            time = levels.time_of(sigma)
            times = torch.full((), time, device=self.device)

            def predict(rows: Tensor, contexts: Tensor, pooled: Tensor | None) -> Tensor:
                inputs: dict[str, Any] = {**self._context(contexts.to(self._dtype))}
                if pooled is not None:
                    inputs["added_cond_kwargs"] = {"text_embeds": pooled.to(self._dtype), "time_ids": size_rows[rows]}
                return unet(scaled[rows], times, **inputs, return_dict=False)[0].float()

            place = sigma if SAMPLERS[shots[0].sampler].automatic else time
            clean = self._clean(x, guidance.noise(call, predict, place), sigma)
            return consistent(clean, x, time) if consistency else clean

        return denoise

    def _clean(self, x: Tensor, output: Tensor, sigma: float) -> Tensor:
        """The clean latents that follow from a prediction, all float32; ``x`` is noised and not scaled."""
        if self._family.prediction == "epsilon":
            return torch.sub(x, output, alpha=sigma)
        spread = 1 + sigma * sigma
        return torch.sub(x / spread, output, alpha=sigma / math.sqrt(spread))

    def _context(self, context: Tensor) -> dict[str, Tensor]:
        """The UNet's inputs for a conditioning; on a CPU with masked padding, which does not change the result."""
        padding = -context.shape[1] % TOKEN_MULTIPLE
        if self.device.type != "cpu" or not padding:
            return {"encoder_hidden_states": context}
        mask = pad(torch.ones(context.shape[:2], dtype=context.dtype), (0, padding))
        return {"encoder_hidden_states": pad(context, (0, 0, 0, padding)), "encoder_attention_mask": mask}
