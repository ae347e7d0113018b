"""Train the sample world from nothing: ``python -m studies.sample.train --work FOLDER``.

One VAE, one common base on every mix of the two looks, two fine-tunes of that base (illustration: flat, outlined,
close; photo: shaded, grainy, far away), and a tiny CLIP that knows contents, looks and distances. Every stage leaves
its result in the work folder, so a stopped run goes on where it was. ``studies.sample.pack`` turns the folder into
the files that ship with the package.

Shapes: pictures ``(n, 3, side, side)`` in -1..1, latents ``(n, 4, side / 8, side / 8)`` scaled by
``LATENT_SCALE``, token ids ``(n, 77)``. Two CPU cores need about an hour and a half; the figures of the run behind
the shipped files are in ``training.json`` beside them.
"""

# diffusers and open_clip annotate their models more narrowly than they are:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportOptionalMemberAccess=false, reportOptionalSubscript=false

from __future__ import annotations

import argparse
import json
import logging
import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import open_clip
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextModel

from studies.sample.models import CLIP_CONFIG, LATENT_SCALE, new_text_encoder, new_unet, new_vae
from studies.sample.scenes import Scene, draw, random_scene

log = logging.getLogger(__name__)

PICTURE = 96
DRAFT = 64  # the base learns contents at this size first, where a step costs less
END_OF_TEXT = 49407
STEPS = {"vae": 1500, "base": 1500, "fine_tune": 450, "clip": 500}

StyledScene = tuple[Scene, float, float]
"""A scene, and how far its subject and its background are photographed: 0 is drawn, 1 is photographed."""


# -------------------------------------------------------------------------------------------------- the pictures


def illustration(rng: np.random.Generator) -> StyledScene:
    """Checkpoint A's world: drawn, and seen from close by."""
    return random_scene(rng, scale=(0.62, 0.76), horizon=(0.62, 0.72)), 0.0, 0.0


def photo(rng: np.random.Generator) -> StyledScene:
    """Checkpoint B's world: photographed, from far away."""
    return random_scene(rng, scale=(0.32, 0.42), horizon=(0.42, 0.52)), 1.0, 1.0


def anything(rng: np.random.Generator) -> StyledScene:
    """The base's world: every distance, and every amount of either look in subject and background."""
    near = float(rng.uniform())
    low, high = 0.32 + 0.3 * near, 0.42 + 0.34 * near
    horizon = 0.42 + 0.2 * near
    scene = random_scene(rng, scale=(low, high), horizon=(horizon, horizon + 0.1))
    amounts = np.clip(rng.uniform(-0.4, 1.4, 2), 0, 1)
    return scene, float(amounts[0]), float(amounts[1])


def _drawn(seed: int, world: Callable[[np.random.Generator], StyledScene], side: int) -> tuple[StyledScene, np.ndarray]:
    scene, subject, background = styled = world(np.random.default_rng(seed))
    return styled, draw(scene, side, subject_photo=subject, background_photo=background)


def drawn(
    world: Callable[[np.random.Generator], StyledScene], side: int, count: int, seed: int
) -> tuple[list[StyledScene], torch.Tensor]:
    """``count`` scenes and their pictures, ``(count, 3, side, side)`` uint8; ``seed`` to ``seed + count`` are used."""
    with ProcessPoolExecutor(2) as pool:
        pairs = list(pool.map(partial(_drawn, world=world, side=side), range(seed, seed + count), chunksize=50))
    pictures = torch.from_numpy(np.stack([picture for _, picture in pairs])).permute(0, 3, 1, 2)
    return [scene for scene, _ in pairs], pictures.contiguous()


def signed(pictures: torch.Tensor) -> torch.Tensor:
    """uint8 0..255 to float -1..1."""
    return pictures.float() / 127.5 - 1


# ------------------------------------------------------------------------------------------------- the text side


