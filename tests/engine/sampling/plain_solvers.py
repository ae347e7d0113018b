"""Restart, LCM, PLMS, DDIM CFG++, DPM fast and adaptive, written plainly from the papers: see ``plain_samplers``."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor

Model = Callable[[Tensor, float], Tensor]
Draw = Callable[[], Tensor]


def derivative(model: Model, x: Tensor, s: float) -> Tensor:
    return (x - model(x, s)) / s


# ------------------------------------------------------------------------------------------------- DPM-Solver


def solver_step(model: Model, x: Tensor, t: float, t_next: float, order: int, r1: float, r2: float) -> Tensor:
    """DPM-Solver-1, -2 and -3 (arXiv 2206.00927, algorithms 1, 4, 5) with ``t = -log(sigma)`` and alpha 1."""

    def sigma(t: float) -> float:
        return math.exp(-t)

    h = t_next - t
    eps = derivative(model, x, sigma(t))
    if order == 1:
        return x - sigma(t_next) * (math.exp(h) - 1) * eps
    s1 = t + r1 * h
    u1 = x - sigma(s1) * (math.exp(r1 * h) - 1) * eps
    d1 = derivative(model, u1, sigma(s1)) - eps
    if order == 2:
        return x - sigma(t_next) * (math.exp(h) - 1) * eps - sigma(t_next) / (2 * r1) * (math.exp(h) - 1) * d1
    s2 = t + r2 * h
    u2 = x - sigma(s2) * (math.exp(r2 * h) - 1) * eps
    u2 = u2 - sigma(s2) * r2 / r1 * ((math.exp(r2 * h) - 1) / (r2 * h) - 1) * d1
    d2 = derivative(model, u2, sigma(s2)) - eps
    return x - sigma(t_next) * (math.exp(h) - 1) * eps - sigma(t_next) / r2 * ((math.exp(h) - 1) / h - 1) * d2


def shortened(t: float, t_next: float, end: float, eta: float) -> tuple[float, float]:
    """How far down a step leads before noise, as ``-log(sigma)``, and how much noise leads up to its end."""
    s, target = math.exp(-t), math.exp(-t_next)
    up = min(target, eta * (target**2 * (s**2 - target**2) / s**2) ** 0.5)
    down = min(end, -math.log((target**2 - up**2) ** 0.5))
    return down, max(0.0, target**2 - math.exp(-down) ** 2) ** 0.5


def dpm_fast(model: Model, x: Tensor, s: Sequence[float], draw: Draw, eta: float, factor: float) -> Tensor:
    calls = len(s) - 1
    count = calls // 3 + 1
    orders = [3] * (count - 2) + [2, 1] if calls % 3 == 0 else [3] * (count - 1) + [calls % 3]
    t0, t1 = -math.log(s[0]), -math.log(s[-1])
    ts = [t0 + (t1 - t0) * i / count for i in range(count)] + [t1]
    for order, t, t_next in zip(orders, ts, ts[1:], strict=False):
        down, up = shortened(t, t_next, t1, eta)
        share = 1 / 3 if order == 3 else 1 / 2
        x = solver_step(model, x, t, down, order, share, 2 / 3) + up * factor * draw()
    return x


def dpm_adaptive(model: Model, x: Tensor, s: Sequence[float], draw: Draw, eta: float, factor: float) -> Tensor:
    """DPM-Solver-23 with k-diffusion's control of step sizes, of which only the integral part is not zero."""
    t, end, h, before = -math.log(s[0]), -math.log(s[-1]), 0.05, x
    while t < end - 1e-5:
        t_next = min(end, t + h)
        down, up = shortened(t, t_next, end, eta)
        low = solver_step(model, x, t, down, 2, 1 / 3, 0)
        high = solver_step(model, x, t, down, 3, 1 / 3, 2 / 3)
        allowed = torch.maximum(torch.full_like(low, 0.0078), 0.05 * torch.maximum(low.abs(), before.abs()))
        error = float(torch.linalg.norm((low - high) / allowed)) / x.numel() ** 0.5
        change = 1 + math.atan((1 / (error + 1e-8)) ** (1 / (1.5 if eta else 3)) - 1)
        h *= change
        if change >= 0.81:
            before, t = low, t_next
            x = high + up * factor * draw()
    return x


