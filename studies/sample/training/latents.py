"""Latents of drawings, made once by the trained VAE and kept in chunks, with what each shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL

from engine.files import replaced
from studies.sample.scenery.contents import Content
from studies.sample.scenery.looks import AXES, Look, partly_described, random_look
from studies.sample.training.captions import small_ids
from studies.sample.training.pictures import SIDE, drawn
from studies.sample.training.vae import latents_of

CHUNK = 1000
"""Drawings of a file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LatentData:
    """What UNets are trained on.

    Attributes:
        latents: ``(n, 4, h, w)``, unit size.
        plain: captions of the contents, as ``small_ids``, ``(n, 77)``.
        partly: captions that name some axes, the same.
        looks: amounts of the axes that a pair has, ``(n, axes)``.
    """

    latents: torch.Tensor
    plain: torch.Tensor
    partly: torch.Tensor
    looks: torch.Tensor

    def to(self, device: torch.device) -> LatentData:
        """Return the same on a device."""
        return LatentData(
            latents=self.latents.to(device),
            plain=self.plain.to(device),
            partly=self.partly.to(device),
            looks=self.looks.to(device),
        )

    def alike(self, amounts: torch.Tensor, count: int, generator: torch.Generator) -> torch.Tensor:
        """Return the places of ``count`` drawings, picked from the four times as many whose looks are nearest."""
        away = (self.looks - amounts.to(self.looks.device)).abs().amax(1)
        nearest = away.topk(min(4 * count, len(away)), largest=False).indices
        return nearest[torch.randperm(len(nearest), generator=generator, device=generator.device)[:count]]


def looks_as_tensor(looks: Sequence[Look], axes: tuple[str, ...] = AXES) -> torch.Tensor:
    """Return the amounts of the axes, ``(n, axes)``."""
    return torch.tensor([[getattr(look, axis) for axis in axes] for look in looks])


def look_to_train(rng: np.random.Generator, axes: tuple[str, ...] = AXES) -> Look:
    """Draw a look: a third have every axis at an end, a sixth the same amount of every axis, the rest are random."""
    kind = rng.uniform()
    if kind < 1 / 3:
        return Look(**{axis: float(rng.integers(2)) for axis in axes})
    if kind < 1 / 2:
        return Look(**dict.fromkeys(axes, float(rng.uniform())))
    return random_look(rng, axes)


def latent_data(
    folder: Path, vae: AutoencoderKL, count: int, *, seed: int, side: int = SIDE, axes: tuple[str, ...] = AXES
) -> LatentData:
    """Read the latents in ``folder``, after making those of the ``count`` that are not there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    firsts = range(0, count, CHUNK)
    chunks = [_chunk(folder, vae, first, min(CHUNK, count - first), seed, side, axes) for first in firsts]
    contents = [Content(**content) for chunk in chunks for content in chunk["contents"]]
    looks = torch.cat([chunk["looks"] for chunk in chunks])
    rng = np.random.default_rng(seed)
    partly = [
        partly_described(content, Look(**dict(zip(axes, amounts, strict=True))), rng, 0.5)
        for content, amounts in zip(contents, looks.tolist(), strict=True)
    ]
    return LatentData(
        latents=torch.cat([chunk["latents"] for chunk in chunks]),
        plain=small_ids([content.caption for content in contents]),
        partly=small_ids(partly),
        looks=looks,
    )


def _chunk(
    folder: Path, vae: AutoencoderKL, first: int, count: int, seed: int, side: int, axes: tuple[str, ...]
) -> dict[str, Any]:
    """Read a chunk, or make it."""
    path = folder / f"{seed}_{first}_{count}.pt"
    if not path.exists():
        made = drawn(count, seed + first, partial(look_to_train, axes=axes), side)
        chunk = {
            "latents": latents_of(vae, made.pictures),
            "looks": looks_as_tensor(made.looks, axes),
            "contents": [asdict(content) for content in made.contents],
        }
        with replaced(path) as temporary:
            torch.save(chunk, temporary)
    return torch.load(path, weights_only=True)