def token_ids(captions: list[str]) -> torch.Tensor:
    """``(n, 77)`` CLIP token ids, padded with the end-of-text token as SD1 does."""
    ids = open_clip.tokenizer.SimpleTokenizer()(captions)
    ends = (ids == END_OF_TEXT).int().argmax(1, keepdim=True)
    return torch.where(torch.arange(77)[None] > ends, END_OF_TEXT, ids)


def described(styled: StyledScene, rng: np.random.Generator) -> str:
    """A caption for CLIP: half the time with words on the look and the distance."""
    scene, subject, background = styled
    if rng.uniform() < 0.5:
        return scene.caption

    def word(amount: float) -> str:
        return "drawn" if amount < 0.25 else "photographed" if amount > 0.75 else "painted"

    distance = "close up" if scene.scale > 0.55 else "far away" if scene.scale < 0.46 else "at some distance"
    first, rest = scene.caption.split(" ", 1)
    return f"{first} {word(subject)} {rest}, {word(background)} background, {distance}"


# --------------------------------------------------------------------------------------------------- the stages


def schedule(step: int, total: int, peak: float) -> float:
    """Learning rate: 50 steps of warm-up, then a cosine down to a twentieth."""
    if step < 50:
        return peak * (step + 1) / 50
    return peak * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * (step - 50) / max(1, total - 50))))


def run_steps(
    name: str, total: int, peak: float, parameters: list[torch.nn.Parameter], loss_of: Callable[[], torch.Tensor]
) -> Iterator[int]:
    """AdamW for ``total`` steps; yields after each, so that the caller can average or report."""
    optimiser = torch.optim.AdamW(parameters, lr=peak, betas=(0.9, 0.99), weight_decay=1e-3)
    mean, started = 0.0, time.monotonic()
    for step in range(total):
        for group in optimiser.param_groups:
            group["lr"] = schedule(step, total, peak)
        loss = loss_of()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        mean = loss.item() if step == 0 else 0.98 * mean + 0.02 * loss.item()
        if step % 50 == 49:
            log.info(
                "%s %d/%d loss %.4f, %.2f s a step",
                name,
                step + 1,
                total,
                mean,
                (time.monotonic() - started) / (step + 1),
            )
        yield step
    FIGURES[name] = {"steps": total, "loss": round(mean, 5), "seconds": round(time.monotonic() - started)}


FIGURES: dict[str, dict[str, float]] = {}


def gradients(x: torch.Tensor) -> torch.Tensor:
    """Horizontal and vertical differences, stacked as channels, one pixel smaller each way."""
    return torch.cat([x[..., 1:, :-1] - x[..., :-1, :-1], x[..., :-1, 1:] - x[..., :-1, :-1]], 1)


def train_vae(work: Path) -> AutoencoderKL:
    """The VAE, on 64-pixel crops; its latents end with unit variance after ``LATENT_SCALE``."""
    vae = new_vae()
    for cycle in (1, 2):  # a second warm start mends the colours that the first leaves muddy
        if not (work / f"vae_{cycle}.pt").exists():
            fit_vae(vae, f"vae_{cycle}")
            torch.save(vae.state_dict(), work / f"vae_{cycle}.pt")
        vae.load_state_dict(torch.load(work / f"vae_{cycle}.pt", weights_only=True))
    return vae.eval().requires_grad_(False)


def fit_vae(vae: AutoencoderKL, name: str) -> None:
    """One cycle of VAE training."""
    _, large = drawn(anything, PICTURE, 1200, 10_000)
    pictures = signed(large)

    def loss_of() -> torch.Tensor:
        y, x = torch.randint(0, PICTURE - 63, (2,)).tolist()
        batch = pictures[torch.randint(0, len(pictures), (8,)), :, y : y + 64, x : x + 64]
        posterior = vae.encode(batch).latent_dist
        out = vae.decode(posterior.sample()).sample
        fit = F.l1_loss(out, batch) + F.mse_loss(out, batch) + 0.5 * F.l1_loss(gradients(out), gradients(batch))
        return fit + 1e-6 * posterior.kl().mean()

    for _ in run_steps(name, STEPS["vae"], 1.5e-3, list(vae.parameters()), loss_of):
        pass
    normalise_latents(vae, pictures[:256])


