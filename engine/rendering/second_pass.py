"""The second pass over pictures (hires fix): enlarge, add noise of the same seed, denoise again.

As ``sample_hr_pass`` of AUTOMATIC1111's WebUI 1.10 (modules/processing.py): latents are enlarged as they are, or
decoded, rounded to eight bits, enlarged and encoded; new noise is drawn from each picture's seed at the new size.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import Tensor

from engine.errors import RenderError
from engine.rendering.denoiser import Denoiser
from engine.rendering.first_pass import churn_of
from engine.rendering.guidance import calls_of
from engine.rendering.noise import NoiseSource
from engine.rendering.upscale import Enlarge, enlarged_latents, enlarged_picture, from_bytes, to_bytes
from engine.rendering.vae_codec import Codec
from engine.sampling.sample import resample
from engine.sampling.schedules import second_pass_levels
from engine.shots.hires import UPSCALERS, Hires, Target
from engine.shots.shot import Shot

if TYPE_CHECKING:
    from engine.rendering.upscaler_models import UpscalerFolder


class SecondPass:
    """Second passes with one live model; ``upscalers`` are the model files that they may enlarge with."""

    def __init__(self, denoiser: Denoiser, codec: Codec, upscalers: UpscalerFolder | None = None) -> None:
        self._denoiser, self._codec, self._upscalers = denoiser, codec, upscalers

    def refuse_unknown(self, shots: Sequence[Shot]) -> None:
        """Open the model files that the shots are enlarged with, before anything is rendered.

        Raises:
            RenderError: One does not exist, or cannot be used.
        """
        for name in dict.fromkeys(shot.hires.model for shot in shots if shot.hires):
            if name:
                self._model(name)

    def over(self, shots: Sequence[Shot], latents: Tensor) -> Tensor:
        """Return the latents of the second pass, in their final size.

        Args:
            shots: All with a second pass, equal in everything that decides its steps.
            latents: Those of the first pass, ``(n, 4, h, w)`` float32.
        """
        first, hires, target = shots[0], shots[0].hires, shots[0].target
        seconds = [shot.second for shot in shots if shot.second]
        if hires is None or len(seconds) != len(shots):
            raise AssertionError("shots without a second pass")
        larger = _cropped(self._enlarged(shots, hires, target, latents), target)
        if not hires.denoise:
            return larger
        second = seconds[0]
        levels = second_pass_levels(
            second.sampler, second.schedule, second.steps, hires.planned(second.steps), self._denoiser.levels_of(first)
        )
        source = NoiseSource(seconds, self._denoiser.device, self._denoiser.noise)
        unit = source.first()
        denoise = self._denoiser.of(
            seconds,
            sizes=[(target.width, target.height)] * len(seconds),
            base_calls=calls_of(first.sampler, first.steps),
        )
        noise = source.after(levels.planned)  # the WebUI's Brownian paths span all planned levels
        eta, s_noise, churn = second.noise_share, second.noise_factor, churn_of(second)
        return resample(second.sampler, denoise, larger, unit, levels, noise, eta=eta, s_noise=s_noise, churn=churn)

    def _enlarged(self, shots: Sequence[Shot], hires: Hires, target: Target, latents: Tensor) -> Tensor:
        if hires.on_latents:
            return enlarged_latents(latents, hires.upscaler, target)
        upscaler = self._model(hires.model) if hires.model else hires.upscaler
        pictures = [enlarged_picture(one, upscaler, target) for one in to_bytes(self._codec.decode(shots, latents))]
        return self._codec.encode(from_bytes(pictures).to(latents.device))

    def _model(self, name: str) -> Enlarge:
        if self._upscalers is None:
            raise RenderError(
                f'the upscaler "{name}" is a model file, and no folder of such files is given',
                remedy=f"name the folder as upscalers, or choose one of {', '.join(UPSCALERS)}",
            )
        return self._upscalers.opened(name, self._denoiser.device)


def _cropped(latents: Tensor, target: Target) -> Tensor:
    """The latents without the surplus: half is cut off at either side, an odd latent at the right or the bottom."""
    across, down = target.cut
    height, width = latents.shape[-2:]
    return latents[:, :, down // 2 : height - (down + 1) // 2, across // 2 : width - (across + 1) // 2].contiguous()
