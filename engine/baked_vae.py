"""Reading a VAE file to bake it into a checkpoint: bare names (``decoder...``), or a whole checkpoint's."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engine.errors import CheckpointError
from engine.header import read_header
from engine.widths import VAE

_BARE = ("encoder.", "decoder.", "quant_conv.", "post_quant_conv.")
_DIFFUSERS = (".down_blocks.", ".mid_block.", ".up_blocks.")


def read_vae(path: Path | str) -> dict[str, Tensor]:
    """The tensors of a VAE by LDM key, ``first_stage_model.`` in front.

    Pickles (``.pt``, ``.ckpt``) are read for their tensors alone; nothing in them can run.

    Raises:
        CheckpointError: the file is missing, damaged, or has no VAE in it.
    """
    path = Path(path)
    content = _pickled(path) if path.suffix in {".pt", ".pth", ".ckpt", ".bin"} else _stored(path)
    found = {_name(key): value for key, value in content.items() if key.startswith((*_BARE, VAE))}
    if not found:
        raise CheckpointError(f"{path}: has no VAE in it; name a file with keys such as decoder.conv_in.weight")
    if any(part in key for key in found for part in _DIFFUSERS):  # only a few of its names are the original ones
        raise CheckpointError(
            f"{path}: is a VAE in diffusers' names; take its version for the WebUI, with keys such as "
            "decoder.up.0.block.0.conv1.weight"
        )
    return found


def _name(key: str) -> str:
    return key if key.startswith(VAE) else VAE + key


def _stored(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    read_header(path)  # says what is wrong with the file
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: cannot be opened ({error}); fetch the file again") from error


def _pickled(path: Path) -> Mapping[str, Tensor]:
    try:
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, AttributeError) as error:
        raise CheckpointError(
            f"{path}: holds something else than plain tensors, which could run code, or is damaged; nothing of it was "
            "opened. Take a .safetensors file"
        ) from error
    content = content.get("state_dict", content) if isinstance(content, dict) else {}
    content = content if isinstance(content, dict) else {}
    return {str(key): value for key, value in content.items() if isinstance(value, Tensor)}
