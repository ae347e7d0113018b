from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise, product

import numpy as np
import pytest
import torch
from torch import Tensor

from engine.sampling.sample import sample
from engine.sampling.schedules import karras, sigmas_for
from engine.sampling.sigmas import sd1_levels
from engine.sampling.stepping import Churn
from engine.shots.samplers import SAMPLERS, SCHEDULES, Fresh, unet_calls
from tests.engine.sampling.plain_samplers import PLAIN, plainly, stream

SHAPE = (2, 4, 6, 6)
SPREAD = 0.7
SCHEDULED = [name for name, facts in SAMPLERS.items() if facts.automatic]
OWN = [name for name, facts in SAMPLERS.items() if not facts.automatic]
ADDING = [name for name, facts in SAMPLERS.items() if facts.fresh is not Fresh.NONE]
WITH_ETA = [name for name, facts in SAMPLERS.items() if facts.eta is not None]
LEVELS = sd1_levels()


def unit_noise(seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    """The same numbers in either dtype (torch draws others for float64)."""
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed)).to(dtype)


def gaussian(x: Tensor, sigma: float) -> Tensor:
    """The exact denoiser of pictures that are normal with standard deviation SPREAD."""
    return x * SPREAD**2 / (SPREAD**2 + sigma**2)


def wavy(x: Tensor, sigma: float) -> Tensor:
    """A non-linear denoiser without meaning."""
    return torch.tanh(x / math.sqrt(1 + sigma**2)) + 0.1 * math.cos(sigma) * torch.sin(3 * x)


def wavy_for(sampler: str) -> Callable[[Tensor, float], Tensor]:
    """The same, and for DDIM CFG++ two of it."""
    if sampler == "DDIM CFG++":
        return lambda x, sigma: torch.stack((wavy(x, sigma), wavy(0.9 * x, sigma)))
    return wavy


def levels_of(sampler: str, steps: int, schedule: str = "Automatic") -> tuple[float, ...]:
    return sigmas_for(sampler, schedule, steps, LEVELS)


def noise_of(draw: Callable[[], Tensor]) -> Callable[[float, float], Tensor]:
    return lambda sigma, target: draw()


def relative(found: Tensor, expected: Tensor) -> float:
    return float((found.double() - expected.double()).norm() / expected.double().norm())


# -------------------------------------------------------------------------------------- against plain formulas


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 10, 28])
@pytest.mark.parametrize("schedule", ["Karras", "Uniform", "KL Optimal", "Align Your Steps", "DDIM"])
@pytest.mark.parametrize("sampler", SCHEDULED)
def test_a_walk_is_that_of_the_plain_formulas(sampler: str, schedule: str, steps: int):
    sigmas = levels_of(sampler, steps, schedule)
    found = sample(sampler, wavy, unit_noise(), sigmas, noise_of(stream(SHAPE)))
    limit = 1e-6 if sampler == "Restart" and steps >= 20 else 1e-10  # its levels between are float32
    assert relative(found, plainly(sampler, wavy, unit_noise(), sigmas, stream(SHAPE))) < limit


@pytest.mark.parametrize("steps", [36, 50])
def test_two_restarts_are_those_of_the_plain_formulas(steps: int):
    sigmas = levels_of("Restart", steps)
    found = sample("Restart", wavy, unit_noise(), sigmas, noise_of(stream(SHAPE)), s_noise=0.9)
    assert relative(found, plainly("Restart", wavy, unit_noise(), sigmas, stream(SHAPE), factor=0.9)) < 1e-6


@pytest.mark.parametrize("steps", [3, 4, 10, 20, 28])
@pytest.mark.parametrize("sampler", OWN)
def test_so_is_a_walk_on_own_levels(sampler: str, steps: int):
    sigmas, model = levels_of(sampler, steps), wavy_for(sampler)
    found = sample(sampler, model, unit_noise(), sigmas, noise_of(stream(SHAPE)), eta=0.0)
    assert relative(found, plainly(sampler, model, unit_noise(), sigmas, stream(SHAPE), eta=0.0)) < 1e-10


@pytest.mark.parametrize("eta", [0.0, 0.4])
@pytest.mark.parametrize("sampler", WITH_ETA)
def test_eta_and_the_factor_on_noise_are_those_of_the_formulas(sampler: str, eta: float):
    sigmas, factor, model = levels_of(sampler, 12), 0.9 if SAMPLERS[sampler].scales_noise else 1.0, wavy_for(sampler)
    found = sample(sampler, model, unit_noise(), sigmas, noise_of(stream(SHAPE)), eta=eta, s_noise=factor)
    expected = plainly(sampler, model, unit_noise(), sigmas, stream(SHAPE), eta, factor)
    assert relative(found, expected) < 1e-10
    assert relative(found, sample(sampler, model, unit_noise(), sigmas, noise_of(stream(SHAPE)), eta=1.0)) > 1e-3


