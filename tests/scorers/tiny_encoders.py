"""A tiny random CLIP in every layout that weights are published in."""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from scorers.encoders.encoder import OWN, Encoder

Tensors = dict[str, Tensor]
VISUAL = "visual."


def embedded(encoder: Encoder, images: Tensor) -> Tensor:
    """The encoder's own embedding of pictures, ``[n, d]``."""
    return encoder.embed(images, (OWN,))[OWN]


def write_training_checkpoint(path: Path, style: Tensors) -> Path:
    """CSD as it was published: the state of its training, in parallel, with an optimiser and numpy's numbers."""
    torch.save(
        {
            "model_state_dict": {f"module.{key}": value for key, value in style.items()},
            "opt_bb": {"state": {0: {"exp_avg": torch.zeros(1000)}}, "param_groups": [{"lr": np.float64(1e-4)}]},
            "opt_proj": {"last": np.int64(7), "ratio": np.float32(0.5)},
            "iter": np.int64(80000),
            "args": argparse.Namespace(arch="vit_large", lr=np.float64(1e-4), names=["a"]),
            "fp16_scaler": None,
        },
        path,
    )
    return path


def csd_of(clip: Tensors, seed: int = 0) -> Tensors:
    """CSD's tensors with the backbone of a CLIP: its picture side but the projection, and two matrices."""
    generator = torch.Generator().manual_seed(seed)
    shape = clip[f"{VISUAL}proj"].shape
    backbone = {key.removeprefix(VISUAL): value for key, value in clip.items() if key.startswith(VISUAL)}
    del backbone["proj"]
    matrices = {f"last_layer_{name}": torch.randn(shape, generator=generator) for name in ("style", "content")}
    return {f"backbone.{key}": value for key, value in backbone.items()} | matrices


def transformers_clip(config: dict[str, Any]) -> Any:
    """transformers' CLIPModel of the same architecture as an open_clip config, random."""
    from transformers import CLIPConfig, CLIPModel

    vision, text = config["vision_cfg"], config["text_cfg"]
    act = "quick_gelu" if config.get("quick_gelu") else "gelu"
    shared = {"hidden_act": act, "projection_dim": config["embed_dim"]}
    side = {
        "hidden_size": vision["width"],
        "intermediate_size": 4 * vision["width"],
        "num_hidden_layers": vision["layers"],
        "num_attention_heads": vision["width"] // vision["head_width"],
        "image_size": vision["image_size"],
        "patch_size": vision["patch_size"],
    }
    words = {
        "hidden_size": text["width"],
        "intermediate_size": 4 * text["width"],
        "num_hidden_layers": text["layers"],
        "num_attention_heads": text["heads"],
        "max_position_embeddings": text["context_length"],
        "vocab_size": text["vocab_size"],
        "bos_token_id": 49406,
        "eos_token_id": 49407,
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        made = CLIPModel(
            CLIPConfig(vision_config=shared | side, text_config=shared | words, projection_dim=config["embed_dim"])
        )
        with torch.no_grad():
            for parameter in made.parameters():  # biases and norms start out as 0 and 1: nothing would show
                parameter.add_(0.02 * torch.randn(parameter.shape))
    return made.eval()


class Program(nn.Module):
    """Tensors as parameters of nested modules, so that TorchScript gives them their names."""

    def forward(self, x: Tensor) -> Tensor:
        """Nothing of interest."""
        return x


def write_torchscript(path: Path, tensors: Tensors) -> Path:
    """A TorchScript archive with these tensors, and the three numbers that OpenAI's have besides, as fp16."""
    root = Program()
    for name, value in tensors.items():
        *modules, last = name.split(".")
        at: nn.Module = root
        for part in modules:
            if not hasattr(at, part):
                at.add_module(part, nn.Module())
            at = getattr(at, part)
        at.register_parameter(last, nn.Parameter(value.half(), requires_grad=False))
    for name, number in {"input_resolution": 64, "context_length": 77, "vocab_size": 49408}.items():
        root.register_buffer(name, torch.tensor(number))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(root), str(path))
    return path


def rewritten(source: Path, target: Path, **changes: Tensor | None) -> Path:
    """A safetensors file with some tensors replaced, or without those that are None; dots are written as ``__``."""
    state = load_file(source)
    for name, value in changes.items():
        key = name.replace("__", ".")
        if value is None:
            del state[key]
        else:
            state[key] = value
    save_file(state, target)
    return target
