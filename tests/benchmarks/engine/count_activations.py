"""Counts the working memory of UNet and VAE: ``python -m tests.benchmarks.engine.count_activations``.

The networks have their real size and no memory (torch's device "meta"), so nothing is computed and no GPU is needed.
Every tensor that a layer makes counts from its first moment to its last. Attention is counted without its matrix, as
every kernel for it on a GPU or a CPU works. A convolution counts a copy of its input and of its output besides: torch's
libraries bring both into another order of channels, or take about as much for something else, where they have it.
"""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from engine.architecture.widths import REAL, FamilyName
from engine.footprint.activations import DECODE_ELEMENTS, ENCODE_ELEMENTS, LATENT_SIDE, UNET_ELEMENTS
from engine.live.model import LiveModel

DTYPES = (torch.float16, torch.float32)
SIDES = ((512, 512), (512, 768), (1024, 1024), (832, 1216))


class _Counter(TorchDispatchMode):
    """Counts the bytes of storages that are alive, and the most there were."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        weights = (*module.parameters(), *module.buffers())
        self._sizes: dict[int, int] = {one.untyped_storage()._cdata: 0 for one in weights}
        self._now = self.peak = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for tensor in _tensors(out):
            self._add(tensor)
        copies = sum(one.nbytes for one in (args[0], out)) if "convolution" in str(func) else 0
        self.peak = max(self.peak, self._now + copies)
        return out

    def _add(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        if storage._cdata not in self._sizes:
            self._sizes[storage._cdata] = storage.nbytes()
            self._now += storage.nbytes()
            weakref.finalize(storage, self._drop, storage._cdata)

    def _drop(self, number: int) -> None:
        self._now -= self._sizes.pop(number)


class _AttentionWithoutMatrix(TorchFunctionMode):
    """Attention gives its result and makes nothing else."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is F.scaled_dot_product_attention:
            query, _, value = args
            return query.new_empty(*query.shape[:-1], value.shape[-1])
        return func(*args, **(kwargs or {}))


def _tensors(found: object) -> Iterator[Tensor]:
    return (leaf for leaf in tree_leaves(found) if isinstance(leaf, Tensor))


def peak_bytes(module: nn.Module, run: Callable[[], object]) -> int:
    """Return the most bytes of all tensors that a run of a module on the device "meta" makes, weights left out."""
    with torch.no_grad(), torch.device("meta"), _AttentionWithoutMatrix(), _Counter(module) as counter:
        run()
    return counter.peak


def unet_elements(family: FamilyName, width: int, height: int, rows: int, dtype: torch.dtype) -> float:
    """Return the numbers at the UNet's largest moment, for each row and each pixel of the latents."""
    unet = _as(LiveModel.empty(REAL[family]).unet, dtype)
    down, across = height // LATENT_SIDE, width // LATENT_SIDE

    def run() -> object:
        context = torch.empty(rows, 77, REAL[family].context, dtype=dtype)
        sizes = {"text_embeds": torch.empty(rows, 1280, dtype=dtype), "time_ids": torch.empty(rows, 6)}
        more = {"added_cond_kwargs": sizes} if family == "sdxl" else {}
        latents = torch.empty(rows, 4, down, across, dtype=dtype)
        return unet(latents, torch.empty(()), encoder_hidden_states=context, return_dict=False, **more)

    return peak_bytes(unet, run) / dtype.itemsize / (rows * down * across)


def vae_elements(width: int, height: int, pictures: int, dtype: torch.dtype, *, encode: bool) -> float:
    """Return the numbers at the largest moment of one half of the VAE, for each pixel of the pictures."""
    vae: Any = _as(LiveModel.empty(REAL["sd1"]).vae, dtype)

    def run() -> object:
        if encode:
            return vae.encode(torch.empty(pictures, 3, height, width, dtype=dtype), return_dict=False)
        latents = torch.empty(pictures, 4, height // LATENT_SIDE, width // LATENT_SIDE, dtype=dtype)
        return vae.decode(latents, return_dict=False)

    return peak_bytes(vae, run) / dtype.itemsize / (pictures * width * height)


def _as(module: nn.Module, dtype: torch.dtype) -> Any:
    for parameter in module.parameters():
        parameter.data = parameter.data.to(dtype)
    return module


def main() -> None:
    """Print the counts at several sizes beside the numbers in use."""
    for family, used in UNET_ELEMENTS.items():
        for dtype in DTYPES:
            counts = [unet_elements(family, *side, rows, dtype) for side in SIDES for rows in (2, 8)]
            print(f"UNet, {family}, {dtype}: {min(counts):.0f} to {max(counts):.0f}; in use: {used:.0f}")
    for name, used, encode in (("decoder", DECODE_ELEMENTS, False), ("encoder", ENCODE_ELEMENTS, True)):
        counts = [vae_elements(*side, 1, dtype, encode=encode) for side in SIDES for dtype in DTYPES]
        print(f"VAE's {name}: {min(counts):.1f} to {max(counts):.1f}; in use: {used:.1f}")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
