"""Turn a training folder into the files that ship: ``python -m studies.sample.pack --work FOLDER``.

Shipped, in ``studies/sample/world``: the two UNets, and once what both checkpoints share (VAE and text encoder), all
under their original LDM key names in fp16; the tiny CLIP in open_clip's layout. Of the two token tables, 49408 rows
each, only the rows of words that the training captions use are kept; the others are zero. ``studies.sample.world``
puts complete checkpoints together again.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file

from engine.architecture.keymap import Component, ldm_key
from studies.sample.models import CLIP_CONFIG, new_text_encoder
from studies.sample.shapes import COLOURS, PLACES, SUBJECTS, caption
from studies.sample.train import token_ids
from studies.sample.world import CLIP_TOKENS, ROWS, TEXT_TOKENS, WORLD

State = Mapping[str, torch.Tensor]


def used_rows() -> torch.Tensor:
    """Ids of the tokens that occur in the sample world's captions, sorted."""
    plain = [caption(s, c, p) for s in SUBJECTS for c in COLOURS for p in PLACES]
    words = "drawn painted photographed background, close up, at some distance, far away"
    return token_ids([*plain, words, ""]).unique()


def in_ldm_layout(component: Component, state: State) -> dict[str, torch.Tensor]:
    """A diffusers or transformers state dict under LDM keys and shapes, fp16."""
    out: dict[str, torch.Tensor] = {}
    for name, tensor in state.items():
        key = ldm_key(component, name)
        # The VAE's attention is written as 1x1 convolutions.
        is_flat = component == "vae" and ".attn_1." in key and key.endswith(".weight") and tensor.ndim == 2
        out[key] = (tensor[:, :, None, None] if is_flat else tensor).to(torch.float16).contiguous()
    return out


def only_rows(tensors: dict[str, torch.Tensor], table: str, rows: torch.Tensor) -> dict[str, torch.Tensor]:
    """Replace a token table by its used rows and their ids."""
    return tensors | {table: tensors[table][rows].contiguous(), ROWS: rows}


def pack(work: Path) -> None:
    """Write the shipped files from the stages' results in ``work``."""
    WORLD.mkdir(exist_ok=True)
    rows = used_rows()
    for name in ("illustration", "photo"):
        unet = torch.load(work / f"{name}_2.pt", weights_only=True)
        save_file(in_ldm_layout("unet", unet), WORLD / f"{name}.safetensors")
    vae = in_ldm_layout("vae", torch.load(work / "vae_2.pt", weights_only=True))
    text = new_text_encoder()
    text.load_state_dict(torch.load(work / "base.pt", weights_only=True)["text"])
    named = in_ldm_layout("text", dict(text.named_parameters()))
    save_file(only_rows(vae | named, TEXT_TOKENS, rows), WORLD / "shared.safetensors")
    clip = {k: v.to(torch.float16).contiguous() for k, v in torch.load(work / "clip.pt", weights_only=True).items()}
    save_file(only_rows(clip, CLIP_TOKENS, rows), WORLD / "clip.safetensors")
    (WORLD / "clip.json").write_text(json.dumps(CLIP_CONFIG, indent=1) + "\n")
    shutil.copyfile(work / "training.json", WORLD / "training.json")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--work", type=Path, required=True, help="folder that studies.sample.train filled")
    pack(parser.parse_args().work)


if __name__ == "__main__":
    main()
