"""Reading a VAE file, to bake it in or to decode with: bare names (``decoder...``), or a whole checkpoint's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

from torch import Tensor

from engine.architecture.families import read_widths
from engine.architecture.layout import shapes
from engine.architecture.widths import LATENT_CHANNELS, VAE, Shape, Widths, same_shape
from engine.checkpoints.checkpoint import mapped, named
from engine.checkpoints.header import read_header
from engine.checkpoints.tensors import all_finite
from engine.checkpoints.weight_file import load_pickle
from engine.errors import CheckpointError, counted
from engine.files import DAMAGED_TENSORS

_BARE = ("encoder.", "decoder.", "quant_conv.", "post_quant_conv.")
_DIFFUSERS = (".down_blocks.", ".mid_block.", ".up_blocks.")
_LATENTS = f"{VAE}decoder.conv_in.weight"
TRAINING = (f"{VAE}loss.", f"{VAE}model_ema.")  # the WebUI leaves them out too


def read_vae(path: Path | str) -> dict[str, Tensor]:
    """Read the tensors of a VAE by LDM key, which begins with ``first_stage_model.``.

    Only tensors are read from pickles (``.pt``, ``.ckpt``); no code in them is run.

    Raises:
        CheckpointError: the file is missing, damaged, or has no VAE in it.
    """
    path = Path(path)
    content = _pickled(path) if path.suffix in {".pt", ".pth", ".ckpt", ".bin"} else _stored(path)
    found = {_name(key): value for key, value in content.items() if _is_vae(key)}
    if not found:
        raise CheckpointError(
            "has no VAE in it", place=(path,), remedy="name a file with keys such as decoder.conv_in.weight"
        )
    if any(part in key for key in found for part in _DIFFUSERS):  # only a few of its names are the original ones
        raise CheckpointError(
            "is a VAE in diffusers' names",
            place=(path,),
            remedy="take its version for the WebUI, with keys such as decoder.up.0.block.0.conv1.weight",
        )
    return found


def read_whole_vae(path: Path | str, widths: Widths | None = None) -> dict[str, Tensor]:
    """Read every tensor of a VAE that is to decode, by LDM key.

    SDXL's VAE has the shapes of SD1's and SD2's, so that they cannot be distinguished.

    Args:
        path: as for ``read_vae``.
        widths: of the model whose latents are decoded; None: the VAE's own, whatever they are.

    Raises:
        CheckpointError: as ``read_vae``; or the VAE is of another architecture, not whole, or holds NaN.
    """
    found = {key: value for key, value in read_vae(path).items() if not key.startswith(TRAINING)}
    _check_channels(path, found)
    expected = widths or read_widths(_shapes(found))
    _check_whole(path, found, {key: shape for key, shape in shapes(expected).items() if key.startswith(VAE)})
    found = {key: value.float() for key, value in found.items()}
    if broken := [key for key, value in found.items() if not all_finite(value)]:
        raise CheckpointError(
            f"NaN or infinite weights in {counted(len(broken), 'tensor')} of this VAE: {named(broken)}",
            place=(Path(path),),
            remedy="the file is broken, take another version of it",
        )
    return found


def vae_levels(vae: Mapping[str, Tensor]) -> tuple[int, int, int, int]:
    """Return the channels of each level of a VAE, as in ``Widths.vae``."""
    return read_widths(_shapes(vae)).vae


def _shapes(tensors: Mapping[str, Tensor]) -> dict[str, Shape]:
    return {key: tuple(value.shape) for key, value in tensors.items()}


def _check_channels(path: Path | str, found: Mapping[str, Tensor]) -> None:
    """SD3's and FLUX's VAEs have the names of SD1's."""
    channels = found[_LATENTS].shape[1:2] if _LATENTS in found else ()
    if channels and channels[0] != LATENT_CHANNELS:
        others = " as SD3 and FLUX have them" if channels[0] == 16 else ""
        raise CheckpointError(
            f"this VAE is for latents of {channels[0]} channels{others}, and SD1, SD2 and SDXL have {LATENT_CHANNELS}",
            place=(Path(path),),
            remedy="take a VAE of the models' family",
        )


def _check_whole(path: Path | str, found: Mapping[str, Tensor], expected: Mapping[str, Shape]) -> None:
    odd = [key for key in found if key in expected and not same_shape(tuple(found[key].shape), expected[key])]
    kinds = {
        "missing": [key for key in expected if key not in found],
        "without a place in such a VAE": [key for key in found if key not in expected],
        "with other shapes": odd,
    }
    wrong = [f"{counted(len(keys), 'tensor')} {what}: {named(keys)}" for what, keys in kinds.items() if keys]
    if odd:
        first = min(odd)
        wrong[-1] += f" ({first} is {tuple(found[first].shape)}, {expected[first]} is needed)"
    if wrong:
        raise CheckpointError(
            f"this VAE cannot decode for these models: {', and '.join(wrong)}",
            place=(Path(path),),
            remedy="take a whole VAE of their family",
        )


def _is_vae(key: str) -> bool:
    return key.startswith((*_BARE, VAE))


def _name(key: str) -> str:
    return key if key.startswith(VAE) else VAE + key


def _stored(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError

    names = [key for key in read_header(path).tensors if _is_vae(key)]  # says what is wrong with the file
    try:
        with mapped(path) as file:
            return {key: file.get_tensor(key) for key in names}
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"cannot be opened ({error})", place=(path,), remedy="fetch the file again") from error


def _pickled(path: Path) -> Mapping[str, Tensor]:
    try:
        content: Any = load_pickle(path)
    except OSError as error:
        raise CheckpointError(f"cannot be read ({error.strerror})", place=(path,), remedy="check the path") from error
    except (UnpicklingError, *DAMAGED_TENSORS) as error:
        raise CheckpointError(
            "holds something else than plain tensors, which could run code, or is damaged",
            place=(path,),
            remedy="nothing of it was opened. Take a .safetensors file",
        ) from error
    content = content.get("state_dict", content) if isinstance(content, dict) else {}
    content = content if isinstance(content, dict) else {}
    return {str(key): value for key, value in content.items() if isinstance(value, Tensor)}
