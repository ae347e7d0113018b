"""Every sampler once more, written plainly from the papers, one loop each, to compare `engine.sampling.sample` with.

Written in the variables of the sources: ``t = -log(sigma)`` for the DPM-Solver++ family, variance-preserving alpha and
sigma for 2M, DDIM and UniPC, derivatives in sigma for the others. All float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from scipy.integrate import quad
from torch import Tensor

from tests.engine.sampling import plain_solvers

Model = Callable[[Tensor, float], Tensor]
Draw = Callable[[], Tensor]


def derivative(model: Model, x: Tensor, s: float) -> Tensor:
    return (x - model(x, s)) / s


def euler(model: Model, x: Tensor, s: Sequence[float]) -> Tensor:
    for i in range(len(s) - 1):
        x = x + (s[i + 1] - s[i]) * derivative(model, x, s[i])
    return x


def heun(model: Model, x: Tensor, s: Sequence[float]) -> Tensor:
    for i in range(len(s) - 1):
        d, dt = derivative(model, x, s[i]), s[i + 1] - s[i]
        ahead = x + d * dt
        x = ahead if s[i + 1] == 0 else x + dt * (0.5 * d + 0.5 * derivative(model, ahead, s[i + 1]))
    return x


def dpm2(model: Model, x: Tensor, s: Sequence[float]) -> Tensor:
    for i in range(len(s) - 1):
        d = derivative(model, x, s[i])
        if s[i + 1] == 0:
            x = x + d * (s[i + 1] - s[i])
        else:
            mid = math.exp(0.5 * (math.log(s[i]) + math.log(s[i + 1])))
            x = x + derivative(model, x + d * (mid - s[i]), mid) * (s[i + 1] - s[i])
    return x


def lms(model: Model, x: Tensor, s: Sequence[float]) -> Tensor:
    ds: list[Tensor] = []
    for i in range(len(s) - 1):
        ds.append(derivative(model, x, s[i]))
        order = min(i + 1, 4)
        for j in range(order):

            def basis(tau: float, i: int = i, j: int = j, order: int = order) -> float:
                product = 1.0
                for k in range(order):
                    if k != j:
                        product *= (tau - s[i - k]) / (s[i - j] - s[i - k])
                return product

            x = x + quad(basis, s[i], s[i + 1])[0] * ds[i - j]
    return x


def vp(s: Sequence[float]) -> tuple[list[float], list[float], list[float]]:
    alpha = [1 / math.sqrt(1 + v * v) for v in s]
    sigma = [v * a for v, a in zip(s, alpha, strict=True)]
    return alpha, sigma, [math.log(a / v) if v else math.inf for a, v in zip(alpha, sigma, strict=True)]


def dpmpp_2m(model: Model, x: Tensor, s: Sequence[float]) -> Tensor:
    """Algorithm 2 of arXiv 2211.01095 as printed, variance-preserving."""
    alpha, sigma, lam = vp(s)
    x = alpha[0] * x
    before = clean = model(x / alpha[0], s[0])
    for i in range(1, len(s)):
        if sigma[i] == 0:
            return clean  # order 1 with h = infinity: alpha = 1, exp(-h) = 0
        h = lam[i] - lam[i - 1]
        guess = clean
        if i > 1:
            r = (lam[i - 1] - lam[i - 2]) / h
            guess = (1 + 1 / (2 * r)) * clean - 1 / (2 * r) * before
        x = sigma[i] / sigma[i - 1] * x - alpha[i] * (math.exp(-h) - 1) * guess
        if i < len(s) - 1:
            before, clean = clean, model(x / alpha[i], s[i])
    return x / alpha[-1]


def ancestral(s: float, t: float, eta: float) -> tuple[float, float]:
    up = min(t, eta * (t**2 * (s**2 - t**2) / s**2) ** 0.5)
    return (t**2 - up**2) ** 0.5, up


def euler_a(model: Model, x: Tensor, s: Sequence[float], draw: Draw, eta: float, factor: float) -> Tensor:
    for i in range(len(s) - 1):
        down, up = ancestral(s[i], s[i + 1], eta)
        x = x + derivative(model, x, s[i]) * (down - s[i])
        if s[i + 1] > 0:
            x = x + draw() * up * factor
    return x


def dpm2_a(model: Model, x: Tensor, s: Sequence[float], draw: Draw, eta: float, factor: float) -> Tensor:
    for i in range(len(s) - 1):
        down, up = ancestral(s[i], s[i + 1], eta)
        d = derivative(model, x, s[i])
        if s[i + 1] == 0:
            x = x + d * (0 - s[i])
        else:
            mid = math.exp(0.5 * math.log(s[i]) + 0.5 * math.log(down))
            x = x + derivative(model, x + d * (mid - s[i]), mid) * (down - s[i])
            x = x + draw() * up * factor
    return x


def dpmpp_2s_a(model: Model, x: Tensor, s: Sequence[float], draw: Draw, eta: float, factor: float) -> Tensor:
    for i in range(len(s) - 1):
        clean = model(x, s[i])
        down, up = ancestral(s[i], s[i + 1], eta)
        if s[i + 1] == 0:
            return clean
        t, t_next = -math.log(s[i]), -math.log(down)
        h = t_next - t
        mid = math.exp(-(t + h / 2))
        x2 = mid / s[i] * x - (math.exp(-h / 2) - 1) * clean
        x = down / s[i] * x - (math.exp(-h) - 1) * model(x2, mid)
        x = x + draw() * up * factor
    return x


def dpmpp_sde(model: Model, x: Tensor, s: Sequence[float], draw: Draw, eta: float, factor: float) -> Tensor:
    for i in range(len(s) - 1):
        clean = model(x, s[i])
        if s[i + 1] == 0:
            return clean
        t, t_next = -math.log(s[i]), -math.log(s[i + 1])
        mid = math.exp(-(t + (t_next - t) / 2))
        down, up = ancestral(s[i], mid, eta)
        x2 = down / s[i] * x - (math.exp(t + math.log(down)) - 1) * clean + draw() * factor * up
        clean2 = model(x2, mid)
        down, up = ancestral(s[i], s[i + 1], eta)
        x = down / s[i] * x - (math.exp(t + math.log(down)) - 1) * clean2 + draw() * factor * up
    return x


def _2m_sde(
    model: Model, x: Tensor, s: Sequence[float], draw: Draw, eta: float, factor: float, *, heun: bool
) -> Tensor:
    """SDE-DPM-Solver++(2M), arXiv 2211.01095 appendix, and the Heun variant with its exact second integral."""
    history: list[Tensor] = []
    for i in range(len(s) - 1):
        history.append(model(x, s[i]))
        if s[i + 1] == 0:
            return history[-1]
        h = math.log(s[i]) - math.log(s[i + 1])
        H = h + eta * h
        x = s[i + 1] / s[i] * math.exp(-eta * h) * x + (1 - math.exp(-H)) * history[i]
        if i > 0:
            slope = (history[i] - history[i - 1]) / ((math.log(s[i - 1]) - math.log(s[i])) / h)
            x = x + (((1 - math.exp(-H)) / -H + 1) if heun else 0.5 * (1 - math.exp(-H))) * slope
        if eta:
            x = x + draw() * s[i + 1] * math.sqrt(1 - math.exp(-2 * eta * h)) * factor
    return x


def dpmpp_2m_sde(*args: Any) -> Tensor:
    return _2m_sde(*args, heun=False)


def dpmpp_2m_sde_heun(*args: Any) -> Tensor:
    return _2m_sde(*args, heun=True)


def dpmpp_3m_sde(model: Model, x: Tensor, s: Sequence[float], draw: Draw, eta: float, factor: float) -> Tensor:
    """Newton's divided differences in t, integrated with the weights phi_2 and phi_3."""
    D: list[Tensor] = []
    t = [-math.log(v) if v else math.inf for v in s]
    for i in range(len(s) - 1):
        D.append(model(x, s[i]))
        if s[i + 1] == 0:
            return D[-1]
        h = t[i + 1] - t[i]
        H = h * (1 + eta)
        x = math.exp(-H) * x + (1 - math.exp(-H)) * D[i]
        phi_2 = (math.exp(-H) - 1) / H + 1
        phi_3 = phi_2 / H - 0.5
        if i == 1:
            x = x + phi_2 * (D[1] - D[0]) / ((t[1] - t[0]) / h)
        if i > 1:
            r0, r1 = (t[i] - t[i - 1]) / h, (t[i - 1] - t[i - 2]) / h
            d0, d1 = (D[i] - D[i - 1]) / r0, (D[i - 1] - D[i - 2]) / r1
            first, second = d0 + (d0 - d1) * r0 / (r0 + r1), (d0 - d1) / (r0 + r1)
            x = x + phi_2 * first - phi_3 * second
        if eta:
            x = x + draw() * s[i + 1] * math.sqrt(1 - math.exp(-2 * h * eta)) * factor
    return x