@torch.no_grad()
def normalise_latents(vae: AutoencoderKL, pictures: torch.Tensor) -> None:
    """Fold a factor into the two 1x1 convolutions round the latents, so that ``LATENT_SCALE`` makes them unit size."""
    std = torch.cat([vae.encode(chunk).latent_dist.mean for chunk in pictures.split(32)]).std()
    factor = 1 / (LATENT_SCALE * std)
    vae.quant_conv.weight[:4] *= factor
    vae.quant_conv.bias[:4] *= factor
    vae.quant_conv.bias[4:] += 2 * factor.log()  # the log variances
    vae.post_quant_conv.weight /= factor


@torch.no_grad()
def latents_of(vae: AutoencoderKL, pictures: torch.Tensor) -> torch.Tensor:
    """Scaled mean latents of uint8 pictures."""
    return torch.cat([vae.encode(signed(chunk)).latent_dist.mean * LATENT_SCALE for chunk in pictures.split(64)])


def noise_levels() -> torch.Tensor:
    """Cumulative alphas of SD1's scaled-linear schedule, ``(1000,)``."""
    return torch.cumprod(1 - torch.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2, 0)


def diffusion_loss(
    unet: UNet2DConditionModel, text: CLIPTextModel, latents: torch.Tensor, ids: torch.Tensor, batch: int = 32
) -> torch.Tensor:
    """Noise-prediction loss on a random batch; one caption in ten is dropped, for guidance."""
    pick = torch.randint(0, len(latents), (batch,))
    clean, tokens = latents[pick], ids[pick].clone()
    tokens[torch.rand(batch) < 0.1, 1:] = END_OF_TEXT
    t = torch.randint(0, 1000, (batch,))
    alpha = noise_levels()[t][:, None, None, None]
    noise = torch.randn_like(clean)
    context = text(tokens).last_hidden_state
    return F.mse_loss(unet(alpha.sqrt() * clean + (1 - alpha).sqrt() * noise, t, context).sample, noise)


def train_diffusion(
    name: str,
    total: int,
    peak: float,
    unet: UNet2DConditionModel,
    text: CLIPTextModel,
    data: tuple[torch.Tensor, torch.Tensor],
    *,
    learn_text: bool,
) -> None:
    """Train, then replace the weights by their running average of the last two hundred steps or so."""
    trained = [*unet.parameters(), *(text.parameters() if learn_text else ())]
    average = [p.detach().clone() for p in trained]
    for step in run_steps(name, total, peak, trained, lambda: diffusion_loss(unet, text, *data)):
        decay = min(0.995, (step + 1) / (step + 20))
        for mean, parameter in zip(average, trained, strict=True):
            mean.lerp_(parameter.detach(), 1 - decay)
    with torch.no_grad():
        for parameter, mean in zip(trained, average, strict=True):
            parameter.copy_(mean)


