"""The stages of the training, each resumable: what a stage needs is made first, and what is there is read."""

# diffusers annotates its models more narrowly than they are:
# pyright: reportArgumentType=false, reportOptionalMemberAccess=false

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import AutoencoderKL

from engine.files import replaced
from studies.sample.scenery.looks import AXES
from studies.sample.training.axes import PairPlan
from studies.sample.training.clip import caption_ids, clip_inputs, clip_loss, named_places, new_clip, new_heads
from studies.sample.training.latents import LatentData, latent_data, looks_as_tensor
from studies.sample.training.pictures import Drawings, kept_drawings
from studies.sample.training.run import TrainingRun, averages_of
from studies.sample.training.settings import Settings
from studies.sample.training.subjects import (
    classifier_inputs,
    classifier_loss,
    new_classifier,
    subject_places,
)
from studies.sample.training.unets import Drawer, base_loss, freeze_what_is_shared, new_drawer, pair_loss
from studies.sample.training.vae import decoder_loss, latents_of, round_trip, settle, vae_loss
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
    pictures = vae_pictures(shop)

    def loss_of(step: int, generator: torch.Generator) -> torch.Tensor:
        return vae_loss(vae, pictures, crops=plan.batch, step=step, total=plan.schedule.steps, generator=generator)

    run.run(loss_of)
    run.use_averages()
    vae.eval().requires_grad_(requires_grad=False)
    settle(vae, pictures[:256])
    return vae


def train_decoder(shop: Workshop, vae: AutoencoderKL) -> None:
    """Train the decoder of a trained VAE further, in place; its latents stay what they are.

    So UNets can be trained before the decoder is as good as it gets.
    """
    plan, parts = shop.settings.decoder, {"decoder": vae.decoder, "post_quant_conv": vae.post_quant_conv}
    for part in parts.values():
        part.requires_grad_(requires_grad=True)
    run = TrainingRun(shop.file("decoder"), parts, plan.schedule, seed=5)
    if not run.finished:
        pictures = vae_pictures(shop)
        latents = latents_of(vae, pictures).to(shop.device)
        run.run(lambda _, generator: decoder_loss(vae, latents, pictures, batch=plan.batch, generator=generator))
    run.use_averages()
    vae.requires_grad_(requires_grad=False)


def vae_pictures(shop: Workshop) -> torch.Tensor:
    """Return the drawings that the VAE is trained on, ``(n, 3, side, side)`` uint8, on the device."""
    count, side = shop.settings.vae.drawings, shop.settings.side
    kept = kept_drawings(shop.folder / "drawings_vae.npz", count, seed=1_000_000, side=side)
    return kept.pictures.to(shop.device)


def training_latents(shop: Workshop, vae: AutoencoderKL, axes: tuple[str, ...] = AXES) -> LatentData:
    """Make the latents that UNets are trained on, or read them; those of other axes or another VAE stay apart."""
    name = "_".join([f"latents_{shop.settings.vae.schedule.steps}", *(axes if axes != AXES else ())])
    count, side = shop.settings.base.drawings, shop.settings.side
    return latent_data(shop.folder / name, vae, count, seed=2_000_000, side=side, axes=axes).to(shop.device)


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


def train_clip(shop: Workshop, vae: AutoencoderKL) -> None:
    """Train the CLIP, on drawings and on what the VAE makes of them."""
    plan = shop.settings.clip
    drawn, through_vae = judged_drawings(shop, vae)
    torch.manual_seed(3)
    clip, heads = new_clip(shop.folder).to(shop.device), new_heads().to(shop.device)
    inputs = torch.cat([clip_inputs(drawn.pictures), clip_inputs(through_vae)]).to(shop.device)
    captions = caption_ids(drawn, seed=3).repeat(1, 2, 1).to(shop.device)
    amounts = looks_as_tensor(drawn.looks).repeat(2, 1).to(shop.device)
    names = named_places(drawn.contents).repeat(2, 1).to(shop.device)
    run = TrainingRun(shop.file("clip"), {"clip": clip, "heads": heads}, plan.schedule, seed=3)
    run.run(lambda _, generator: clip_loss(clip, heads, inputs, captions, amounts, names, plan.batch, generator))


def train_classifier(shop: Workshop, vae: AutoencoderKL) -> None:
    """Train the gate's classifier of subjects, on the same pictures."""
    plan = shop.settings.classifier
    drawn, through_vae = judged_drawings(shop, vae)
    torch.manual_seed(4)
    classifier = new_classifier().to(shop.device)
    inputs = torch.cat([classifier_inputs(drawn.pictures), classifier_inputs(through_vae)]).to(shop.device)
    subjects = subject_places(drawn).repeat(2).to(shop.device)
    run = TrainingRun(shop.file("classifier"), {"classifier": classifier}, plan.schedule, seed=4)
    run.run(lambda _, generator: classifier_loss(classifier, inputs, subjects, plan.batch, generator))


def judged_drawings(shop: Workshop, vae: AutoencoderKL) -> tuple[Drawings, torch.Tensor]:
    """Return drawings in random looks, and the same through the VAE, ``(n, 3, side, side)`` uint8; both are kept."""
    settings = shop.settings
    name = f"judged_{settings.vae.schedule.steps}"
    kept = kept_drawings(
        shop.folder / "drawings_judged.npz", settings.clip.drawings, seed=3_000_000, side=settings.side
    )
    path = shop.folder / f"{name}.pt"
    if not path.exists():
        with replaced(path) as temporary:
            torch.save(round_trip(vae, kept.pictures), temporary)
    return kept, torch.load(path, weights_only=True)
