"""The noise of a batch: each picture has its own seed, so that it does not depend on the batch it is rendered in.

As in AUTOMATIC1111's WebUI: the first noise of a picture is the first draw of its generator; the noise of the steps
continues that generator, or starts another one at seed + ENSD; samplers of the stochastic differential equation follow
a Brownian path of the picture's seed. "CPU" is torch's generator on the CPU, "NV" is CUDA's, computed on the CPU.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from engine.architecture.widths import LATENT_CHANNELS
from engine.rendering.noise_memory import KeptStream, NoiseMemory, stream_of
from engine.rendering.transfer import sent
from engine.sampling.brownian import BrownianPath
from engine.sampling.stepping import StepNoise
from engine.shots.limits import LATENT_STEP
from engine.shots.samplers import SAMPLERS, Fresh
from engine.shots.shot import Shot

ALIKE = 0.9995
"""From this mean cosine on, two noises count as one."""


class NoiseSource:
    """The noise of shots of one size, made for one run; ``memory`` keeps it for the next."""

    def __init__(self, shots: Sequence[Shot], device: torch.device, memory: NoiseMemory | None = None) -> None:
        self._shots, self._device = shots, device
        self._shape = (LATENT_CHANNELS, shots[0].height // LATENT_STEP, shots[0].width // LATENT_STEP)
        self._memory = memory or NoiseMemory(0)
        self._memory.new_run()
        self._streams = [self._stream(shot.rng, shot.seed) for shot in shots]

    def first(self) -> Tensor:
        """Draw the noise that pictures start from: ``(n, 4, h, w)`` float32. Call it once, before ``after``."""
        firsts = [self._first(shot, stream) for shot, stream in zip(self._shots, self._streams, strict=True)]
        for number, shot in enumerate(self._shots):
            if shot.ensd:
                self._streams[number] = self._stream(shot.rng, shot.seed + shot.ensd)
        return sent(torch.stack(firsts), self._device)

    def after(self, sigmas: Sequence[float]) -> StepNoise:
        """Return the noise that the shots' sampler adds on its way down these levels."""
        if SAMPLERS[self._shots[0].sampler].fresh is Fresh.TREE:
            return self._along_paths(sigmas)
        return lambda sigma, target: self._drawn()

    def _first(self, shot: Shot, stream: KeptStream) -> Tensor:
        """One picture's first noise: its stream's, or that of another size, turned towards that of another seed."""
        options, shape = shot.options, self._shape
        if options.seed_resize != (0, 0):
            width, height = options.seed_resize
            shape = (LATENT_CHANNELS, height // LATENT_STEP, width // LATENT_STEP)
        noise = stream.draw() if shape == self._shape else self._stream(shot.rng, shot.seed, shape).draw()
        if options.variation_strength:
            other = self._stream(shot.rng, options.variation_seed, shape).draw()
            noise = turned(noise, other, options.variation_strength)
        return noise if shape == self._shape else centred(noise, stream.draw())

    def _drawn(self) -> Tensor:
        return sent(torch.stack([stream.draw() for stream in self._streams]), self._device)

    def _along_paths(self, sigmas: Sequence[float]) -> StepNoise:
        """Increments of each shot's Brownian path over sigma, scaled to unit variance; all levels are float32."""
        low, high = min(sigma for sigma in sigmas if sigma > 0), sigmas[0]
        paths = [_UnitPath(shot, self._shape, low, high, self._memory) for shot in self._shots]

        def noise(sigma: float, target: float) -> Tensor:
            return sent(torch.stack([path.noise(sigma, target) for path in paths]), self._device)

        return noise

    def _stream(self, rng: str, seed: int, shape: tuple[int, ...] | None = None) -> KeptStream:
        return KeptStream(self._memory, rng, seed, shape or self._shape)


class _UnitPath:
    """The Brownian path of one shot between two levels; its increments are scaled to unit variance."""

    def __init__(self, shot: Shot, shape: tuple[int, ...], low: float, high: float, memory: NoiseMemory) -> None:
        self._path = BrownianPath(low, high, shot.seed, lambda seed: stream_of(shot.rng, seed)(shape))
        self._sequence, self._memory = (shot.rng, shot.seed, shape, low, high), memory

    def noise(self, sigma: float, target: float) -> Tensor:
        """The noise of a step, from the memory where it was drawn before; it must not be changed."""
        return self._memory.noise(self._sequence, (sigma, target), lambda: self._drawn(sigma, target))

    def _drawn(self, sigma: float, target: float) -> Tensor:
        return self._path.increment(target, sigma) / -float(np.sqrt(np.float32(sigma) - np.float32(target)))


def turned(noise: Tensor, other: Tensor, share: float) -> Tensor:
    """Noise ``(c, h, w)`` turned towards another by a share of the angle between them, for each of their columns.

    Spherical interpolation (Shoemake 1985, "Animating rotation with quaternion curves"); the WebUI applies it along the
    height. Where the two are nearly one, it mixes them the other way round.
    """
    directions = [one / one.norm(dim=1, keepdim=True) for one in (noise, other)]
    cosine = (directions[0] * directions[1]).sum(1)
    if cosine.mean() > ALIKE:
        return noise * share + other * (1 - share)
    angle = cosine.acos()
    kept, added = (torch.sin(part * angle) / angle.sin() for part in (1 - share, share))
    return kept.unsqueeze(1) * noise + added.unsqueeze(1) * other


def centred(noise: Tensor, around: Tensor) -> Tensor:
    """Noise of another size, ``(c, h, w)``, in the middle of noise of the right one; what is too large is cut off."""
    found = around.clone()
    ours, theirs = [], []
    for wanted, given in zip(around.shape[1:], noise.shape[1:], strict=True):
        shift = (wanted - given) // 2
        size = given if shift >= 0 else given + 2 * shift
        ours.append(slice(max(shift, 0), max(shift, 0) + size))
        theirs.append(slice(max(-shift, 0), max(-shift, 0) + size))
    found[:, ours[0], ours[1]] = noise[:, theirs[0], theirs[1]]
    return found
