"""Builds an open_clip model from weights, without memory for anything else and without random initial values."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from engine.errors import Named
from scorers.encoders.files import EncoderConfig, check_weights
from scorers.errors import ScorerError

VISUAL = "visual."


def built(path: Path, config: EncoderConfig, tensors: Mapping[str, Tensor], *, text: bool) -> Any:
    """Build the architecture and give it the weights, in float32.

    Args:
        path: the weights' file, for messages.
        config: the model's config.
        tensors: its weights by open_clip's names, in any number format.
        text: whether to build the whole model; else its ``visual`` part alone.

    Returns:
        open_clip's model, or its ``visual`` part.

    Raises:
        ScorerError: open_clip cannot build the config, or the weights are not exactly those of the architecture.
    """
    model = _empty(config)
    whole: dict[str, Tensor] = model.state_dict()
    used = list(whole) if text else [name for name in whole if name.startswith(VISUAL)]
    check_weights(path, config.name, tensors, whole, used)
    part, cut = (model, 0) if text else (model.visual, len(VISUAL))
    part.load_state_dict({name[cut:]: _private(tensors[name]) for name in used}, strict=True, assign=True)
    _fill_buffers(part, config.name)
    return part


def _empty(config: EncoderConfig) -> Any:
    from open_clip import CLIP, CustomTextCLIP

    settings = dict(config.model)
    custom = settings.pop("custom_text", False)
    if "hf_model_name" in settings["text_cfg"]:
        raise ScorerError(
            "its text side needs a download",
            place=(Named(config.name),),
            remedy="use a plain CLIP or SigLIP architecture",
        )
    if "multimodal_cfg" in settings:
        raise ScorerError(
            "CoCa models are not supported",
            place=(Named(config.name),),
            remedy="use a plain CLIP or SigLIP architecture",
        )
    try:
        # Shapes without numbers. If an initialiser draws random numbers anyway, the global generator must not advance.
        with torch.random.fork_rng(devices=[]), torch.device("meta"):
            return (CustomTextCLIP if custom else CLIP)(**settings)
    except (TypeError, KeyError, ValueError, AssertionError, RuntimeError, ZeroDivisionError) as error:
        raise ScorerError(f"open_clip cannot build this config ({error})", place=(Named(config.name),)) from error


def _private(tensor: Tensor) -> Tensor:
    """A copy: the file may be mapped into memory, and may be overwritten while the model is in use."""
    return tensor.to(torch.float32 if tensor.is_floating_point() else tensor.dtype, copy=True).contiguous()


def _fill_buffers(model: nn.Module, name: str) -> None:
    """Fill the buffers that are not in weights files: a text encoder's causal mask, as open_clip fills it."""
    for module in model.modules():
        for key, buffer in list(module.named_buffers(recurse=False)):
            if not buffer.is_meta:
                continue
            if key != "attn_mask":
                raise ScorerError(
                    f"open_clip gives it a buffer {key!r} that is in no file",
                    place=(Named(name),),
                    remedy="take another one",
                )
            setattr(module, key, torch.full(tuple(buffer.shape), float("-inf")).triu_(1))