# ------------------------------------------------------------------------------------------------ the WebUI's


def karras_levels(steps: int, low: float, high: float) -> list[float]:
    def root(v: float) -> float:
        return v ** (1 / 7)

    ramp = [i / (steps - 1) for i in range(steps)] if steps > 1 else [0.0]
    return [(root(high) + share * (root(low) - root(high))) ** 7 for share in ramp] + [0.0]


def restart(model: Model, x: Tensor, s: Sequence[float], draw: Draw, eta: float, factor: float) -> Tensor:
    """arXiv 2306.14878, algorithm 1, with the WebUI's table of restarts."""
    steps, again = len(s) - 1, 0
    s, each = list(s), 0
    if steps >= 20:
        again, each = (1, 9) if steps < 36 else (2, steps // 4)
        s = karras_levels(steps - again * each, s[-2], s[0])
    near_low = min(range(len(s)), key=lambda i: abs(s[i] - 0.1))
    near_high = min(range(len(s)), key=lambda i: abs(s[i] - 2))

    def step(x: Tensor, here: float, there: float) -> Tensor:
        d = derivative(model, x, here)
        ahead = x + d * (there - here)
        return ahead if there == 0 else x + (d + derivative(model, ahead, there)) / 2 * (there - here)

    for i in range(len(s) - 1):
        x = step(x, s[i], s[i + 1])
        if again and i + 1 == near_low and near_high < near_low:
            inner = karras_levels(each + 1, s[near_low], s[near_high])[:-1]
            for _ in range(again):
                x = x + draw() * factor * (inner[0] ** 2 - s[i + 1] ** 2) ** 0.5
                for here, there in pairwise(inner):
                    x = step(x, here, there)
    return x


def lcm(model: Model, x: Tensor, s: Sequence[float], draw: Draw, eta: float, factor: float) -> Tensor:
    for i in range(len(s) - 1):
        x = model(x, s[i])
        if s[i + 1] > 0:
            x = x + s[i + 1] * factor * draw()
    return x


def ddim_cfgpp(model: Model, unit: Tensor, s: Sequence[float], draw: Draw, eta: float, factor: float) -> Tensor:
    """arXiv 2406.08070, algorithm 2: the picture of the guided noise, along that of the negative; variance kept."""
    x, kept = unit, [1 / (1 + v * v) for v in s]
    for i in range(len(s) - 1):
        a, a_prev = kept[i], kept[i + 1]
        guided, without = model(x / math.sqrt(a), s[i])
        eps, eps_without = ((x / math.sqrt(a) - clean) / s[i] for clean in (guided, without))
        spread = eta * math.sqrt((1 - a_prev) / (1 - a)) * math.sqrt(1 - a / a_prev)
        x0 = (x - math.sqrt(1 - a) * eps) / math.sqrt(a)
        x = math.sqrt(a_prev) * x0 + math.sqrt(1 - a_prev - spread**2) * eps_without + spread * draw()
    return x


def plms(model: Model, unit: Tensor, s: Sequence[float]) -> Tensor:
    """arXiv 2202.09778, equations 9 to 12, with DDIM's transfer; variance kept."""
    x, kept, past = unit, [1 / (1 + v * v) for v in s], list[Tensor]()

    def noise(x: Tensor, i: int) -> Tensor:
        return derivative(model, x / math.sqrt(kept[i]), s[i])

    def transfer(x: Tensor, eps: Tensor, i: int) -> Tensor:
        x0 = (x - math.sqrt(1 - kept[i]) * eps) / math.sqrt(kept[i])
        return math.sqrt(kept[i + 1]) * x0 + math.sqrt(1 - kept[i + 1]) * eps

    for i in range(len(s) - 1):
        e = [noise(x, i), *past[:3]]
        if i == 0:
            mixed = (e[0] + noise(transfer(x, e[0], i), i + 1)) / 2
        elif i == 1:
            mixed = (3 * e[0] - e[1]) / 2
        elif i == 2:
            mixed = (23 * e[0] - 16 * e[1] + 5 * e[2]) / 12
        else:
            mixed = (55 * e[0] - 59 * e[1] + 37 * e[2] - 9 * e[3]) / 24
        x, past = transfer(x, mixed, i), e
    return x