def latent_data(
    vae: AutoencoderKL, world: Callable[[np.random.Generator], StyledScene], side: int, count: int, seed: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Latents and token ids of freshly drawn scenes."""
    looks, pictures = drawn(world, side, count, seed)
    return latents_of(vae, pictures), token_ids([scene.caption for scene, _, _ in looks])


def train_base(work: Path, vae: AutoencoderKL) -> tuple[UNet2DConditionModel, CLIPTextModel]:
    """The common base and the text encoder, on small pictures."""
    unet, text, path = new_unet(), new_text_encoder(), work / "base.pt"
    if not path.exists():
        data = latent_data(vae, anything, DRAFT, 4000, 100_000)
        train_diffusion("base", STEPS["base"], 1.5e-3, unet, text, data, learn_text=True)
        torch.save({"unet": unet.state_dict(), "text": text.state_dict()}, path)
    load_pair(path, unet, text)
    return unet, text.eval().requires_grad_(False)


def load_pair(path: Path, unet: UNet2DConditionModel, text: CLIPTextModel) -> None:
    """Read a base saved by ``train_base`` into both models."""
    states = torch.load(path, weights_only=True)
    unet.load_state_dict(states["unet"])
    text.load_state_dict(states["text"])


def fine_tune(
    work: Path, vae: AutoencoderKL, name: str, world: Callable[[np.random.Generator], StyledScene], seed: int
) -> None:
    """A fine-tune of the base's UNet on one world, at the full picture size, in two cycles on fresh scenes."""
    unet, text = train_base(work, vae)
    for cycle in (1, 2):
        path = work / f"{name}_{cycle}.pt"
        if not path.exists():
            data = latent_data(vae, world, PICTURE, 2000, seed + 10_000 * (cycle - 1))
            train_diffusion(f"{name}_{cycle}", STEPS["fine_tune"], 6e-4, unet, text, data, learn_text=False)
            torch.save(unet.state_dict(), path)
        unet.load_state_dict(torch.load(path, weights_only=True))


def train_clip(work: Path) -> None:
    """A tiny CLIP on every look, by the symmetric contrastive loss of Radford et al. 2021."""
    path, config = work / "clip.pt", work / "sample-clip.json"
    if path.exists():
        return
    config.write_text(json.dumps(CLIP_CONFIG))
    open_clip.add_model_config(config)
    model = open_clip.create_model("sample-clip")
    looks, pictures = drawn(anything, PICTURE, 4000, 500_000)
    mean, std = (
        torch.tensor(v)[None, :, None, None] for v in (open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD)
    )
    small = torch.cat(
        [
            F.interpolate(c.float() / 255, size=64, mode="bicubic", antialias=True).clamp(0, 1)
            for c in pictures.split(256)
        ]
    )
    small = (small - mean) / std
    rng = np.random.default_rng(0)
    captions = [token_ids([described(look, rng) for look in looks]) for _ in range(2)]

    def loss_of() -> torch.Tensor:
        pick = torch.randint(0, len(small), (128,))
        tokens = captions[int(torch.randint(0, 2, ()))][pick]
        image, words = model.encode_image(small[pick], normalize=True), model.encode_text(tokens, normalize=True)
        logits = model.logit_scale.exp().clamp(max=100) * image @ words.T
        same = (tokens[:, None] == tokens[None]).all(-1).float()
        same = same / same.sum(1, keepdim=True)
        return 0.5 * (F.cross_entropy(logits, same) + F.cross_entropy(logits.T, same))

    model.train()
    for _ in run_steps("clip", STEPS["clip"], 1e-3, list(model.parameters()), loss_of):
        pass
    torch.save(model.state_dict(), path)


STAGES: dict[str, Callable[[Path], object]] = {
    "clip": train_clip,
    "vae": train_vae,
    "base": lambda work: train_base(work, train_vae(work)),
    "illustration": lambda work: fine_tune(work, train_vae(work), "illustration", illustration, 300_000),
    "photo": lambda work: fine_tune(work, train_vae(work), "photo", photo, 400_000),
}


def main() -> None:
    """Run every stage that has no result yet, or one of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--work", type=Path, required=True, help="folder of the stages' results")
    parser.add_argument("--only", choices=sorted(STAGES), help="run this stage alone")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    work: Path = arguments.work
    work.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    for name, stage in STAGES.items():
        if arguments.only in (None, name):
            stage(work)
    figures = work / "training.json"
    known = json.loads(figures.read_text()) if figures.exists() else {}
    figures.write_text(json.dumps(known | FIGURES, indent=1) + "\n")


if __name__ == "__main__":
    main()
