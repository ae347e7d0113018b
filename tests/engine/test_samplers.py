from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from engine.samplers import dpmpp_2m, euler_ancestral
from engine.sigmas import sd1_levels, sigmas_for

SHAPE = (2, 4, 6, 6)
SPREAD = 0.7


def unit_noise(seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    """The same numbers in either dtype (torch draws others for float64)."""
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed)).to(dtype)


def gaussian(x: Tensor, sigma: float) -> Tensor:
    """The exact denoiser of pictures that are normal with standard deviation SPREAD."""
    return x * SPREAD**2 / (SPREAD**2 + sigma**2)


def wavy(x: Tensor, sigma: float) -> Tensor:
    """A non-linear denoiser without meaning."""
    return torch.tanh(x / math.sqrt(1 + sigma**2)) + 0.1 * math.cos(sigma) * torch.sin(3 * x)


@contextmanager
def quiet() -> Iterator[None]:
    """Diffusers' schedulers warn of their own use of numpy 2."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
        yield


def relative(found: Tensor, expected: Tensor) -> float:
    return float((found.double() - expected.double()).norm() / expected.double().norm())


# --------------------------------------------------------------------------------------------------- DPM++ 2M


def published_2m(x: Tensor, sigmas: tuple[float, ...]) -> Tensor:
    """Algorithm 2 of arXiv 2211.01095 as printed: variance-preserving alpha, sigma and lambda = log(alpha / sigma)."""
    alpha = [1 / math.sqrt(1 + s * s) for s in sigmas]
    sigma = [s * a for s, a in zip(sigmas, alpha, strict=True)]
    lam = [math.log(a / s) if s else math.inf for a, s in zip(alpha, sigma, strict=True)]
    x = alpha[0] * x
    before = wavy(x / alpha[0], sigmas[0])
    clean = before
    for i in range(1, len(sigmas)):
        if sigma[i] == 0:
            return clean  # order 1 with h = infinity: alpha = 1, exp(-h) = 0
        h = lam[i] - lam[i - 1]
        guess = clean
        if i > 1:
            r = (lam[i - 1] - lam[i - 2]) / h
            guess = (1 + 1 / (2 * r)) * clean - 1 / (2 * r) * before
        x = sigma[i] / sigma[i - 1] * x - alpha[i] * (math.exp(-h) - 1) * guess
        before, clean = clean, wavy(x / alpha[i], sigmas[i])
    return x / alpha[-1]


@pytest.mark.parametrize("steps", [1, 2, 3, 10, 28])
def test_2m_is_the_published_algorithm(steps: int):
    sigmas = sigmas_for("DPM++ 2M Karras", steps)
    start = unit_noise() * sigmas[0]
    assert relative(dpmpp_2m(wavy, start, sigmas), published_2m(start, sigmas)) < 1e-10
    if steps > 1:  # and before the last step, where the latent is still noisy
        assert relative(dpmpp_2m(wavy, start, sigmas[:-1]), published_2m(start, sigmas[:-1])) < 1e-10


def test_2m_of_one_point_follows_the_closed_path():
    """Where the denoiser is constant the equation is linear: x(s) = c + (s / s0) (x0 - c), at any step size."""
    sigmas, point = sigmas_for("DPM++ 2M Karras", 6), unit_noise(5)
    start = unit_noise() * sigmas[0]
    found = dpmpp_2m(lambda x, sigma: point, start, sigmas[:-1])
    assert relative(found, point + sigmas[-2] / sigmas[0] * (start - point)) < 1e-10


def test_2m_nears_the_exact_solution_with_the_square_of_the_step():
    """For normal pictures the probability flow is x(s) = x0 sqrt((c^2 + s^2) / (c^2 + s0^2))."""

    def error(steps: int) -> float:
        sigmas = sigmas_for("DPM++ 2M Karras", steps)[:-1]
        start = unit_noise() * sigmas[0]
        exact = start * math.sqrt((SPREAD**2 + sigmas[-1] ** 2) / (SPREAD**2 + sigmas[0] ** 2))
        return relative(dpmpp_2m(gaussian, start, sigmas), exact)

    assert error(80) < 2e-3
    assert math.log2(error(80) / error(160)) == pytest.approx(2, abs=0.15)


def test_2m_agrees_with_diffusers_up_to_its_rounded_times():
    from diffusers import DPMSolverMultistepScheduler

    steps, levels = 20, sd1_levels()
    with quiet():
        theirs = DPMSolverMultistepScheduler(
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="scaled_linear",
            use_karras_sigmas=True,
            final_sigmas_type="zero",
        )
        theirs.set_timesteps(steps)
    x = unit_noise(dtype=torch.float32)
    for time in theirs.timesteps:
        sigma = math.exp(levels.log_sigmas[int(time)])
        seen = x * math.sqrt(1 + sigma**2)
        x = theirs.step((seen - wavy(seen, sigma)) / sigma, time, x, return_dict=False)[0]
    sigmas = sigmas_for("DPM++ 2M Karras", steps)
    ours = dpmpp_2m(wavy, unit_noise() * sigmas[0], sigmas)
    assert relative(x, ours) < 5e-3


# ----------------------------------------------------------------------------------------------------- Euler a


def noises(seed: int = 9) -> Callable[[], Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return lambda: torch.randn(SHAPE, generator=generator, dtype=torch.float64)


def published_euler_a(x: Tensor, sigmas: tuple[float, ...], noise: Callable[[], Tensor]) -> Tensor:
    """The ancestral Euler step as usually written: split the target level, Euler to the lower, add the upper."""
    for sigma, target in pairwise(sigmas):
        up = min(target, (target**2 * (sigma**2 - target**2) / sigma**2) ** 0.5)
        down = (target**2 - up**2) ** 0.5
        slope = (x - wavy(x, sigma)) / sigma
        x = x + slope * (down - sigma)
        if target > 0:
            x = x + noise() * up
    return x


@pytest.mark.parametrize("steps", [1, 2, 10, 28])
def test_euler_a_is_the_published_step(steps: int):
    sigmas = sigmas_for("Euler a", steps)
    start = unit_noise() * sigmas[0]
    found = euler_ancestral(wavy, start, sigmas, noises())
    assert relative(found, published_euler_a(start, sigmas, noises())) < 1e-10


def test_euler_a_of_one_point_has_the_closed_mean_and_spread():
    """With a constant denoiser a step is x -> c + (t^2 / s^2) (x - c) + up * noise: deviations shrink as t^2 / s^2."""
    sigmas, point = sigmas_for("Euler a", 12)[:-1], unit_noise(5)
    start = unit_noise() * sigmas[0]
    found = euler_ancestral(lambda x, sigma: point, start, sigmas, lambda: torch.zeros(SHAPE, dtype=torch.float64))
    assert relative(found, point + (sigmas[-1] / sigmas[0]) ** 2 * (start - point)) < 1e-10


def test_euler_a_agrees_with_diffusers_on_the_same_noise():
    from diffusers import EulerAncestralDiscreteScheduler

    steps, levels = 20, sd1_levels()
    with quiet():
        theirs = EulerAncestralDiscreteScheduler(
            beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", timestep_spacing="linspace"
        )
        theirs.set_timesteps(steps)
    x = unit_noise(dtype=torch.float32) * theirs.init_noise_sigma
    generator = torch.Generator().manual_seed(9)
    for number, time in enumerate(theirs.timesteps):
        theirs.scale_model_input(x, time)
        sigma = float(theirs.sigmas[number])
        x = theirs.step((x - wavy(x, sigma)) / sigma, time, x, generator=generator, return_dict=False)[0]
    sigmas = sigmas_for("Euler a", steps)
    generator = torch.Generator().manual_seed(9)
    ours = euler_ancestral(
        wavy, unit_noise(dtype=torch.float32) * sigmas[0], sigmas, lambda: torch.randn(SHAPE, generator=generator)
    )
    assert levels.time_of(sigmas[1]) == pytest.approx(float(theirs.timesteps[1]), abs=1e-2)
    assert relative(x, ours) < 1e-4


# -------------------------------------------------------------------------------------------------------- both


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_dtypes_are_kept(dtype: torch.dtype):
    start = unit_noise(dtype=dtype)
    assert dpmpp_2m(wavy, start, (10.0, 3.0, 1.0, 0.0)).dtype == dtype
    assert euler_ancestral(wavy, start, (10.0, 3.0, 0.0), lambda: unit_noise(1, dtype)).dtype == dtype


def test_the_start_is_left_alone():
    start = unit_noise()
    before = start.clone()
    dpmpp_2m(wavy, start, (10.0, 3.0, 1.0, 0.0))
    euler_ancestral(wavy, start, (10.0, 3.0, 0.0), unit_noise)
    assert torch.equal(start, before)


def test_float32_stays_close_to_float64():
    sigmas = sigmas_for("DPM++ 2M Karras", 20)
    exact = dpmpp_2m(wavy, unit_noise() * sigmas[0], sigmas)
    assert relative(dpmpp_2m(wavy, unit_noise().float() * sigmas[0], sigmas), exact) < 1e-4