def ddim(model: Model, unit: Tensor, s: Sequence[float], draw: Draw, eta: float, factor: float) -> Tensor:
    """Equation 12 of arXiv 2010.02502 with the sigma of its equation 16; starts from unit noise, variance kept."""
    x = unit
    kept = [1 / (1 + v * v) for v in s]  # the paper's alpha
    for i in range(len(s) - 1):
        a, a_prev = kept[i], kept[i + 1]
        eps = (x / math.sqrt(a) - model(x / math.sqrt(a), s[i])) / s[i]
        spread = eta * math.sqrt((1 - a_prev) / (1 - a)) * math.sqrt(1 - a / a_prev)
        x0 = (x - math.sqrt(1 - a) * eps) / math.sqrt(a)
        x = math.sqrt(a_prev) * x0 + math.sqrt(1 - a_prev - spread**2) * eps + spread * draw()
    return x


def unipc(model: Model, unit: Tensor, s: Sequence[float]) -> Tensor:
    """Algorithms 5 and 6 of arXiv 2302.04867 with B(h) = h, variance-preserving, in matrices."""
    alpha, sigma, lam = vp(s)
    n = len(s) - 1
    x, m = unit, [model(unit / alpha[0], s[0])]
    for i in range(1, n + 1):
        order = min(3, i, n + 1 - i)
        h = lam[i] - lam[i - 1]
        r = [(lam[i - 1 - k] - lam[i - 1]) / h for k in range(1, order)]
        D = [(m[i - 1 - k] - m[i - 1]) / r[k - 1] for k in range(1, order)]

        def weights(nodes: list[float], h: float = h) -> Any:
            size = len(nodes)
            R = [[node**power for node in nodes] for power in range(size)]
            b = [math.factorial(k) * varphi(k + 1, -h) for k in range(1, size + 1)]
            return np.linalg.solve(R, b)

        base = sigma[i] / sigma[i - 1] * x - alpha[i] * (math.exp(-h) - 1) * m[i - 1]
        predicted = base.clone()
        if order > 1:
            for weight, difference in zip([0.5] if order == 2 else weights(r), D, strict=True):
                predicted += alpha[i] * h * weight * difference
        if i == n:
            return predicted
        m.append(model(predicted / alpha[i], s[i]))
        corrected = base.clone()
        for weight, difference in zip([0.5] if order == 1 else weights([*r, 1.0]), [*D, m[i] - m[i - 1]], strict=True):
            corrected += alpha[i] * h * weight * difference
        x = corrected
    raise AssertionError("no steps")


