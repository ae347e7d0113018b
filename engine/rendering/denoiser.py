"""The denoiser of shots: the UNet, guided by their prompts, as the function that samplers call."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from engine.architecture.configs import ModelFamily
from engine.prompts.conditioner import Conditioner
from engine.prompts.encoders import sizes_of
from engine.rendering.conditioning_rows import Conditioning, Packing
from engine.rendering.guidance import Guidance
from engine.rendering.noise_memory import NoiseMemory
from engine.rendering.speed.unet_calls import UnetCalls
from engine.rendering.speed.unet_inputs import UnetInputs
from engine.rendering.transfer import sent
from engine.sampling.lcm import consistent
from engine.sampling.schedules import levels_for
from engine.sampling.sigmas import NoiseLevels, levels_of
from engine.sampling.stepping import Denoise
from engine.shots.samplers import SAMPLERS
from engine.shots.shot import Shot

if TYPE_CHECKING:
    from diffusers import UNet2DConditionModel

PREPARED_RUNS = 16
"""For how many runs of the last ones what they have in common is kept: a trial makes the runs of the trial before."""
CPU = torch.device("cpu")


class UnetModel(Protocol):
    """What denoising needs of a live model: its UNet, in eval mode."""

    @property
    def unet(self) -> UNet2DConditionModel:
        """The UNet, in eval mode."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """What is the same whenever some shots are made with unchanged text encoders."""

    guidance: Guidance
    levels: NoiseLevels
    sizes: Tensor


class Denoiser:
    """Makes denoisers of one live model, whose weights may change between them.

    Args:
        model: The live model.
        family: What the model is and what its UNet predicts.
        levels: The noise levels the model was trained on.
        conditioner: Encodes prompts.
        speed: How the UNet is called, one of ``engine.footprint.options.SPEEDS``.
        packing: How rows of several lengths go through the UNet; None: as is fastest on its device.

    Attributes:
        levels: The noise levels the model was trained on.
        device: Where the UNet lives.
        noise: The noise of the shots rendered so far.
        calls: How the UNet is called.
        on_step: Called at every step.
    """

    def __init__(
        self,
        model: UnetModel,
        family: ModelFamily,
        levels: NoiseLevels,
        conditioner: Conditioner,
        *,
        speed: str = "auto",
        packing: Packing | None = None,
    ) -> None:
        self.levels = levels
        self._half_levels = levels_of(sdxl=family.name == "sdxl", zero_terminal=family.zero_terminal_snr, half=True)
        self._model, self._family, self._conditioner = model, family, conditioner
        self.noise = NoiseMemory()
        first = next(model.unet.parameters())
        self.device, self._dtype = first.device, first.dtype
        self._packing = packing or Packing.on(self.device)
        self.calls = UnetCalls(speed, self.device)
        self.on_step: Callable[[], None] = _nothing
        self._ranges: dict[tuple[bool, float, float, float], NoiseLevels] = {}
        self._runs: OrderedDict[object, _Run] = OrderedDict()

    def forget_text(self) -> None:
        """Drop the remembered conditioning: the text encoder's weights have changed."""
        self._conditioner.forget()
        self._runs.clear()

    def levels_of(self, shot: Shot) -> NoiseLevels:
        """Return the noise levels that a shot is sampled with: the model's, or as old WebUIs computed them.

        With the range that its options set for schedules.
        """
        half, options = shot.compatibility.half_levels, shot.options
        levels = self._half_levels if half else self.levels
        key = (half, options.sigma_min, options.sigma_max, options.rho)
        if not any(key[1:]):
            return levels
        if key not in self._ranges:  # kept, because times and schedules are remembered by their levels
            self._ranges[key] = replace(levels, low=options.sigma_min, high=options.sigma_max, rho=options.rho)
        return self._ranges[key]

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
        run, unet, first = self._run(shots, sizes, base_calls), self._model.unet, shots[0]
        consistency, automatic = first.sampler == "LCM", SAMPLERS[first.sampler].automatic

        def denoise(x: Tensor, sigma: float, call: int) -> Tensor:
            self.on_step()
            scaled = (x / math.sqrt(1 + sigma * sigma)).to(self._dtype)
            time = run.levels.time_of(sigma)
            times = torch.full((), time, device=self.device)

            def predict(rows: Tensor, conditioning: Conditioning) -> Tensor:
                inputs = self._inputs(scaled[rows], times, conditioning, run.sizes, rows)
                return self.calls.output(unet, inputs).float()

            clean = self._clean(x, run.guidance.noise(call, predict, sigma if automatic else time), sigma)
            return consistent(clean, x, time) if consistency else clean

        return denoise

    def _run(self, shots: Sequence[Shot], sizes: Sequence[tuple[int, int]] | None, base_calls: int | None) -> _Run:
        """What a run needs, from an earlier one where the same shots were made.

        It is kept only in inference mode, whose tensors cannot be used where derivatives are taken.
        """
        if not torch.is_inference_mode_enabled():
            return self._prepared(shots, sizes, base_calls)
        key = (tuple(shots), tuple(sizes or ()), base_calls)
        if key not in self._runs:
            self._runs[key] = self._prepared(shots, sizes, base_calls)
            if len(self._runs) > PREPARED_RUNS:
                self._runs.popitem(last=False)
        self._runs.move_to_end(key)
        return self._runs[key]

    def _prepared(self, shots: Sequence[Shot], sizes: Sequence[tuple[int, int]] | None, base_calls: int | None) -> _Run:
        guidance = Guidance(shots, self._conditioner, self.device, base_calls=base_calls, packing=self._packing)
        rows = sizes_of(sizes or [(shot.width, shot.height) for shot in shots], CPU)
        levels = levels_for(shots[0].sampler, self.levels_of(shots[0]))
        return _Run(guidance=guidance, levels=levels, sizes=sent(rows, self.device))

    def _inputs(
        self, scaled: Tensor, times: Tensor, conditioning: Conditioning, sizes: Tensor, rows: Tensor
    ) -> UnetInputs:
        """All inputs of one UNet call, in the UNet's precision."""
        pooled, mask = conditioning.pooled, conditioning.mask
        return UnetInputs(
            sample=scaled,
            timestep=times,
            contexts=conditioning.contexts.to(self._dtype),
            mask=None if mask is None else mask.to(self._dtype),
            pooled=None if pooled is None else pooled.to(self._dtype),
            sizes=None if pooled is None else sizes[rows],
        )

    def _clean(self, x: Tensor, output: Tensor, sigma: float) -> Tensor:
        """The clean latents that follow from a prediction, all float32; ``x`` is noised and not scaled."""
        if self._family.prediction == "epsilon":
            return torch.sub(x, output, alpha=sigma)
        spread = 1 + sigma * sigma
        return torch.sub(x / spread, output, alpha=sigma / math.sqrt(spread))


def _nothing() -> None:
    """Do nothing at a step."""
