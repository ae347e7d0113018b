"""The steps of a second pass without any model: levels, noise and walks against the WebUI's arithmetic, redone here."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
import torch
from torch import Tensor

from engine.sampling.sample import resample
from engine.sampling.schedules import SPANNING, SecondPassLevels, second_pass_levels, sigmas_for
from engine.sampling.sigmas import sd1_levels, zero_terminal_levels
from engine.shots.hires import Hires
from engine.shots.samplers import SAMPLERS, SCHEDULES, fewest_steps, most_planned, unet_calls
from tests.engine.sampling.plain_samplers import NOISY, PLAIN, plainly, stream
from tests.engine.sampling.test_sample import (
    LEVELS,
    OWN,
    SCHEDULED,
    SHAPE,
    WITH_ETA,
    noise_of,
    relative,
    unit_noise,
    wavy_for,
)

PAIRS = [*product(SCHEDULED, SCHEDULES), *product(OWN, ("Automatic",))]
KEPT = np.cumprod(1 - np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2)
"""The share of the picture at every trained time, as SD's schedule of betas gives it."""


def sigma_at(time: int) -> float:
    return math.sqrt((1 - KEPT[time]) / KEPT[time])


def rest_of(sampler: str, steps: int, denoise: float, schedule: str = "Automatic") -> SecondPassLevels:
    return second_pass_levels(sampler, schedule, steps, Hires(denoise=denoise).planned(steps), LEVELS)


