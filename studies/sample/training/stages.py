"""The stages of the training, each resumable: what a stage needs is made first, and what is there is read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import AutoencoderKL

from studies.sample.training.axes import PairPlan
from studies.sample.training.latents import LatentData, latent_data
from studies.sample.training.pictures import kept_drawings
from studies.sample.training.run import TrainingRun, averages_of
from studies.sample.training.settings import Settings
from studies.sample.training.unets import Drawer, base_loss, freeze_what_is_shared, new_drawer, pair_loss
from studies.sample.training.vae import settle, vae_loss
from studies.sample.training.widths import new_vae


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """Where the training's files are, how much it does, and on what."""

    folder: Path
    settings: Settings
    device: torch.device

    def file(self, stage: str) -> Path:
        """Return where a stage's run is kept."""
        return self.folder / f"{stage}.pt"


def trained_vae(shop: Workshop) -> AutoencoderKL:
    """Train the VAE, or read what was trained; in eval mode, without gradients, its latents of unit size."""
    torch.manual_seed(1)
    vae, plan = new_vae().to(shop.device), shop.settings.vae
    run = TrainingRun(shop.file("vae"), {"vae": vae}, plan.schedule, seed=1)
    kept = kept_drawings(shop.folder / "drawings_vae.npz", plan.drawings, seed=1_000_000, side=shop.settings.side)
    pictures = kept.pictures.to(shop.device)

    def loss_of(step: int, generator: torch.Generator) -> torch.Tensor:
        return vae_loss(vae, pictures, crops=plan.batch, step=step, total=plan.schedule.steps, generator=generator)

    run.run(loss_of)
    run.use_averages()
    vae.eval().requires_grad_(requires_grad=False)
    settle(vae, pictures[:256])
    return vae


def training_latents(shop: Workshop) -> LatentData:
    """Make the latents that all UNets are trained on, or read them; those of another VAE stay apart."""
    folder = shop.folder / f"latents_{shop.settings.vae.schedule.steps}"
    data = latent_data(folder, trained_vae(shop), shop.settings.base.drawings, seed=2_000_000, side=shop.settings.side)
    return data.to(shop.device)


def train_base(shop: Workshop, data: LatentData) -> None:
    """Train the base that knows every look."""
    plan = shop.settings.base
    torch.manual_seed(2)
    drawer = new_drawer(shop.device)
    run = TrainingRun(shop.file("base"), {"unet": drawer.unet, "text": drawer.text}, plan.schedule, seed=2)
    run.run(lambda _, generator: base_loss(drawer, data, plan.batch, generator))


def train_pair(shop: Workshop, data: LatentData, pair: PairPlan) -> None:
    """Train a pair of parents, from the finished base."""
    plan = shop.settings.pair
    a, b = (_from_base(shop) for _ in range(2))
    modules = {"a_unet": a.unet, "a_text": a.text, "b_unet": b.unet, "b_text": b.text}
    run = TrainingRun(shop.file(f"pair_{pair.name}"), modules, plan.schedule, seed=pair.seed)
    run.run(lambda _, generator: pair_loss(a, b, pair, data, plan.batch, generator))


def _from_base(shop: Workshop) -> Drawer:
    drawer = new_drawer(shop.device)
    drawer.unet.load_state_dict(averages_of(shop.file("base"), "unet"))
    # Position ids are no parameters, so the run does not keep them.
    drawer.text.load_state_dict(averages_of(shop.file("base"), "text"), strict=False)
    freeze_what_is_shared(drawer)
    return drawer
