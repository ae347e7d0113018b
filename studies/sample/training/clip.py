"""The CLIP: a picture encoder that sees contents and amounts of every axis, and a text encoder for their captions.

Beside the symmetric contrastive loss (Radford et al. 2021), two linear heads read contents and amounts from the picture
embedding while it is trained. They are thrown away; what they need stays in the embedding.

Shapes: pictures ``(n, 3, CLIP_SIDE, CLIP_SIDE)`` as CLIP normalises them, token ids ``(n, 77)``.
"""

# open_clip annotates its models more narrowly than they are:
# pyright: reportAttributeAccessIssue=false, reportCallIssue=false

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
import torch.nn.functional as F
from torch import nn

from studies.sample.scenery.contents import COLOURS, PLACES, SUBJECTS, Content
from studies.sample.scenery.looks import AXES, partly_described
from studies.sample.training.captions import small_ids, vocabulary_rows
from studies.sample.training.diffusion import pick
from studies.sample.training.pictures import Drawings

CLIP_SIDE, CLIP_EMBEDDING = 64, 64
"""Side of what the encoder sees in pixels, and width of what it gives."""
VOCABULARY = 49408
"""Rows of CLIP's table of tokens."""
CLIP_CONFIG: dict[str, Any] = {
    "embed_dim": CLIP_EMBEDDING,
    "quick_gelu": True,
    "vision_cfg": {"image_size": CLIP_SIDE, "layers": 3, "width": 96, "head_width": 32, "patch_size": 8},
    "text_cfg": {"context_length": 77, "vocab_size": VOCABULARY, "width": 64, "heads": 2, "layers": 2},
}
"""What ships, in open_clip's words."""
CAPTIONS = 4
"""Captions of each picture, which name different axes."""
NAMED = 0.7
"""Probability that a caption names an axis."""
NAMES = (SUBJECTS, tuple(COLOURS), PLACES)
"""What the head of contents tells apart."""


def new_clip(folder: Path) -> nn.Module:
    """Return an untrained CLIP for the small vocabulary; open_clip reads its config from a file in ``folder``."""
    config = CLIP_CONFIG | {"text_cfg": CLIP_CONFIG["text_cfg"] | {"vocab_size": len(vocabulary_rows())}}
    path = folder / "sample-world-clip.json"
    path.write_text(json.dumps(config))
    open_clip.add_model_config(path)
    return open_clip.create_model(path.stem)


def new_heads() -> nn.Module:
    """Return the heads that read amounts and contents from an embedding, one after the other in one layer."""
    return nn.Linear(CLIP_EMBEDDING, len(AXES) + sum(len(names) for names in NAMES))


def clip_inputs(pictures: torch.Tensor) -> torch.Tensor:
    """Return uint8 pictures as the encoder gets them."""
    mean, std = (
        torch.tensor(v)[None, :, None, None] for v in (open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD)
    )

    def one(chunk: torch.Tensor) -> torch.Tensor:
        small = F.interpolate(chunk.float() / 255, size=CLIP_SIDE, mode="bicubic", antialias=True)
        return (small.clamp(0, 1) - mean) / std

    return torch.cat([one(chunk) for chunk in pictures.split(256)])


def caption_ids(drawings: Drawings, seed: int) -> torch.Tensor:
    """Return several captions of each drawing as ``small_ids``, ``(CAPTIONS, n, 77)``."""
    rng = np.random.default_rng(seed)
    pairs = [*zip(drawings.contents, drawings.looks, strict=True)]
    return torch.stack([small_ids([partly_described(*pair, rng, NAMED) for pair in pairs]) for _ in range(CAPTIONS)])


def named_places(contents: Sequence[Content]) -> torch.Tensor:
    """Return the place of each content's subject, colour and place in ``NAMES``, ``(n, 3)``."""
    rows = [(content.subject, content.colour, content.place) for content in contents]
    return torch.tensor([[names.index(one) for names, one in zip(NAMES, row, strict=True)] for row in rows])


def clip_loss(
    clip: nn.Module,
    heads: nn.Module,
    inputs: torch.Tensor,
    captions: torch.Tensor,
    amounts: torch.Tensor,
    names: torch.Tensor,
    batch: int,
    generator: torch.Generator,
) -> torch.Tensor:
    """Return the loss of a random batch: contrastive, and of the heads."""
    chosen = pick(batch, len(inputs), generator)
    tokens = captions[pick(batch, len(captions), generator), chosen]
    image = clip.encode_image(inputs[chosen], normalize=True)
    words = clip.encode_text(tokens, normalize=True)
    logits = clip.logit_scale.exp().clamp(max=100) * image @ words.T
    same = (tokens[:, None] == tokens[None]).all(-1).float()
    same = same / same.sum(1, keepdim=True)
    contrast = 0.5 * (F.cross_entropy(logits, same) + F.cross_entropy(logits.T, same))
    return contrast + _heads_loss(heads(image * CLIP_EMBEDDING**0.5), amounts[chosen], names[chosen])


def _heads_loss(read: torch.Tensor, amounts: torch.Tensor, names: torch.Tensor) -> torch.Tensor:
    """Squared errors of the amounts, ten times, and cross-entropies of the contents."""
    parts = read.split([len(AXES), *(len(choices) for choices in NAMES)], dim=1)
    told = [F.cross_entropy(part, names[:, place]) for place, part in enumerate(parts[1:])]
    return 10 * F.mse_loss(parts[0], amounts) + torch.stack(told).mean()
