"""PLMS, "pseudo linear multistep" (Liu et al. 2022, https://arxiv.org/abs/2202.09778), with DDIM's steps.

The predicted noise of up to four steps is combined by Adams and Bashforth's weights, as if steps were even; the first
step, which has none before it, takes the mean of the noise at both of its ends. In noise-level space a step of DDIM is
one along that noise.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor

from engine.sampling.stepping import Denoise

WEIGHTS: dict[int, tuple[float, ...]] = {
    2: (3 / 2, -1 / 2),
    3: (23 / 12, -16 / 12, 5 / 12),
    4: (55 / 24, -59 / 24, 37 / 24, -9 / 24),
}
"""Adams and Bashforth's weights by their number, the newest noise's first."""


def plms(denoise: Denoise, x: Tensor, sigmas: Sequence[float]) -> Tensor:
    """Sample with one call of the model for each step, and two for the first.

    Args:
        denoise: The denoiser.
        x: Noise times ``sqrt(1 + sigmas[0] ** 2)``, ``(n, c, h, w)``.
        sigmas: Falling levels above 0.

    Returns:
        The latent at the last level.
    """
    past: deque[Tensor] = deque(maxlen=max(WEIGHTS))
    for sigma, target in pairwise(sigmas):
        noise = _noise(denoise, x, sigma)
        past.appendleft(noise)
        if len(past) == 1:
            ahead = _noise(denoise, x + noise * (target - sigma), target)
            mixed = (noise + ahead) / 2
        else:
            mixed = sum((one * weight for one, weight in zip(past, WEIGHTS[len(past)], strict=True)), noise * 0)
        x = x + mixed * (target - sigma)
    return x


def _noise(denoise: Denoise, x: Tensor, sigma: float) -> Tensor:
    return (x - denoise(x, sigma)) / sigma