def trained_times(planned: int) -> list[int]:
    """The WebUI's list for DDIM and UniPC, rising."""
    return [min(max(time + 1, 0), 999) for time in range(0, 1000, 1000 // planned)]


# --------------------------------------------------------------------------------------------------------- levels


def test_karras_levels_of_a_second_pass_by_hand() -> None:
    """20 steps at 0.7: the levels 8 to 28 of 28 planned steps."""
    rest, (low, high) = rest_of("DPM++ 2M", 20, 0.7), (sigma_at(0), sigma_at(999))
    planned = [(high ** (1 / 7) + i / 27 * (low ** (1 / 7) - high ** (1 / 7))) ** 7 for i in range(28)]
    np.testing.assert_allclose(rest.sigmas, [*planned[8:], 0], rtol=1e-4)
    np.testing.assert_allclose(rest.planned, [*planned, 0], rtol=1e-4)
    assert rest.start == rest.sigmas[0]


@pytest.mark.parametrize(("sampler", "schedule"), [pair for pair in PAIRS if pair[0] not in {*OWN, *SPANNING}])
@pytest.mark.parametrize(("steps", "denoise", "first"), [(20, 0.7, 8), (20, 1.0, 0), (10, 0.5, 10), (7, 0.3, 16)])
def test_a_second_pass_walks_the_end_of_the_planned_levels(
    sampler: str, schedule: str, steps: int, denoise: float, first: int
) -> None:
    rest = rest_of(sampler, steps, denoise, schedule)
    assert rest.planned == sigmas_for(sampler, schedule, first + steps, LEVELS)
    assert rest.sigmas == rest.planned[first:]
    assert rest.start == rest.planned[first]
    if schedule != "DDIM":
        assert len(rest.sigmas) == steps + 1


@pytest.mark.parametrize("sampler", sorted(SPANNING))
def test_samplers_that_choose_their_levels_end_at_the_lowest_planned_one_above_zero(sampler: str) -> None:
    """As `sample_img2img` of the WebUI hands them ``sigma_max``, ``sigma_min`` and ``n``."""
    planned = sigmas_for("Euler", "Karras", 28, LEVELS)
    rest = rest_of(sampler, 20, 0.7, "Karras")
    assert (rest.start, rest.sigmas[0], rest.sigmas[-1], len(rest.sigmas)) == (planned[8], planned[8], planned[-2], 21)
    np.testing.assert_allclose(np.diff(np.log(rest.sigmas), 2), 0, atol=1e-12)


@pytest.mark.parametrize("sampler", OWN)
@pytest.mark.parametrize(("steps", "denoise"), [(20, 0.7), (20, 1.0), (4, 0.4), (28, 0.35)])
def test_samplers_with_own_levels_begin_below_the_noise_they_add(sampler: str, steps: int, denoise: float) -> None:
    rest, times = rest_of(sampler, steps, denoise), trained_times(int(steps / min(denoise, 0.999)))
    assert rest.start == pytest.approx(sigma_at(times[steps - 1]), rel=1e-4)
    assert rest.sigmas[0] == pytest.approx(sigma_at(times[steps - 2]), rel=1e-4)
    lowest = 0 if sampler == "UniPC" else 1
    assert rest.sigmas[-1] == pytest.approx(sigma_at(lowest), rel=1e-4)
    assert len(rest.sigmas) == (steps if sampler == "UniPC" else steps - 1)
    if sampler != "UniPC":
        walked = [sigma_at(time) for time in times[steps - 2 :: -1]]
    else:
        inner = np.linspace(times[steps - 2], 0, steps)
        logs = np.interp(inner, np.arange(1000), 0.5 * np.log(KEPT))
        walked = list(np.sqrt(1 / np.exp(2 * logs) - 1))
    np.testing.assert_allclose(rest.sigmas, walked, rtol=1e-4)


@pytest.mark.parametrize("levels", [sd1_levels(), zero_terminal_levels()])
@pytest.mark.parametrize(("sampler", "schedule"), PAIRS)
@pytest.mark.parametrize("denoise", [0.02, 0.5, 1.0])
def test_levels_are_finite_and_fall_for_every_pair(sampler: str, schedule: str, denoise: float, levels: object) -> None:
    steps = max(5, fewest_steps(sampler, second=True))
    planned = min(Hires(denoise=denoise).planned(steps), most_planned(sampler, schedule) or 999)
    rest = second_pass_levels(sampler, schedule, steps, planned, levels)  # pyright: ignore[reportArgumentType]
    assert np.isfinite([rest.start, *rest.sigmas]).all()
    assert all(one > other for one, other in zip(rest.sigmas, rest.sigmas[1:], strict=False))
    assert len(rest.sigmas) > 1
    assert rest.start >= rest.sigmas[0]
    assert (most_planned(sampler, schedule) is not None) is (sampler in OWN or schedule in {"DDIM", "Simple"})


# ---------------------------------------------------------------------------------------------------------- walks


def by_the_webui(sampler: str, rest: SecondPassLevels, latents: Tensor, unit: Tensor, eta: float) -> Tensor:
    """`sample_img2img` with the plain samplers: variance-preserving where the WebUI's sampler is."""
    draw, s, model = stream(SHAPE), rest.sigmas, wavy_for(sampler)
    if sampler in OWN:
        kept = 1 / (1 + rest.start**2)
        noised = latents * math.sqrt(kept) + unit * math.sqrt(1 - kept)
        return plainly(sampler, model, noised, s, draw, eta)
    noised = latents + unit * s[0]
    return PLAIN[sampler](model, noised, s) if sampler in PLAIN else NOISY[sampler](model, noised, s, draw, eta, 1.0)


@pytest.mark.parametrize(("steps", "denoise"), [(4, 0.5), (10, 0.7), (10, 1.0), (20, 0.3)])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_second_walk_is_that_of_the_plain_formulas(sampler: str, steps: int, denoise: float) -> None:
    latents, unit, rest = unit_noise(3) * 0.8, unit_noise(4), rest_of(sampler, steps, denoise)
    eta = SAMPLERS[sampler].eta or 0.0
    before = latents.clone()

    def walk(latents: Tensor) -> Tensor:
        return resample(sampler, wavy_for(sampler), latents, unit, rest, noise_of(stream(SHAPE)), eta=eta)

    found = walk(latents)
    limit = 1e-6 if sampler == "Restart" and steps >= 20 else 1e-10  # its levels between are float32
    assert relative(found, by_the_webui(sampler, rest, latents, unit, eta)) < limit
    assert torch.equal(latents, before)
    if sampler != "LCM":  # which forgets its input wherever the model does
        assert relative(found, walk(latents + 0.5)) > 1e-3


@pytest.mark.parametrize("sampler", WITH_ETA)
def test_eta_and_the_factor_count_in_a_second_walk(sampler: str) -> None:
    latents, unit, rest = unit_noise(3), unit_noise(4), rest_of(sampler, 6, 0.6)

    def walk(*, eta: float, s_noise: float = 1.0) -> Tensor:
        model, noise = wavy_for(sampler), noise_of(stream(SHAPE))
        return resample(sampler, model, latents, unit, rest, noise, eta=eta, s_noise=s_noise)

    assert relative(walk(eta=0.5), by_the_webui(sampler, rest, latents, unit, 0.5)) < 1e-10
    assert relative(walk(eta=0.5), walk(eta=0.5, s_noise=0.5)) > 1e-3


def test_a_perfect_denoiser_brings_the_picture_back() -> None:
    latents = unit_noise(3)
    for sampler in ("Euler", "DPM++ 2M", "Heun", "LMS", "DPM2"):
        found = resample(
            sampler, lambda x, sigma: latents, latents, unit_noise(4), rest_of(sampler, 8, 0.6), noise_of(stream(SHAPE))
        )
        assert relative(found, latents) < 1e-10


# ----------------------------------------------------------------------------------------------------------- calls


@pytest.mark.parametrize(("steps", "denoise"), [(5, 0.7), (20, 0.7), (9, 1.0), (6, 0.1)])
@pytest.mark.parametrize(("sampler", "schedule"), [pair for pair in PAIRS if pair[0] != "DPM adaptive"])
def test_the_model_is_asked_as_often_as_foretold(sampler: str, schedule: str, steps: int, denoise: float) -> None:
    asked: list[float] = []

    def denoised(x: Tensor, sigma: float) -> Tensor:
        asked.append(sigma)
        return wavy_for(sampler)(x, sigma)

    planned = Hires(denoise=denoise).planned(steps)
    if planned > (most_planned(sampler, schedule) or planned):
        pytest.skip("a shot refuses it")
    rest = rest_of(sampler, steps, denoise, schedule)
    resample(sampler, denoised, unit_noise(3), unit_noise(4), rest, noise_of(stream(SHAPE)))
    assert len(asked) == unet_calls(sampler, schedule, steps, planned=planned)
    if not SAMPLERS[sampler].two_calls and sampler not in OWN and schedule != "DDIM":
        assert len(asked) == steps
    assert asked[0] == pytest.approx(rest.sigmas[0], rel=1e-6)


def test_calls_that_differ_from_the_steps() -> None:
    assert unet_calls("DDIM", "Automatic", 20, planned=28) == 18
    assert unet_calls("UniPC", "Automatic", 20, planned=28) == 19
    assert unet_calls("Heun", "Karras", 20, planned=28) == 39
    assert unet_calls("Euler", "DDIM", 20, planned=28) == 21  # 29 levels, not 28: 1000 // 28 is 35
    assert unet_calls("Euler", "Karras", 20, planned=0) == 0
