"""Walks in float32 to compare ours with: k-diffusion's own, which are stored, and the WebUI's, written here.

``tests/golden/trajectories.safetensors`` holds the first channel of final latents that k-diffusion 0.1.1 (MIT) left, by
"sampler/schedule": 20 steps from `NOISED`'s noise, with `toy` as denoiser and SD1's float32 levels. What only the WebUI
has is computed here, in float32 and in its variables.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from engine.rendering.noise import NoiseSource
from engine.sampling.sample import sample
from engine.sampling.schedules import sigmas_for
from engine.sampling.sigmas import sd1_levels
from engine.shots.samplers import SAMPLERS, SCHEDULES
from engine.shots.shot import Shot
from tests.engine.sampling.float32_levels import trained
from tests.engine.sampling.plain_samplers import unipc

KEPT = Path(__file__).parents[2] / "golden" / "trajectories.safetensors"
STEPS = 20
NOISED = Shot(prompt="x", seed=7, width=64, height=64, steps=STEPS)
CPU = torch.device("cpu")
LIMITS: dict[str, tuple[float, float]] = {
    "DPM++ 2M": (1.3e-07, 1e-06),
    "DPM++ SDE": (3.8e-07, 3e-06),
    "DPM++ 2M SDE": (4.4e-07, 3e-06),
    "DPM++ 2M SDE Heun": (5.0e-07, 1e-05),
    "DPM++ 2S a": (1.8e-07, 3e-06),
    "DPM++ 3M SDE": (6.1e-07, 1e-05),
    "Euler a": (1.9e-07, 3e-06),
    "Euler": (8.4e-08, 1e-06),
    "LMS": (6.4e-07, 1e-05),
    "Heun": (5.6e-08, 1e-06),
    "DPM2": (8.8e-08, 1e-06),
    "DPM2 a": (2.8e-07, 3e-06),
    "DPM fast": (4.9e-07, 3e-06),
    "DPM adaptive": (1.1e-06, 1e-05),
    "Restart": (3.7e-07, 3e-06),
    "DDIM": (9.4e-08, 1e-06),
    "DDIM CFG++": (1.1e-07, 1e-06),
    "PLMS": (2.5e-07, 3e-06),
    "UniPC": (1.7e-06, 1e-05),
    "LCM": (0.0e00, 1e-06),
}
"""By sampler: the largest difference of all schedules that was measured, and the one that is allowed; relative."""


def toy(x: Tensor, sigma: float) -> Tensor:
    """A non-linear denoiser without meaning."""
    return torch.tanh(x / math.sqrt(1 + sigma**2)) + 0.1 * math.cos(sigma) * torch.sin(3 * x)


def toys(x: Tensor, sigma: float) -> Tensor:
    """Two of it, for DDIM CFG++."""
    return torch.stack((toy(x, sigma), toy(0.9 * x, sigma)))


def schedules_of(sampler: str) -> tuple[str, ...]:
    """Those that change anything, with "Automatic" for samplers with levels of their own."""
    return SCHEDULES[1:] if SAMPLERS[sampler].automatic and not sampler.startswith("DPM ") else SCHEDULES[:1]


def ours(sampler: str, schedule: str) -> Tensor:
    shot = Shot(prompt="x", seed=7, width=64, height=64, steps=STEPS, sampler=sampler, schedule=schedule)
    sigmas = sigmas_for(sampler, schedule, STEPS, sd1_levels())
    source = NoiseSource([shot], CPU)
    unit = source.first()
    denoise = toys if sampler == "DDIM CFG++" else toy
    eta, factor = shot.noise_share, shot.noise_factor
    return sample(sampler, denoise, unit, sigmas, source.after(sigmas), eta=eta, s_noise=factor)


def theirs(sampler: str, schedule: str) -> Tensor:
    """The first channel of the final latent, ``(8, 8)``."""
    if sampler in _WEBUI:
        return _WEBUI[sampler](sampler, schedule)[0, 0]
    return load_file(KEPT)[f"{sampler}/{'Uniform' if schedule == SCHEDULES[0] else schedule}"]


def difference(sampler: str, schedule: str) -> float:
    """Between ours and theirs, relative, over the first channel."""
    expected = theirs(sampler, schedule).double()
    return float((ours(sampler, schedule)[0, 0].double() - expected).norm() / expected.norm())


# ------------------------------------------------------------------------------------------------------ the WebUI's


def _draws() -> Callable[[], Tensor]:
    generator = torch.Generator().manual_seed(NOISED.seed)
    return lambda: torch.randn((1, 4, 8, 8), generator=generator)


def _slope(x: Tensor, sigma: Tensor) -> Tensor:
    return (x - toy(x, sigma.item())) / sigma


def _heun(x: Tensor, sigma: Tensor, target: Tensor) -> Tensor:
    slope = _slope(x, sigma)
    ahead = x + slope * (target - sigma)
    return ahead if target == 0 else x + (slope + _slope(ahead, target)) / 2 * (target - sigma)


def _karras(steps: int, low: float, high: float) -> Tensor:
    ramp = torch.linspace(0, 1, steps)
    return torch.cat(((high ** (1 / 7) + ramp * (low ** (1 / 7) - high ** (1 / 7))) ** 7.0, torch.zeros(1)))


def _restart(sampler: str, schedule: str) -> Tensor:
    """20 steps are 11 down and 9 more between the levels nearest to 2 and 0.1."""
    draw, start = _draws(), torch.tensor(sigmas_for(sampler, schedule, STEPS, sd1_levels()))
    x = draw() * start[0]
    steps = len(start) - 1
    levels = _karras(steps - 9, start[-2].item(), start[0].item())
    top, bottom = int((levels - 2).abs().argmin()), int((levels - 0.1).abs().argmin())
    for number in range(bottom):
        x = _heun(x, levels[number], levels[number + 1])
    again = _karras(10, levels[bottom].item(), levels[top].item())[:-1]
    x = x + draw() * (again[0] ** 2 - levels[bottom] ** 2) ** 0.5
    for number in range(9):
        x = _heun(x, again[number], again[number + 1])
    for number in range(bottom, steps - 9):
        x = _heun(x, levels[number], levels[number + 1])
    return x


def _lcm(sampler: str, schedule: str) -> Tensor:
    draw, sigmas = _draws(), torch.tensor(sigmas_for(sampler, schedule, STEPS, sd1_levels()))
    x = draw() * sigmas[0]
    for sigma, target in pairwise(sigmas):
        x = toy(x, sigma.item())
        if target > 0:
            x = x + target * draw()
    return x


def _in_time(sampler: str, schedule: str) -> Tensor:
    """DDIM, DDIM CFG++ and PLMS with the trained products of ``1 - beta``, all float32."""
    times = [min(time + 1, 999) for time in range(0, 1000, 1000 // STEPS)]
    kept = 1 / (trained().double() ** 2 + 1)
    kept, past, x = kept.float()[times], list[Tensor](), _draws()()

    def noise(x: Tensor, number: int) -> tuple[Tensor, Tensor]:
        sigma = ((1 - kept[number]) / kept[number]).sqrt()
        scaled = x / kept[number].sqrt()
        clean = toys(scaled, sigma.item()) if sampler == "DDIM CFG++" else toy(scaled, sigma.item()).expand(2, *x.shape)
        guided, without = (scaled - clean) / sigma
        return guided, without

    def moved(x: Tensor, guided: Tensor, along: Tensor, number: int) -> Tensor:
        a, before = kept[number], kept[number - 1]
        return before.sqrt() * ((x - (1 - a).sqrt() * guided) / a.sqrt()) + (1 - before).sqrt() * along

    for number in range(len(times) - 1, 0, -1):
        guided, along = noise(x, number)
        if sampler == "PLMS":
            past.insert(0, guided)
            if len(past) == 1:
                along = (guided + noise(moved(x, guided, guided, number), number - 1)[0]) / 2
            else:
                weights = {2: (3, -1), 3: (23, -16, 5), 4: (55, -59, 37, -9)}[len(past[:4])]
                along = sum((w * e for w, e in zip(weights, past, strict=False)), 0 * guided) / sum(weights)
            guided = along
        x = moved(x, guided, along, number)
    return x


def _unipc(sampler: str, schedule: str) -> Tensor:
    logs = 0.5 * torch.log(1 / (trained() ** 2 + 1))
    times = torch.linspace(999, 0, STEPS + 1)
    below, share = times.floor().long().clamp(max=998), times - times.floor().clamp(max=998)
    log = logs[below] + share * (logs[below + 1] - logs[below])
    sigmas = torch.sqrt(1 - torch.exp(2 * log)) / torch.exp(log)
    return unipc(toy, _draws()(), sigmas.tolist())


_WEBUI: dict[str, Callable[[str, str], Tensor]] = {
    "Restart": _restart,
    "DDIM": _in_time,
    "DDIM CFG++": _in_time,
    "PLMS": _in_time,
    "UniPC": _unipc,
    "LCM": _lcm,
}
