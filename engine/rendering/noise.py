"""The noise of a batch: each picture has its own seed, so that it does not depend on the batch it is rendered in.

As in AUTOMATIC1111's WebUI: the first noise of a picture is the first draw of its generator; the noise of the steps
continues that generator, or starts another one at seed + ENSD; samplers of the stochastic differential equation follow
a Brownian path of the picture's seed. "CPU" is torch's generator on the CPU, "NV" is CUDA's, computed on the CPU.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor

from engine.architecture.widths import LATENT_CHANNELS
from engine.sampling.brownian import BrownianPath
from engine.sampling.philox import PhiloxStream
from engine.sampling.stepping import StepNoise
from engine.shots.limits import LATENT_STEP
from engine.shots.samplers import SAMPLERS, Fresh
from engine.shots.shot import Shot

NoiseStream = Callable[[tuple[int, ...]], Tensor]
"""``stream(shape)``: the next unit noise of a generator, float32, on the CPU."""


def stream_of(rng: str, seed: int) -> NoiseStream:
    """Start a generator, "CPU" or "NV", and return its stream."""
    if rng == "NV":
        philox = PhiloxStream(seed)
        return lambda shape: torch.from_numpy(philox.normal(shape))
    return partial(torch.randn, generator=torch.Generator("cpu").manual_seed(seed))


class NoiseSource:
    """The noise of shots of one size."""

    def __init__(self, shots: Sequence[Shot], device: torch.device) -> None:
        self._shots, self._device = shots, device
        self._shape = (LATENT_CHANNELS, shots[0].height // LATENT_STEP, shots[0].width // LATENT_STEP)
        self._streams = [stream_of(shot.rng, shot.seed) for shot in shots]

    def first(self) -> Tensor:
        """Draw the noise that pictures start from: ``(n, 4, h, w)`` float32. Call it once, before ``after``."""
        unit = self._draw()
        for number, shot in enumerate(self._shots):
            if shot.ensd:
                self._streams[number] = stream_of(shot.rng, shot.seed + shot.ensd)
        return unit

    def after(self, sigmas: Sequence[float]) -> StepNoise:
        """Return the noise that the shots' sampler adds on its way down these levels."""
        if SAMPLERS[self._shots[0].sampler].fresh is Fresh.TREE:
            return self._along_paths(sigmas)
        return lambda sigma, target: self._draw()

    def _draw(self) -> Tensor:
        return torch.stack([stream(self._shape) for stream in self._streams]).to(self._device)

    def _along_paths(self, sigmas: Sequence[float]) -> StepNoise:
        """Increments of each shot's Brownian path over sigma, scaled to unit variance; all levels are float32."""
        low, high = min(sigma for sigma in sigmas if sigma > 0), sigmas[0]
        paths = [BrownianPath(low, high, shot.seed, self._seeded(shot.rng)) for shot in self._shots]

        def noise(sigma: float, target: float) -> Tensor:
            increments = torch.stack([path.increment(target, sigma) for path in paths])
            return (increments / -float(np.sqrt(np.float32(sigma) - np.float32(target)))).to(self._device)

        return noise

    def _seeded(self, rng: str) -> Callable[[int], Tensor]:
        return lambda seed: stream_of(rng, seed)(self._shape)
