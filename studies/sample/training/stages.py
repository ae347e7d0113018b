"""The stages of the training, each resumable: what it needs is made first, what is there is read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import AutoencoderKL

from studies.sample.training.pictures import drawings
from studies.sample.training.run import TrainingRun
from studies.sample.training.settings import Settings
from studies.sample.training.vae import settle, vae_loss
from studies.sample.training.widths import new_vae


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """Where the training's files are, how much it does, and on what."""

    folder: Path
    settings: Settings
    device: torch.device


def trained_vae(shop: Workshop) -> AutoencoderKL:
    """Train the VAE, or read what was trained; in eval mode, without gradients, its latents of unit size."""
    torch.manual_seed(1)
    vae, plan = new_vae().to(shop.device), shop.settings.vae
    run = TrainingRun(shop.folder / "vae.pt", {"vae": vae}, plan.schedule, seed=1)
    drawn = drawings(shop.folder / "drawings_vae.npz", plan.drawings, seed=1_000_000).pictures.to(shop.device)

    def loss_of(step: int, generator: torch.Generator) -> torch.Tensor:
        return vae_loss(vae, drawn, crops=plan.batch, step=step, total=plan.schedule.steps, generator=generator)

    run.run(loss_of)
    run.use_averages()
    vae.eval().requires_grad_(requires_grad=False)
    settle(vae, drawn[:256])
    return vae
