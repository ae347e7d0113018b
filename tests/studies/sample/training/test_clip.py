"""The CLIP of the sample world: it learns from pictures, captions, contents and amounts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from studies.sample.scenery.contents import Content
from studies.sample.scenery.looks import random_look
from studies.sample.training.captions import vocabulary_rows
from studies.sample.training.clip import (
    CAPTIONS,
    CLIP_SIDE,
    caption_ids,
    clip_inputs,
    clip_loss,
    named_places,
    new_clip,
    new_heads,
)
from studies.sample.training.latents import looks_as_tensor
from studies.sample.training.pictures import drawn


def test_contents_become_places_in_the_lists_of_names() -> None:
    contents = [Content(subject="cat", colour="green", place="beach")]
    assert named_places(contents).tolist() == [[3, 3, 0]]


def test_pictures_become_what_clip_reads() -> None:
    white = clip_inputs(torch.full((1, 3, 128, 128), 255, dtype=torch.uint8))
    assert white.shape == (1, 3, CLIP_SIDE, CLIP_SIDE)
    mean, std = 0.48145466, 0.26862954  # OpenAI's, of the red channel
    assert np.allclose(white[:, 0], (1 - mean) / std, atol=1e-3)


def test_captions_of_a_picture_name_different_axes() -> None:
    drawings = drawn(6, 5, random_look, 32)
    ids = caption_ids(drawings, seed=1)
    assert ids.shape == (CAPTIONS, 6, 77)
    assert int(ids.max()) == len(vocabulary_rows()) - 1
    assert not torch.equal(ids[0], ids[1])
    assert torch.equal(ids, caption_ids(drawings, seed=1))


def test_clip_and_heads_learn_a_few_pictures(tmp_path: Path) -> None:
    drawings = drawn(8, 5, random_look, 64)
    torch.manual_seed(0)
    clip, heads = new_clip(tmp_path), new_heads()
    inputs, captions = clip_inputs(drawings.pictures), caption_ids(drawings, seed=1)
    amounts, names = looks_as_tensor(drawings.looks), named_places(drawings.contents)
    parameters = [*clip.parameters(), *heads.parameters()]
    optimiser = torch.optim.AdamW(parameters, lr=1e-3)
    losses: list[float] = []
    for step in range(30):
        numbers = torch.Generator().manual_seed(step)
        loss = clip_loss(clip, heads, inputs, captions, amounts, names, 8, numbers)
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
        losses.append(loss.item())
    assert all(parameter.isfinite().all() for parameter in parameters)
    assert sum(losses[-5:]) < 0.7 * sum(losses[:5])