def varphi(k: int, z: float) -> float:
    """``phi_k(z)``, the integral of ``exp((1 - u) z) u ** (k - 1) / (k - 1)!`` over u from 0 to 1."""
    return quad(lambda u: math.exp((1 - u) * z) * u ** (k - 1) / math.factorial(k - 1), 0, 1, epsabs=1e-14)[0]


PLAIN: dict[str, Callable[..., Tensor]] = {
    "Euler": euler,
    "Heun": heun,
    "DPM2": dpm2,
    "LMS": lms,
    "DPM++ 2M": dpmpp_2m,
}
NOISY: dict[str, Callable[..., Tensor]] = {
    "Euler a": euler_a,
    "DPM2 a": dpm2_a,
    "DPM++ 2S a": dpmpp_2s_a,
    "DPM++ SDE": dpmpp_sde,
    "DPM++ 2M SDE": dpmpp_2m_sde,
    "DPM++ 2M SDE Heun": dpmpp_2m_sde_heun,
    "DPM++ 3M SDE": dpmpp_3m_sde,
    "DPM fast": plain_solvers.dpm_fast,
    "DPM adaptive": plain_solvers.dpm_adaptive,
    "Restart": plain_solvers.restart,
    "LCM": plain_solvers.lcm,
}


def plainly(
    sampler: str, model: Model, unit: Tensor, s: Sequence[float], draw: Draw, eta: float = 1.0, factor: float = 1.0
) -> Tensor:
    """The latent that a sampler leaves, from unit noise."""
    if sampler == "DDIM":
        return ddim(model, unit, s, draw, eta, factor)
    if sampler == "DDIM CFG++":
        return plain_solvers.ddim_cfgpp(model, unit, s, draw, eta, factor)
    if sampler == "PLMS":
        return plain_solvers.plms(model, unit, s)
    if sampler == "UniPC":
        return unipc(model, unit, s)
    if sampler in PLAIN:
        return PLAIN[sampler](model, unit * s[0], s)
    return NOISY[sampler](model, unit * s[0], s, draw, eta, factor)


def stream(shape: tuple[int, ...], seed: int = 9) -> Draw:
    generator = torch.Generator().manual_seed(seed)
    return lambda: torch.randn(shape, generator=generator, dtype=torch.float64)
