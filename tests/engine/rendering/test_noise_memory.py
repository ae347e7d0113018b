"""Noise that is kept from one render to the next: the same bits, drawn once, within a budget."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from engine.rendering.noise import NoiseSource
from engine.rendering.noise_memory import STALE_RUNS, KeptStream, NoiseMemory, stream_of
from engine.rendering.renderer import Renderer
from engine.sampling.sample import sample
from engine.sampling.schedules import sigmas_for
from engine.sampling.sigmas import sd1_levels
from engine.shots.limits import RNGS
from engine.shots.options import PictureOptions
from engine.shots.shot import Shot
from tests.engine.models.tiny_models import tiny_model

CPU = torch.device("cpu")
SHOT = Shot(prompt="x", seed=5, width=72, height=64, steps=6)
NOISY = ("DPM++ SDE", "DPM++ 2M SDE", "DPM++ 2M SDE Heun", "DPM++ 3M SDE", "Euler a", "DPM++ 2S a", "DPM2 a", "LCM")
BYTES = 4 * 8 * 9 * 4
"""One picture's noise."""


def walked(shots: list[Shot], memory: NoiseMemory | None) -> Tensor:
    """The latents of some shots with a denoiser without meaning: every draw of noise moves them."""
    first = shots[0]
    sigmas = sigmas_for(first.sampler, first.schedule, first.steps, sd1_levels())
    source = NoiseSource(shots, CPU, memory)
    unit, noise = source.first(), source.after(sigmas)
    return sample(first.sampler, lambda x, sigma: torch.sin(x) / (1 + sigma), unit, sigmas, noise, eta=1.0)


def drawn(number: int) -> Tensor:
    return torch.full((8, 9), float(number))


@pytest.mark.parametrize("rng", RNGS)
@pytest.mark.parametrize("sampler", NOISY)
def test_kept_noise_has_the_bits_of_noise_drawn_anew(sampler: str, rng: str):
    shots = [replace(SHOT, seed=seed, sampler=sampler, rng=rng, ensd=ensd) for seed, ensd in ((5, 0), (6, 0), (5, 9))]
    fresh, memory = walked(shots, None), NoiseMemory()
    assert torch.equal(walked(shots, memory), fresh)
    count = memory.drawn
    assert torch.equal(walked(shots, memory), fresh)
    assert torch.equal(walked(shots[::-1], memory), fresh.flip(0))  # in whatever company
    assert memory.drawn == count > len(shots)


def test_unusual_first_noises_are_kept_too():
    options = PictureOptions(variation_seed=7, variation_strength=0.3, seed_resize=(96, 64))
    shots, memory = [replace(SHOT, options=options, sampler="Euler a")], NoiseMemory()
    fresh = walked(shots, None)
    assert torch.equal(walked(shots, memory), fresh)
    count = memory.drawn
    assert torch.equal(walked(shots, memory), fresh)
    assert memory.drawn == count


def test_more_steps_go_on_where_the_kept_ones_end():
    memory = NoiseMemory()
    few, many = replace(SHOT, sampler="Euler a"), replace(SHOT, sampler="Euler a", steps=9)
    walked([few], memory)
    assert torch.equal(walked([many], memory), walked([many], None))
    assert memory.drawn == 9  # the first noise and one for every step but the last


@pytest.mark.parametrize("most", [0, 3 * BYTES, 10 * BYTES])
def test_a_small_budget_changes_no_noise_and_is_kept_to(most: int):
    shots = [replace(SHOT, seed=seed, sampler="Euler a") for seed in (5, 6, 7)]
    fresh, memory = walked(shots, None), NoiseMemory(most)
    for _ in range(3):
        assert torch.equal(walked(shots, memory), fresh)
    assert memory.kept <= most
    assert memory.drawn < 3 * 18 or most < BYTES


def test_pictures_that_come_round_in_turn_do_not_push_each_other_out():
    memory = NoiseMemory(2 * drawn(0).nbytes)
    for _ in range(4):
        for picture in range(3):
            memory.new_run()
            memory.noise(picture, 0, lambda picture=picture: drawn(picture))
    assert memory.drawn == 3 + 3  # of the three the first two are kept, and the third is drawn every time


def test_pictures_of_an_earlier_stage_make_room():
    memory = NoiseMemory(2 * drawn(0).nbytes)
    for picture in (0, 1):
        memory.noise(picture, 0, lambda picture=picture: drawn(picture))
    for run in range(STALE_RUNS + 3):
        memory.new_run()
        memory.noise(1, 0, lambda: drawn(1))
        memory.noise(2, 0, lambda: drawn(2))
        assert memory.kept == 2 * drawn(0).nbytes
        if run == STALE_RUNS - 1:
            assert memory.drawn == 2 + STALE_RUNS
    assert memory.drawn == 2 + STALE_RUNS + 1
    assert torch.equal(memory.noise(0, 0, lambda: drawn(0)), drawn(0))


def test_a_stream_draws_in_order_where_only_some_is_kept():
    memory, shape = NoiseMemory(), (4, 8, 9)
    KeptStream(memory, "CPU", 3, shape).draw()
    stream, own = KeptStream(memory, "CPU", 3, shape), stream_of("CPU", 3)
    for _ in range(3):
        assert torch.equal(stream.draw(), own(shape))


def test_a_second_trial_draws_nothing():
    model = tiny_model()
    renderer = Renderer(model)
    shots = [replace(SHOT, sampler="DPM++ SDE", seed=seed, steps=3) for seed in (1, 2)]
    before = renderer.render(shots)
    count = renderer.denoiser.noise.drawn
    assert count == 2 * (1 + 4)
    assert torch.equal(renderer.render(shots), before)
    assert renderer.denoiser.noise.drawn == count
