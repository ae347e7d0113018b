"""A small classifier of subjects, for the gate alone: trained on drawings, it says what a rendered picture shows."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import nn

from studies.sample.scenery.contents import SUBJECTS
from studies.sample.training.diffusion import pick
from studies.sample.training.pictures import Drawings, signed

CLASSIFIER_SIDE = 64
"""Side of what it sees, in pixels."""


def new_classifier() -> nn.Sequential:
    """Return an untrained classifier: four convolutions of stride 2, then the mean."""
    widths = (3, 16, 32, 64, 64)
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += [nn.Conv2d(before, after, 3, stride=2, padding=1), nn.GroupNorm(8, after), nn.SiLU()]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(64 * (CLASSIFIER_SIDE // 16) ** 2, len(SUBJECTS)))


def classifier_inputs(pictures: torch.Tensor) -> torch.Tensor:
    """Return uint8 pictures as the classifier gets them."""
    return torch.cat([F.interpolate(signed(chunk), size=CLASSIFIER_SIDE, mode="area") for chunk in pictures.split(256)])


def subject_places(drawings: Drawings) -> torch.Tensor:
    """Return the place of each drawing's subject in ``SUBJECTS``, ``(n,)``."""
    return torch.tensor([SUBJECTS.index(content.subject) for content in drawings.contents])


def classifier_loss(
    classifier: nn.Module, inputs: torch.Tensor, subjects: torch.Tensor, batch: int, generator: torch.Generator
) -> torch.Tensor:
    """Return the cross-entropy of a random batch; a little noise keeps it from reading single pixels."""
    chosen = pick(batch, len(inputs), generator)
    noise = 0.1 * torch.randn(inputs[chosen].shape, generator=generator, device=inputs.device)
    return F.cross_entropy(classifier(inputs[chosen] + noise), subjects[chosen])


@torch.no_grad()
def recognised(classifier: nn.Module, pictures: torch.Tensor, wanted: list[str]) -> float:
    """Return the share of uint8 pictures in which the classifier sees the wanted subject."""
    device = next(classifier.parameters()).device
    seen = classifier(classifier_inputs(pictures).to(device)).argmax(1).tolist()
    return sum(SUBJECTS[place] == subject for place, subject in zip(seen, wanted, strict=True)) / len(wanted)
