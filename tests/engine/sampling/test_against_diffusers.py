"""Our walks beside diffusers' schedulers: the same formulas by other hands.

The differences that remain are named with each tolerance. Sigmas are float32 there, so nothing can be closer than 1e-7.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from torch import Tensor

from engine.sampling.sample import sample
from engine.sampling.schedules import exponential, karras, sigmas_for, uniform
from engine.sampling.sigmas import sd1_levels
from tests.engine.sampling.plain_samplers import stream
from tests.engine.sampling.test_sample import SHAPE, relative, unit_noise, wavy

TRAINED: dict[str, Any] = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
LEVELS = sd1_levels()
KARRAS, UNIFORM = {"use_karras_sigmas": True}, {"timestep_spacing": "linspace"}


@contextmanager
def quiet() -> Iterator[None]:
    """Diffusers' schedulers warn of their own use of numpy 2."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
        yield


def scheduler(name: str, steps: int, **options: Any) -> Any:
    with quiet():
        made = getattr(diffusers, name)(**TRAINED, **options)
        made.set_timesteps(steps)
    return made


def in_sigma(theirs: Any) -> Tensor:
    """Walk a scheduler that leaves the clean latent unscaled; it says time, fractional, for each call."""
    x = unit_noise().float() * LEVELS.highest
    for time in theirs.timesteps:
        theirs.scale_model_input(x, time)
        sigma = LEVELS.sigma_of(float(time))
        x = theirs.step((x - wavy(x, sigma)) / sigma, time, x, return_dict=False)[0]
    return x


def preserving(theirs: Any, start: float, draw: Callable[[], Tensor] | None = None) -> Tensor:
    """Walk a scheduler that keeps the variance at 1; its times are rounded, so the level is read from its table."""
    x = unit_noise().float() * start
    for number, time in enumerate(theirs.timesteps):
        sigma = float(theirs.sigmas[number])
        seen = x * math.hypot(1, sigma)
        more = {} if draw is None else {"variance_noise": draw().float()}
        x = theirs.step((seen - wavy(seen, sigma)) / sigma, time, x, return_dict=False, **more)[0]
    return x


def ours(sampler: str, sigmas: tuple[float, ...], draw: Callable[[], Tensor] | None = None) -> Tensor:
    return sample(sampler, wavy, unit_noise(), sigmas, lambda sigma, target: draw() if draw else unit_noise(1))


@pytest.mark.parametrize("steps", [10, 20])
@pytest.mark.parametrize(
    ("sampler", "name", "options", "schedule", "tolerance"),
    [
        ("Euler", "EulerDiscreteScheduler", UNIFORM, uniform, 1e-5),  # 3e-6: float32
        ("Euler", "EulerDiscreteScheduler", UNIFORM | KARRAS, karras, 1e-5),
        ("Heun", "HeunDiscreteScheduler", {}, uniform, 1e-5),
        ("Heun", "HeunDiscreteScheduler", KARRAS, karras, 1e-5),
        ("LMS", "LMSDiscreteScheduler", {}, uniform, 2e-5),  # 4e-6: weights by quadrature to 1e-4 each
        ("LMS", "LMSDiscreteScheduler", KARRAS, karras, 2e-5),
    ],
)
def test_plain_samplers(sampler: str, name: str, options: dict[str, Any], schedule: Any, tolerance: float, steps: int):
    theirs = in_sigma(scheduler(name, steps, **options))
    assert relative(theirs, ours(sampler, schedule(LEVELS, steps))) < tolerance


@pytest.mark.parametrize(("schedule", "options"), [(karras, KARRAS), (exponential, {"use_exponential_sigmas": True})])
def test_2m(schedule: Any, options: dict[str, Any]):
    """1.7e-6 with its own unrounded levels; 4.7e-4 as it is used, where the model sees rounded times."""
    steps = 20
    made = scheduler("DPMSolverMultistepScheduler", steps, final_sigmas_type="zero", **options)
    theirs = preserving(made, LEVELS.highest / math.hypot(1, LEVELS.highest))
    assert relative(theirs, ours("DPM++ 2M", schedule(LEVELS, steps))) < 1e-5


