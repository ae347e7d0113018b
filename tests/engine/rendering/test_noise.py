from __future__ import annotations

import math
import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from engine.rendering.noise import NoiseSource
from engine.rendering.noise_memory import stream_of
from engine.sampling.brownian import BrownianPath
from engine.sampling.philox import PhiloxStream, philox
from engine.sampling.schedules import sigmas_for
from engine.sampling.sigmas import sd1_levels
from engine.shots.limits import RNGS
from engine.shots.shot import Shot

CPU = torch.device("cpu")
SHOT = Shot(prompt="x", seed=5, width=72, height=64, sampler="Euler a")
SHOTS = [replace(SHOT, seed=seed) for seed in (5, 6, 0)]
SIGMAS = sigmas_for("DPM++ SDE", "Karras", 8, sd1_levels())


# ------------------------------------------------------------------------------------------------------ Philox


@pytest.mark.parametrize(
    ("counter", "key", "words"),
    [
        ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
    ],
)
def test_philox_gives_the_known_answers_of_its_authors(counter: str, key: str, words: str):
    """From Random123's ``kat_vectors``, philox4x32 with ten rounds."""
    low, high = (int(word, 16) for word in key.split())
    start = np.array([[int(word, 16)] * 3 for word in counter.split()], np.uint32)
    found = philox(start, low + (high << 32))
    assert [[f"{word:08x}" for word in row] for row in found.T.tolist()] == [words.split()] * 3


def test_normal_numbers_are_those_that_cuda_draws_for_seed_0():
    """Documented with the WebUI's "RNG: NV" for ``torch.manual_seed(0); torch.randn(3, 4, device="cuda")``.

    CUDA rounds the angle to float32, so that programs differ in the seventh digit.
    """
    known = [
        [-0.92466259, -0.42534415, -2.6438457, 0.14518388],
        [-0.12086647, -0.57972564, -0.62285122, -0.32838709],
        [-1.07454231, -0.36314407, -1.67105067, 2.26550497],
    ]
    found = PhiloxStream(0).normal((3, 4))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, known, atol=5e-7)


def test_draws_follow_each_other_and_are_normal():
    one, other = PhiloxStream(2**40 + 3), PhiloxStream(2**40 + 3)
    first, second = one.normal((64, 1000)), one.normal((64, 1000))
    assert (other.normal((64, 1000)) == first).all()
    assert (PhiloxStream(3).normal((64, 1000)) != first).any()  # the high word of the seed counts
    for draw in (first, second):
        assert abs(draw.mean()) < 0.02
        assert draw.std() == pytest.approx(1, abs=0.01)
        assert (np.abs(draw) > 2).mean() == pytest.approx(0.0455, abs=0.003)
    assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.02


# ---------------------------------------------------------------------------------------------- Brownian paths


def path(seed: int = 5, rng: str = "CPU", low: float = 0.03, high: float = 14.6) -> BrownianPath:
    return BrownianPath(low, high, seed, lambda node: stream_of(rng, node)((4, 8, 8)))


def test_a_path_is_that_of_torchsde_bit_for_bit():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of ends that it rounds itself
        import torchsde

        ways = [*zip(SIGMAS[1:-1], SIGMAS, strict=False), (0.5, 3.0), (1.0, 1.5), (SIGMAS[-2], SIGMAS[0])]
        for seed in (0, 5, 2**40):
            low, high = SIGMAS[-2], SIGMAS[0]
            tree: Any = torchsde.BrownianTree(low, torch.zeros(4, 8, 8), high, entropy=seed)
            ours = path(seed, low=low, high=high)
            for start, end in ways:
                assert torch.equal(ours.increment(start, end), tree(start, end))


@pytest.mark.parametrize("rng", RNGS)
def test_increments_add_up_whatever_was_asked_before(rng: str):
    one, other = path(rng=rng), path(rng=rng)
    parts = one.increment(0.5, 1.25) + one.increment(1.25, 7.0)
    assert (parts - other.increment(0.5, 7.0)).abs().max() < 1e-5
    assert torch.equal(one.increment(2.0, 3.0), path(rng=rng).increment(2.0, 3.0))
    assert not torch.equal(path(6, rng).increment(2.0, 3.0), one.increment(2.0, 3.0))


