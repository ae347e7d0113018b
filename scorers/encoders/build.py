"""Builds an open_clip model from weights, without memory for anything else and without random initial values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from engine.errors import Named, first_line
from scorers.encoders.files import EncoderConfig, check_weights, refuse_broken
from scorers.encoders.layouts import Origin
from scorers.encoders.weights_file import WeightsFile
from scorers.errors import ScorerError

VISUAL = "visual."
PIECE = 1 << 20
"""How many numbers are looked at once, when weights are checked."""


def built(
    file: WeightsFile,
    config: EncoderConfig,
    origins: Mapping[str, Origin],
    *,
    text: bool,
    dtype: torch.dtype = torch.float32,
) -> Any:
    """Build the architecture and give it the weights.

    Args:
        file: has the weights, in any number format.
        config: the model's config.
        origins: where the weights are, by open_clip's names.
        text: whether to build the whole model; else its ``visual`` part alone.
        dtype: the number format of the weights in the model; single numbers are in float32.

    Returns:
        open_clip's model, or its ``visual`` part.

    Raises:
        ScorerError: open_clip cannot build the config, or the weights are not exactly those of the architecture, or
            not finite.
    """
    model = _empty(config)
    whole: dict[str, Tensor] = model.state_dict()
    used = list(whole) if text else [name for name in whole if name.startswith(VISUAL)]
    check_weights(file.path, config.name, _shapes(file, origins), whole, used)
    part, cut = (model, 0) if text else (model.visual, len(VISUAL))
    weights = {name: file.take(origins[name], dtype if whole[name].dim() else torch.float32) for name in used}
    broken = [name for name, weight in weights.items() if not _is_finite(weight)]
    refuse_broken(file.path, broken, half=dtype != torch.float32)
    part.load_state_dict({name[cut:]: weight for name, weight in weights.items()}, strict=True, assign=True)
    _fill_buffers(part, config.name)
    return part


def _shapes(file: WeightsFile, origins: Mapping[str, Origin]) -> dict[str, Tensor]:
    try:
        return {name: origin.of(file.shapes) for name, origin in origins.items()}
    except RuntimeError as error:
        raise ScorerError(f"its tensors do not fit together ({first_line(error)})", place=(file.path,)) from error


def _is_finite(weight: Tensor) -> bool:
    """Whether all numbers are finite, looked at in pieces: a large matrix at once takes its size again."""
    pieces = weight.flatten().split(PIECE) if weight.is_floating_point() else ()
    return all(bool(piece.isfinite().all()) for piece in pieces)


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
