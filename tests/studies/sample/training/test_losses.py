"""The losses and what they are made of, at sizes that take a moment."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL

from engine.recipes.blocks import BLOCKS
from studies.sample.scenery.contents import CONTENTS
from studies.sample.scenery.looks import AXES, Look
from studies.sample.training.axes import MAIN
from studies.sample.training.captions import END_OF_TEXT, small_ids, token_ids, vocabulary_rows, without_text
from studies.sample.training.diffusion import GAMMA, MOST_MEAN, OFFSET, diffusion_loss, even_levels, signal_shares
from studies.sample.training.latents import LatentData, latent_data, look_to_train, looks_as_tensor
from studies.sample.training.pictures import drawn, signed
from studies.sample.training.subjects import classifier_inputs, new_classifier, recognised, subject_places
from studies.sample.training.unets import (
    base_loss,
    freeze_what_is_shared,
    mixed,
    new_drawer,
    pair_loss,
)
from studies.sample.training.vae import COLOUR_GAIN, latents_of, round_trip, settle, vae_loss
from studies.sample.training.widths import new_vae

CPU = torch.device("cpu")


def generator(seed: int = 0) -> torch.Generator:
    """Random numbers that are the same every time."""
    return torch.Generator().manual_seed(seed)


def middling(_: np.random.Generator) -> Look:
    """The same look always."""
    return Look(**dict.fromkeys(AXES, 0.5))


def data(count: int = 12) -> LatentData:
    """Random latents of every look on the diagonal."""
    ids = small_ids([content.caption for content in CONTENTS[:count]])
    looks = torch.linspace(0, 1, count)[:, None].expand(count, len(AXES))
    return LatentData(latents=torch.randn(count, 4, 8, 8, generator=generator()), plain=ids, partly=ids, looks=looks)


def test_small_ids_are_places_in_the_vocabulary() -> None:
    captions = ["a red cat in the city, far away, at dusk, with ink lines", ""]
    assert torch.equal(vocabulary_rows()[small_ids(captions)], token_ids(captions))
    assert int(vocabulary_rows()[-1]) == END_OF_TEXT


def test_without_text_is_the_empty_caption() -> None:
    ids = small_ids(["a red cat in the city", "a blue house on the beach"])
    left = without_text(ids, torch.tensor([True, False]))
    assert torch.equal(left[0], small_ids([""])[0])
    assert torch.equal(left[1], ids[1])


def test_noise_levels_are_spread_evenly() -> None:
    levels = even_levels(10, generator())
    assert (levels // 100).tolist() == list(range(10))
    shares = signal_shares(CPU)
    assert float(shares[0]) == pytest.approx(1 - 0.00085)
    assert 0.004 < float(shares[-1]) < 0.005


def test_the_loss_is_nothing_for_a_denoiser_that_knows_and_less_for_little_noise() -> None:
    latents = torch.zeros(20, 4, 32, 32)

    def knows(noised: torch.Tensor, levels: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
        return noised / (1 - signal_shares(CPU)[levels]).sqrt()[:, None, None, None]

    assert float(diffusion_loss(knows, latents, torch.zeros(20), generator())) == pytest.approx(0, abs=1e-4)
    ratio = signal_shares(CPU) / (1 - signal_shares(CPU))
    weights = ratio.clamp(max=GAMMA) / ratio
    blind = float(diffusion_loss(lambda noised, *_: torch.zeros_like(noised), latents, torch.zeros(20), generator()))
    means = (1 / ratio).clamp(max=MOST_MEAN).mean() * (OFFSET**2 + 1 / 32**2)
    assert blind == pytest.approx(float(weights.mean() * (1 + OFFSET**2) + means), rel=0.02)


def test_the_mean_of_a_picture_counts_where_there_is_much_noise() -> None:
    latents = torch.zeros(20, 4, 32, 32)

    def shifts(noised: torch.Tensor, levels: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
        return noised / (1 - signal_shares(CPU)[levels]).sqrt()[:, None, None, None] + 0.1

    ratio = signal_shares(CPU) / (1 - signal_shares(CPU))
    weights = ratio.clamp(max=GAMMA) / ratio + (1 / ratio).clamp(max=MOST_MEAN)
    shifted = float(diffusion_loss(shifts, latents, torch.zeros(20), generator()))
    assert shifted == pytest.approx(0.1**2 * float(weights.mean()), rel=0.05)


def test_settled_latents_are_unit_size_and_decode_to_the_same() -> None:
    torch.manual_seed(0)
    vae = new_vae().eval().requires_grad_(requires_grad=False)
    pictures = drawn(4, 1, middling, 64).pictures
    before = round_trip(vae, pictures)
    settle(vae, pictures)
    assert float(latents_of(vae, pictures).std()) == pytest.approx(1, rel=0.01)
    assert (round_trip(vae, pictures).int() - before.int()).abs().max() <= 1


def test_a_vae_learns_colours_first() -> None:
    torch.manual_seed(0)
    vae, pictures = new_vae(), drawn(4, 1, middling, 64).pictures
    optimiser = torch.optim.AdamW(vae.parameters(), lr=2e-3)
    before = _off_colours(vae, pictures)
    for step in range(8):
        vae_loss(vae, pictures, crops=2, step=step, total=100, generator=generator(step)).backward()
        optimiser.step()
        optimiser.zero_grad()
    assert _off_colours(vae, pictures) < 0.7 * before
    assert vae_loss(vae, pictures, crops=2, step=90, total=100, generator=generator()).isfinite(), "whole pictures"


@torch.no_grad()
def _off_colours(vae: AutoencoderKL, pictures: torch.Tensor) -> float:
    """How far the first three channels of latents are from the colours of their patches."""
    batch = signed(pictures)
    latents = vae.encode(batch).latent_dist.mean  # pyright: ignore[reportAttributeAccessIssue]
    return F.mse_loss(latents[:, :3], COLOUR_GAIN * F.avg_pool2d(batch, 8)).item()


def test_a_mix_is_between_and_teaches_both_by_their_ratios() -> None:
    torch.manual_seed(0)
    a, b = new_drawer(CPU), new_drawer(CPU)
    first, second = (dict(drawer.unet.named_parameters()) for drawer in (a, b))
    name = "mid_block.resnets.0.conv1.weight"
    ratios = torch.zeros(len(BLOCKS))
    ratios[BLOCKS.index("M00")] = 0.25
    mix = mixed("unet", first, second, ratios)
    assert torch.allclose(mix[name], 0.75 * first[name] + 0.25 * second[name])
    assert torch.equal(mix["conv_in.weight"], first["conv_in.weight"])
    mix[name].sum().backward()
    for parameter, share in ((first[name], 0.75), (second[name], 0.25)):
        assert parameter.grad is not None
        assert torch.allclose(parameter.grad, torch.full_like(parameter, share))


def test_drawers_learn_and_parents_stay_alike_in_what_they_share() -> None:
    torch.manual_seed(0)
    base = new_drawer(CPU)
    base_loss(base, data(), 4, generator()).backward()
    assert _learned(base.text.embeddings.token_embedding.weight)
    a, b = new_drawer(CPU), new_drawer(CPU)
    for drawer in (a, b):
        freeze_what_is_shared(drawer)
    pair_loss(a, b, MAIN, data(), 4, generator()).backward()
    for drawer in (a, b):
        assert not drawer.unet.time_embedding.linear_1.weight.requires_grad
        assert not drawer.text.embeddings.token_embedding.weight.requires_grad
        assert _learned(drawer.unet.conv_out.weight)
        assert _learned(drawer.text.final_layer_norm.weight)


def _learned(parameter: torch.Tensor) -> bool:
    return parameter.grad is not None and bool(parameter.grad.abs().sum() > 0)


def test_drawings_alike_are_the_nearest() -> None:
    chosen = data(40).alike(torch.full((len(AXES),), 1.0), 4, generator())
    assert len(set(chosen.tolist())) == 4
    assert min(chosen.tolist()) >= 40 - 16


def test_latents_are_made_once(tmp_path: Path) -> None:
    torch.manual_seed(0)
    vae = new_vae().eval().requires_grad_(requires_grad=False)
    made = latent_data(tmp_path, vae, 3, seed=7, side=64)
    assert made.latents.shape == (3, 4, 8, 8)
    assert made.looks.shape == (3, len(AXES))
    for parameter in vae.parameters():
        parameter.zero_()
    again = latent_data(tmp_path, vae, 3, seed=7, side=64)
    assert torch.equal(made.latents, again.latents)
    assert torch.equal(made.partly, again.partly)


def test_latents_of_other_axes_know_their_amounts(tmp_path: Path) -> None:
    torch.manual_seed(0)
    vae = new_vae().eval().requires_grad_(requires_grad=False)
    made = latent_data(tmp_path, vae, 3, seed=7, side=64, axes=("card", "mist"))
    looks = drawn(3, 7, partial(look_to_train, axes=("card", "mist")), 64).looks
    assert torch.allclose(made.looks, torch.tensor([[look.card, look.mist] for look in looks]))
    assert {look.light for look in looks} == {0.0}, "the others rest"


def test_subjects_are_recognised_or_not() -> None:
    drawings = drawn(6, 3, middling, 64)
    torch.manual_seed(0)
    classifier = new_classifier()
    optimiser = torch.optim.AdamW(classifier.parameters(), lr=3e-3)
    inputs, wanted = classifier_inputs(drawings.pictures), subject_places(drawings)
    for _ in range(60):
        F.cross_entropy(classifier(inputs), wanted).backward()
        optimiser.step()
        optimiser.zero_grad()
    subjects = [content.subject for content in drawings.contents]
    assert recognised(classifier, drawings.pictures, subjects) == 1
    others = ["cat" if subject == "face" else "face" for subject in subjects]
    assert recognised(classifier, drawings.pictures, others) == 0


def test_looks_become_numbers_in_the_order_of_the_axes() -> None:
    assert looks_as_tensor([Look(composition=0.1, light=0.2, line=0.3)]).tolist() == [pytest.approx([0.1, 0.2, 0.3])]