def test_increments_are_normal_and_independent():
    big = BrownianPath(0.03, 14.6, 1, lambda node: stream_of("CPU", node)((60_000,)))
    ways = [(0.1, 0.2), (0.2, 1.0), (1.0, 9.0)]
    found = [big.increment(*way) / math.sqrt(way[1] - way[0]) for way in ways]
    assert [float(part.std()) for part in found] == pytest.approx([1, 1, 1], abs=0.02)
    assert np.abs(np.corrcoef(np.stack(found)) - np.eye(3)).max() < 0.02


# -------------------------------------------------------------------------------------------------- of pictures


@pytest.mark.parametrize("rng", RNGS)
def test_every_shot_draws_from_its_own_seed(rng: str):
    shots = [replace(shot, rng=rng) for shot in SHOTS]
    source = NoiseSource(shots, CPU)
    unit, noise = source.first(), source.after(SIGMAS)
    steps = [noise(3.0, 2.0), noise(2.0, 1.0)]
    assert unit.shape == (3, 4, 8, 9)
    assert unit.dtype == torch.float32
    for number, shot in enumerate(shots):
        own = stream_of(rng, shot.seed)
        for drawn in (unit, *steps):
            assert torch.equal(drawn[number], own((4, 8, 9)))


def test_the_cpus_numbers_are_torchs():
    own = torch.Generator("cpu").manual_seed(6)
    assert torch.equal(NoiseSource(SHOTS, CPU).first()[1], torch.randn((4, 8, 9), generator=own))


def test_streams_differ():
    assert not torch.equal(stream_of("CPU", 5)((4, 8)), stream_of("NV", 5)((4, 8)))


@pytest.mark.parametrize("rng", RNGS)
def test_ensd_seeds_anew_all_but_the_first_noise(rng: str):
    plain = NoiseSource([replace(SHOT, rng=rng)], CPU)
    moved = NoiseSource([replace(SHOT, rng=rng, ensd=31337)], CPU)
    assert torch.equal(plain.first(), moved.first())
    drawn = moved.after(SIGMAS)(3.0, 2.0)
    assert not torch.equal(plain.after(SIGMAS)(3.0, 2.0), drawn)
    assert torch.equal(drawn[0], stream_of(rng, 5 + 31337)((4, 8, 9)))


@pytest.mark.parametrize("rng", RNGS)
def test_sde_samplers_follow_the_path_of_the_seed_whatever_else_is_drawn(rng: str):
    shots = [replace(shot, sampler="DPM++ SDE", rng=rng, ensd=9) for shot in SHOTS]
    together, alone = NoiseSource(shots, CPU), NoiseSource(shots[1:2], CPU)
    together.first()
    noise = together.after(SIGMAS)
    noise(SIGMAS[1], SIGMAS[2])
    lonely = alone.after(SIGMAS)(SIGMAS[2], SIGMAS[3])
    assert torch.equal(noise(SIGMAS[2], SIGMAS[3])[1], lonely[0])
    low, start, end, high = (float(np.float32(SIGMAS[number])) for number in (-2, 3, 2, 0))
    own = BrownianPath(low, high, 6, lambda node: stream_of(rng, node)((4, 8, 9)))
    np.testing.assert_allclose(lonely[0], -own.increment(start, end) / math.sqrt(end - start), rtol=1e-6)


def test_a_walk_that_ends_above_zero_has_a_path_down_to_its_end():
    sigmas = sigmas_for("DPM++ 2M SDE", "KL Optimal", 4, sd1_levels())
    noise = NoiseSource([replace(SHOT, sampler="DPM++ 2M SDE")], CPU).after(sigmas)
    drawn: Any = noise(sigmas[-2], sigmas[-1])
    assert drawn.isfinite().all()
    assert float(drawn.std()) == pytest.approx(1, abs=0.15)