def test_ancestral_samplers_without_eta_are_the_plain_ones():
    for ancestral, plain in (("Euler a", "Euler"), ("DPM2 a", "DPM2")):
        sigmas = levels_of(plain, 12, "Karras")
        found = sample(ancestral, wavy, unit_noise(), sigmas, noise_of(stream(SHAPE)), eta=0.0)
        expected = sample(plain, wavy, unit_noise(), sigmas, noise_of(stream(SHAPE)))
        assert relative(found, expected) < 1e-10


# ------------------------------------------------------------------------------------------- against the maths


def exact(start: Tensor, sigmas: tuple[float, ...]) -> Tensor:
    """For normal pictures the probability flow is x(s) = x0 sqrt((c^2 + s^2) / (c^2 + s0^2))."""
    return start * math.sqrt((SPREAD**2 + sigmas[-1] ** 2) / (SPREAD**2 + sigmas[0] ** 2))


def error(sampler: str, steps: int) -> float:
    """Of the latent at the lowest trained level, which no schedule's jump to 0 blurs; without fresh noise."""
    sigmas = karras(LEVELS, steps)[:-1]
    preserving = sampler in OWN
    found = sample(sampler, gaussian, unit_noise(), sigmas, noise_of(stream(SHAPE)), eta=0.0)
    start = unit_noise() * (math.hypot(1, sigmas[0]) if preserving else sigmas[0])
    return relative(found * (math.hypot(1, sigmas[-1]) if preserving else 1), exact(start, sigmas))


