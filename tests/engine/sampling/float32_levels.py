"""The WebUI's noise levels once more, one rounding after another in float32, to compare ours with bit for bit.

Written from k-diffusion's formulas (``DiscreteSchedule``, ``get_sigmas_*``; MIT) and the WebUI's description of its
schedules, mostly element by element where ours work on whole rows. Checked against k-diffusion 0.1.1
itself for 1 to 150 steps.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from scipy import stats
from torch import Tensor


def trained(count: int = 1000) -> Tensor:
    """The trained levels; with a count of 50 those of LCM."""
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    kept = torch.from_numpy(np.cumprod(1.0 - betas.numpy())).float()
    kept = torch.stack([kept[999 - number * (1000 // count)] for number in range(count)][::-1])
    return torch.sqrt((1 - kept) / kept)


def time_of(sigma: Tensor, sigmas: Tensor) -> Tensor:
    """By the distances to all levels, as k-diffusion finds the two around a level."""
    logs = torch.log(sigmas)
    distances = torch.log(sigma) - logs
    below = distances.ge(0).cumsum(0).argmax().clamp(max=len(logs) - 2)
    share = ((logs[below] - torch.log(sigma)) / (logs[below] - logs[below + 1])).clamp(0, 1)
    return (1 - share) * below + share * (below + 1)


def sigma_of(time: Tensor, sigmas: Tensor) -> Tensor:
    logs, below, above, share = torch.log(sigmas), int(time.floor()), int(time.ceil()), time.frac()
    return torch.exp((1 - share) * logs[below] + share * logs[above])


def in_time(sigmas: Tensor, steps: int, *, without_last: bool = False) -> list[float]:
    first, last = time_of(sigmas[-1], sigmas), time_of(sigmas[0], sigmas)
    times = torch.linspace(float(first), float(last), steps + without_last)
    return [float(sigma_of(time, sigmas)) for time in (times[:-1] if without_last else times)] + [0.0]


def karras(sigmas: Tensor, steps: int) -> list[float]:
    low, high = sigmas[0].item() ** (1 / 7), sigmas[-1].item() ** (1 / 7)
    roots = high + torch.linspace(0, 1, steps) * (low - high)
    return [*(roots**7.0).tolist(), 0.0]  # a row at once: torch rounds the powers of a row in its own way


def exponential(sigmas: Tensor, steps: int) -> list[float]:
    low, high = math.log(sigmas[0].item()), math.log(sigmas[-1].item())
    return [float(log.exp()) for log in torch.linspace(high, low, steps)] + [0.0]


def polyexponential(sigmas: Tensor, steps: int) -> list[float]:
    low, high = math.log(sigmas[0].item()), math.log(sigmas[-1].item())
    return [float(torch.exp(share**1.0 * (high - low) + low)) for share in torch.linspace(1, 0, steps)] + [0.0]


def kl_optimal(sigmas: Tensor, steps: int) -> list[float]:
    low, high = torch.arctan(sigmas[0]), torch.arctan(sigmas[-1])
    shares = [torch.tensor(number) / steps for number in range(steps + 1)]
    return [float(torch.tan(share * low + (1.0 - share) * high)) for share in shares]


def simple(sigmas: Tensor, steps: int) -> list[float]:
    return [float(sigmas[-(1 + int(step * (len(sigmas) / steps)))]) for step in range(steps)] + [0.0]


def ddim(sigmas: Tensor, steps: int) -> list[float]:
    found, number = list[float](), 1
    while number < len(sigmas):
        found.insert(0, float(sigmas[number]))
        number += max(len(sigmas) // steps, 1)
    return [*found, 0.0]


def beta(sigmas: Tensor, steps: int) -> list[float]:
    low, high = sigmas[0].item(), sigmas[-1].item()
    shares = [float(stats.beta.ppf(share, 0.6, 0.6)) for share in 1 - np.linspace(0, 1, steps)]
    return [float(np.float32(low + share * (high - low))) for share in shares] + [0.0]


def align_your_steps(sigmas: Tensor, steps: int) -> list[float]:
    table = [14.615, 6.475, 3.861, 2.697, 1.886, 1.396, 0.963, 0.652, 0.399, 0.152, 0.029]
    if steps != len(table):
        places = np.linspace(0, 1, len(table))
        logs = np.interp(np.linspace(0, 1, steps), places, np.log(table[::-1]))
        table = [float(level) for level in np.exp(logs)[::-1]]
    return [float(np.float32(level)) for level in table] + [0.0]


BY_SCHEDULE: dict[str, Callable[[Tensor, int], list[float]]] = {
    "Uniform": in_time,
    "Karras": karras,
    "Exponential": exponential,
    "Polyexponential": polyexponential,
    "SGM Uniform": lambda sigmas, steps: in_time(sigmas, steps, without_last=True),
    "KL Optimal": kl_optimal,
    "Align Your Steps": align_your_steps,
    "Simple": simple,
    "Normal": in_time,
    "DDIM": ddim,
    "Beta": beta,
}
