"""What the UNets of checkpoints predict: by their marks, and for SD2, whose files have none, by a test of the UNet.

The test is that of AUTOMATIC1111's WebUI 1.10 (``is_using_v_parameterization_for_sd2`` in its
modules/sd_models_config.py): at the last time a latent is all noise, so that a UNet which predicts noise returns about
what it is given, and one which predicts v something far below.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import nn

from engine.architecture.configs import ModelFamily
from engine.architecture.keymap import fills
from engine.architecture.prediction import V_MARK, marks_of, says_v
from engine.architecture.widths import UNET
from engine.checkpoints.checkpoint import Checkpoint
from engine.live.model import part_of

LEVEL = 0.5
"""The value of every number of the test's latent and of its conditioning."""
SIDE = 8
"""The latents along a side of the test."""
TOKENS = 2
"""The tokens of the test's conditioning."""
LAST_TIME = 999
"""The time of the most noise."""
FAR_BELOW = -1.0
"""The mean change below which the UNet predicts v."""


def model_marks(checkpoints: Mapping[str, Checkpoint]) -> dict[str, frozenset[str]]:
    """Return which of ``v_pred`` and ``ztsnr`` each file is marked with, SD2's v as the test finds it.

    The test reads the UNet of every SD2 file that says nothing, which takes seconds and its size in float32.
    """
    return {name: _marks(checkpoint) for name, checkpoint in checkpoints.items()}


def _marks(checkpoint: Checkpoint) -> frozenset[str]:
    found = marks_of(checkpoint.tensors, checkpoint.metadata)
    if checkpoint.family != "sd2" or V_MARK in found or says_v(checkpoint.metadata) is not None:
        return found
    return found | {V_MARK} if predicts_v(checkpoint) else found


@torch.inference_mode()
def predicts_v(checkpoint: Checkpoint) -> bool:
    """Return whether the UNet of a complete SD2 checkpoint predicts v, by the WebUI's test, in float32 on the CPU."""
    unet = _unet_of(checkpoint)
    latent = torch.full((1, 4, SIDE, SIDE), LEVEL)
    context = torch.full((1, TOKENS, checkpoint.widths.context), LEVEL)
    output = unet(latent, torch.tensor([LAST_TIME]), encoder_hidden_states=context, return_dict=False)[0]
    return bool((output - latent).mean() < FAR_BELOW)


def _unet_of(checkpoint: Checkpoint) -> UNet2DConditionModel:
    """The UNet alone, its parameters filled one by one."""
    with torch.device("meta"):
        unet = UNet2DConditionModel(**ModelFamily(widths=checkpoint.widths).unet_config())
    for key in checkpoint.tensors:
        if not key.startswith(UNET):
            continue
        for fill in fills(key, checkpoint.widths):
            path, _, leaf = fill.name.rpartition(".")
            owner = unet.get_submodule(path)
            shape = owner.get_parameter(leaf).shape
            value = part_of(fill, checkpoint.read(key)).float().reshape(shape)
            setattr(owner, leaf, nn.Parameter(value, requires_grad=False))
    return unet.eval()