@pytest.mark.parametrize(
    ("sampler", "order"),
    [
        ("Euler", 1),
        ("Euler a", 1),
        ("DDIM", 1),
        ("Heun", 2),
        ("DPM2", 2),
        ("DPM2 a", 2),
        ("DPM++ 2M", 2),
        ("DPM++ 2S a", 2),
        ("DPM++ SDE", 2),
        ("DPM++ 2M SDE", 2),
        ("DPM++ 2M SDE Heun", 2),
        ("DPM++ 3M SDE", 2),  # more but for the first steps, as the next two
        ("DPM fast", 1.8),  # 2 in its last steps
        ("PLMS", 2),  # its weights are for even steps, which these are not
        ("UniPC", 2),
        ("LMS", 3),
    ],
)
def test_without_fresh_noise_the_exact_solution_is_neared_in_the_order_of_the_sampler(sampler: str, order: float):
    errors = [error(sampler, steps) for steps in (20, 40, 80, 160, 320)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 1e-2
    assert math.log2(errors[-2] / errors[-1]) > order - 0.1


@pytest.mark.parametrize("sampler", [name for name in WITH_ETA if name not in {"DDIM CFG++", "DPM adaptive"}])
def test_fresh_noise_keeps_the_law(sampler: str):
    """Of normal pictures, latents at any level must stay normal with variance c^2 + s^2."""
    sigmas, preserving = karras(LEVELS, 150)[:-40], sampler == "DDIM"
    generator = torch.Generator().manual_seed(4)

    def draw(sigma: float = 0, target: float = 0) -> Tensor:
        return torch.randn(60_000, generator=generator, dtype=torch.float64)

    start = draw() * (1 if preserving else math.hypot(1, SPREAD / sigmas[0]))
    found = sample(sampler, gaussian, start, sigmas, draw, eta=1.0) * (math.hypot(1, sigmas[-1]) if preserving else 1)
    assert float(found.std()) == pytest.approx(math.hypot(SPREAD, sigmas[-1]), rel=0.03)


@pytest.mark.parametrize("sampler", ["DPM++ 2M", "Euler", "Heun", "DPM2", "LMS"])
def test_with_one_picture_in_the_world_the_path_is_a_line(sampler: str):
    """Where the denoiser is constant the equation is linear: x(s) = c + (s / s0) (x0 - c), at any step size."""
    sigmas, point = karras(LEVELS, 6)[:-1], unit_noise(5)
    start = unit_noise() * sigmas[0]
    found = sample(sampler, lambda x, sigma: point, unit_noise(), sigmas, noise_of(stream(SHAPE)))
    assert relative(found, point + sigmas[-1] / sigmas[0] * (start - point)) < 1e-10


# -------------------------------------------------------------------------------------------------- how it asks


@pytest.mark.parametrize("steps", [3, 8, 28, 30])
@pytest.mark.parametrize(
    ("sampler", "schedule"),
    [pair for pair in [*product(SCHEDULED, SCHEDULES), *product(OWN, ("Automatic",))] if pair[0] != "DPM adaptive"],
)
def test_the_model_is_asked_as_often_as_foretold(sampler: str, steps: int, schedule: str):
    asked: list[float] = []

    def denoise(x: Tensor, sigma: float) -> Tensor:
        asked.append(sigma)
        assert type(sigma) is float
        assert sigma > 0
        return wavy_for(sampler)(x, sigma)

    sigmas = levels_of(sampler, steps, schedule)
    sample(sampler, denoise, unit_noise(), sigmas, noise_of(stream(SHAPE)))
    assert len(asked) == unet_calls(sampler, schedule, steps)


@pytest.mark.parametrize("sampler", [name for name in ADDING if not name.startswith("DPM ") and name != "Restart"])
def test_noise_is_asked_for_ways_down_that_end_above_zero(sampler: str):
    ways: list[tuple[float, float]] = []

    def noise(sigma: float, target: float) -> Tensor:
        ways.append((sigma, target))
        return unit_noise()

    sigmas = levels_of(sampler, 6)
    sample(sampler, wavy_for(sampler), unit_noise(), sigmas, noise)
    steps = [way for way in pairwise(sigmas) if way[1]]
    if sampler == "DPM++ SDE":  # each step looks half way ahead on the same path
        assert ways[0] == pytest.approx((sigmas[0], math.sqrt(sigmas[0] * sigmas[1])), rel=1e-6)
        assert len(ways) == 2 * len(steps)
        assert np.array(ways[1::2]) == pytest.approx(np.array(steps), rel=1e-6)
    else:
        assert ways == steps


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_dtype_is_kept_the_start_left_alone_and_float32_stays_close(sampler: str):
    sigmas, model = levels_of(sampler, 20), wavy_for(sampler)
    exactly = sample(sampler, model, unit_noise(), sigmas, noise_of(stream(SHAPE)))
    start, draw = unit_noise(dtype=torch.float32), stream(SHAPE)
    before = start.clone()
    found = sample(sampler, model, start, sigmas, lambda sigma, target: draw().float())
    assert found.dtype == torch.float32
    assert torch.equal(start, before)
    assert relative(found, exactly) < 1e-4


def test_a_model_without_numbers_ends_the_walk_of_dpm_adaptive():
    sigmas = levels_of("DPM adaptive", 20)
    found = sample("DPM adaptive", lambda x, sigma: x * math.nan, unit_noise(), sigmas, noise_of(stream(SHAPE)))
    assert bool(found.isnan().all())


# ---------------------------------------------------------------------------------------------------------- churn


def churned(sampler: str, x: Tensor, sigmas: tuple[float, ...], churn: Churn) -> Tensor:
    """Algorithm 2 of arXiv 2206.00364: noise is drawn before every step, and each step begins higher."""
    draw = stream(SHAPE)
    for i in range(len(sigmas) - 1):
        noise, gamma = draw(), 0.0
        if churn.low <= sigmas[i] <= churn.high:
            gamma = min(churn.amount / (len(sigmas) - 1), 2**0.5 - 1)
        hat = sigmas[i] * (1 + gamma)
        x = x + (hat**2 - sigmas[i] ** 2) ** 0.5 * 0.9 * noise
        x = PLAIN[sampler](wavy, x, (hat, sigmas[i + 1]))
    return x


@pytest.mark.parametrize("sampler", ["Euler", "Heun", "DPM2"])
@pytest.mark.parametrize("churn", [Churn(amount=3.0), Churn(amount=90.0), Churn(amount=3.0, low=0.1, high=5.0)])
def test_churn_is_that_of_the_formulas(sampler: str, churn: Churn):
    sigmas, start = levels_of(sampler, 10), unit_noise()
    found = sample(sampler, wavy, start, sigmas, noise_of(stream(SHAPE)), s_noise=0.9, churn=churn)
    assert relative(found, churned(sampler, start * sigmas[0], sigmas, churn)) < 1e-10
    assert relative(found, sample(sampler, wavy, start, sigmas, noise_of(stream(SHAPE)))) > 1e-3
    assert {name for name, facts in SAMPLERS.items() if facts.churns} == {"Euler", "Heun", "DPM2"}