@pytest.mark.parametrize("kind", ["midpoint", "heun"])
def test_2m_sde_on_the_same_noise(kind: str):
    steps = 20
    made = scheduler(
        "DPMSolverMultistepScheduler",
        steps,
        algorithm_type="sde-dpmsolver++",
        solver_type=kind,
        final_sigmas_type="zero",
        **KARRAS,
    )
    theirs = preserving(made, LEVELS.highest / math.hypot(1, LEVELS.highest), stream(SHAPE))
    sampler = "DPM++ 2M SDE Heun" if kind == "heun" else "DPM++ 2M SDE"
    assert relative(theirs, ours(sampler, karras(LEVELS, steps), stream(SHAPE))) < 1e-5


@pytest.mark.parametrize("steps", [10, 20, 25])
def test_ddim_but_for_its_last_step(steps: int):
    """The WebUI leaves the latent at time 1, one call before diffusers does: 6e-7."""
    theirs: Any = diffusers.DDIMScheduler(
        **TRAINED, timestep_spacing="leading", steps_offset=1, clip_sample=False, set_alpha_to_one=False
    )
    theirs.set_timesteps(steps)
    x = unit_noise().float()
    for time in theirs.timesteps[:-1]:
        sigma = LEVELS.sigma_of(float(time))
        seen = x * math.hypot(1, sigma)
        x = theirs.step((seen - wavy(seen, sigma)) / sigma, int(time), x, return_dict=False)[0]
    sigmas = sigmas_for("DDIM", "Automatic", steps, LEVELS)
    found = sample("DDIM", wavy, unit_noise(), sigmas, lambda sigma, target: unit_noise(1), eta=0.0)
    assert relative(x, found) < 5e-6


@pytest.mark.parametrize("steps", [10, 20, 25])
def test_unipc_of_order_3_ending_at_the_lowest_level(steps: int):
    """4.7e-5 in use, where the model sees rounded times."""
    made = scheduler(
        "UniPCMultistepScheduler",
        steps,
        solver_type="bh1",
        solver_order=3,
        final_sigmas_type="sigma_min",
        timestep_spacing="linspace",
    )
    theirs = preserving(made, 1.0)
    # Its grid in time is rounded too; ours is given the same.
    sigmas = tuple(float(sigma) for sigma in made.sigmas)
    assert relative(theirs, ours("UniPC", sigmas)) < 1e-5
    own = ours("UniPC", sigmas_for("UniPC", "Automatic", steps, LEVELS))
    assert relative(theirs, own) < 2e-3


def test_euler_a_on_the_same_noise():
    steps = 20
    theirs = scheduler("EulerAncestralDiscreteScheduler", steps, **UNIFORM)
    x = unit_noise().float() * theirs.init_noise_sigma
    generator = torch.Generator().manual_seed(9)
    for number, time in enumerate(theirs.timesteps):
        theirs.scale_model_input(x, time)
        sigma = float(theirs.sigmas[number])
        x = theirs.step((x - wavy(x, sigma)) / sigma, time, x, generator=generator, return_dict=False)[0]
    generator = torch.Generator().manual_seed(9)
    found = sample(
        "Euler a",
        wavy,
        unit_noise().float(),
        uniform(LEVELS, steps),
        lambda sigma, target: torch.randn(SHAPE, generator=generator),
    )
    assert relative(x, found) < 1e-4


@pytest.mark.parametrize(
    ("option", "schedule"), [("karras", "Karras"), ("exponential", "Exponential"), ("beta", "Beta")]
)
def test_schedules(option: str, schedule: str):
    theirs = scheduler("EulerDiscreteScheduler", 12, **UNIFORM, **{f"use_{option}_sigmas": True})
    np.testing.assert_allclose(sigmas_for("Euler", schedule, 12, LEVELS), theirs.sigmas.numpy(), rtol=2e-5)


@pytest.mark.parametrize(
    ("table", "aligned"), [("StableDiffusion", "ALIGNED_SD1"), ("StableDiffusionXL", "ALIGNED_SDXL")]
)
def test_tables_of_align_your_steps(table: str, aligned: str):
    from diffusers.schedulers import AysSchedules

    from engine.sampling import sigmas

    assert getattr(sigmas, aligned)[:-1] == tuple(AysSchedules[f"{table}Sigmas"][:-1])
