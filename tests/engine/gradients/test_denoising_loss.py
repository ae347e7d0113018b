"""The denoising error on given pictures, and its derivatives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from engine.engine import Engine
from engine.gradients.denoising_loss import NoisedPictures, denoising_errors
from engine.gradients.gradients import Gradients
from engine.live.weights import LiveWeights
from engine.rendering.denoiser import Denoiser
from engine.shots.shot import Shot
from tests.engine.gradients.moved import STEPS, central_differences, chain, engine_of, moves


def noised(engine: Engine) -> NoisedPictures:
    draw = torch.Generator().manual_seed(3)
    engine.build(chain())
    latents = Gradients(engine).encode(torch.rand(3, 3, 64, 64, generator=draw))
    return NoisedPictures(latents=latents, captions=("a red cat on the beach", "", "a blue tree"), seed=4, levels=2)


def test_denoising_losses_have_the_derivatives_of_finite_differences(trained: LiveWeights) -> None:
    engine = engine_of(trained)
    seen, gradients = noised(engine), Gradients(engine)
    chosen = {name: move for name, move in moves().items() if name in STEPS}
    found = gradients.of_denoising(chain(), chosen, seen)
    assert found.value == pytest.approx(float(gradients.denoising_errors(chain(), seen).mean()), rel=1e-6)
    differences = central_differences(lambda recipe: float(gradients.denoising_errors(recipe, seen).mean()), STEPS)
    for name, difference in differences.items():
        assert found.by_name[name] == pytest.approx(difference, rel=0.01, abs=1e-4), name


def test_denoising_losses_depend_on_seed_and_caption(trained: LiveWeights) -> None:
    engine = engine_of(trained)
    seen, gradients = noised(engine), Gradients(engine)
    first = gradients.denoising_errors(chain(), seen)
    assert first.shape == (3,)
    assert torch.equal(first, gradients.denoising_errors(chain(), seen))
    assert not torch.equal(first, gradients.denoising_errors(chain(), replace(seen, seed=5)))
    recaptioned = gradients.denoising_errors(
        chain(), replace(seen, captions=("a red cat on the beach", "a green house", "a blue tree"))
    )
    assert torch.allclose(recaptioned[[0, 2]], first[[0, 2]], rtol=1e-5)
    assert not torch.allclose(recaptioned[1], first[1], rtol=1e-4)


def test_a_model_that_finds_all_the_noise_errs_nowhere(trained: LiveWeights) -> None:
    """With the noise itself for an answer; with nothing for an answer it errs by the noise's own size, about 1."""
    engine = engine_of(trained)
    pictures = noised(engine)
    for factor, expected in ((1.0, 0.0), (0.0, 1.0)):
        errors = denoising_errors(_PartDenoiser(engine.denoiser, factor, pictures.latents), pictures)
        assert float(errors.mean()) == pytest.approx(expected, abs=0.15 * expected + 1e-9)


class _PartDenoiser(Denoiser):
    """Knows the picture, and removes a part of the noise."""

    def __init__(self, other: Denoiser, factor: float, latents: Tensor) -> None:
        self.__dict__ |= other.__dict__
        self._factor, self._latents = factor, latents

    def numbered(
        self, shots: Sequence[Shot], *, sizes: Sequence[tuple[int, int]] | None = None, base_calls: int | None = None
    ) -> Callable[[Tensor, float, int], Tensor]:
        return lambda x, sigma, call: x - self._factor * (x - self._latents)
