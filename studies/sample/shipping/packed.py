"""The files that ship, made of a training's results; ``write_world`` makes whole checkpoints of them.

Each parent's UNet and text encoder stand in a file of their own, what both share in a third: the VAE and the tables of
tokens and places. All of it has LDM names and is fp16. Of the two token tables, 49408 rows each, only the rows of words
that captions use are kept.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from safetensors.torch import load_file, save_file
from torch import nn

from engine.architecture.keymap import Component, ldm_key
from engine.files import replaced, write_text
from studies.sample.training.axes import PairPlan
from studies.sample.training.captions import vocabulary_rows
from studies.sample.training.clip import CLIP_CONFIG
from studies.sample.training.run import averages_of, figures_of
from studies.sample.training.stages import Workshop, train_decoder, trained_vae
from studies.sample.training.subjects import new_classifier
from studies.sample.training.widths import new_vae
from studies.sample.world import CHECKPOINTS, ROWS

CLASSIFIER = "classifier.safetensors"
"""The file of the gate's classifier, which does not ship."""

Tensors = dict[str, torch.Tensor]


def pack(shop: Workshop, pair: PairPlan, packed: Path) -> None:
    """Write what ships of a pair, and the gate's classifier, into the folder ``packed``: seven files."""
    packed.mkdir(parents=True, exist_ok=True)
    run = shop.file(f"pair_{pair.name}")
    vae = trained_vae(shop)
    train_decoder(shop, vae)  # which is done, so this reads it
    shared = in_ldm_layout("vae", vae.state_dict())
    for parent in CHECKPOINTS:
        unet = in_ldm_layout("unet", averages_of(shop.file("base"), "unet") | averages_of(run, f"{parent}_unet"))
        text = in_ldm_layout("text", averages_of(shop.file("base"), "text") | averages_of(run, f"{parent}_text"))
        tables = {key: text.pop(key) for key in [*text] if ".embeddings." in key}
        _save(unet | text, packed / f"{parent}.safetensors")
        shared |= tables
    _save(shared | {ROWS: vocabulary_rows()}, packed / "shared.safetensors")
    clip = {key: _half(tensor) for key, tensor in averages_of(shop.file("clip"), "clip").items()}
    _save(clip | {ROWS: vocabulary_rows()}, packed / "clip.safetensors")
    write_text(packed / "clip.json", json.dumps(CLIP_CONFIG, indent=1) + "\n")
    _save(averages_of(shop.file("classifier"), "classifier"), packed / CLASSIFIER)
    stages = ("vae", "decoder", "base", f"pair_{pair.name}", "clip", "classifier")
    write_text(packed / "training.json", figures_of([shop.file(stage) for stage in stages]))


def packed_vae(packed: Path) -> AutoencoderKL:
    """Return the VAE of a packed pair, in float32."""
    vae, tensors = new_vae(), load_file(packed / "shared.safetensors")
    own = vae.state_dict()
    vae.load_state_dict({name: tensors[ldm_key("vae", name)].float().reshape(own[name].shape) for name in own})
    return vae.eval().requires_grad_(requires_grad=False)


def packed_classifier(packed: Path) -> nn.Module:
    """Return the classifier of subjects that was packed with a pair."""
    classifier = new_classifier()
    classifier.load_state_dict(load_file(packed / CLASSIFIER))
    return classifier.eval()


def in_ldm_layout(component: Component, state: Mapping[str, torch.Tensor]) -> Tensors:
    """Return a diffusers or transformers state dict under LDM keys and in LDM shapes, fp16."""
    out: Tensors = {}
    for name, tensor in state.items():
        key = ldm_key(component, name)
        # The VAE's attention is written as 1x1 convolutions.
        is_flat = component == "vae" and ".attn_1." in key and key.endswith(".weight") and tensor.ndim == 2
        out[key] = _half(tensor[:, :, None, None] if is_flat else tensor)
    return out


def _half(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.detach().to(torch.float16).cpu().contiguous()


def _save(tensors: Tensors, path: Path) -> None:
    with replaced(path) as temporary:
        save_file(tensors, temporary, metadata={"format": "pt"})
