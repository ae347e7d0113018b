"""Making room for a live model and its parents: the live buffers, and where the parents will lie."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import prod
from typing import Final

import torch

from engine.architecture.layout import UNET, VAE
from engine.architecture.widths import FamilyName
from engine.checkpoints.checkpoint import BytesRead, Checkpoint
from engine.errors import EngineError
from engine.footprint.moments import rendering_room
from engine.footprint.options import RESIDENCES, Residence
from engine.live.allocation import OUT_OF_MEMORY, Memory
from engine.live.memory import Region, memory_order
from engine.live.model import LiveModel
from engine.live.parents import Parents

USUAL_SIZES: Final[Mapping[FamilyName, tuple[int, int]]] = {"sd1": (512, 768), "sd2": (768, 768), "sdxl": (1024, 1024)}
"""Width and height of the picture for which memory stays free where "auto" decides, by the family of the model."""
_NAMES = {torch.float16: "fp16", torch.bfloat16: "bf16"}


class FirstReading:
    """Says how much of the parents was read for the first time.

    Args:
        progress: what it says it to.
        sizes: bytes of the parents' tensors by key.
    """

    def __init__(self, progress: BytesRead, sizes: dict[str, int]) -> None:
        self._progress, self._left = progress, sizes
        self._total = sum(sizes.values())
        self._done = 0

    def count(self, keys: Iterable[str]) -> None:
        """Some keys were built, for the first time or again."""
        if read := sum(self._left.pop(key, 0) for key in keys):
            self._done += read
            self._progress(self._done, self._total)


def make_room_for(
    live: LiveModel,
    checkpoints: Mapping[str, Checkpoint],
    dtype: torch.dtype,
    memory: Memory,
    *,
    parents: str,
    with_vae: bool,
) -> tuple[list[Region], Parents]:
    """Return the regions of a live model, the VAE's last, and its parents, which lie in their files.

    Args:
        live: the modules.
        checkpoints: by the names that recipes use.
        dtype: of UNet and text encoders.
        memory: where memory comes from.
        parents: one of ``engine.footprint.options.PARENTS``; "auto": on the device as much as leaves room for
            rendering a picture of the family's usual size, then in main memory as much as there is.
        with_vae: whether the VAE is merged of the parents'.

    Raises:
        CheckpointError: a file cannot be read.
        EngineError: the device has too little memory for the live model.
    """
    regions = _regions(live, dtype, memory)
    known: dict[str, Residence] = {residence: residence for residence in RESIDENCES}
    room = None if parents in known else _room(live, dtype)
    kept = Parents.of(checkpoints, live.shapes, memory, known.get(parents, RESIDENCES[0]), room)
    for region in regions if with_vae else regions[:-1]:
        kept.add(region)
    return regions, kept


def _room(live: LiveModel, dtype: torch.dtype) -> int:
    """Bytes that rendering one picture takes."""
    width, height = USUAL_SIZES[live.family.name]
    return rendering_room(live.family.widths, _NAMES.get(dtype, "fp32"), width, height, 1)


def _regions(live: LiveModel, dtype: torch.dtype, memory: Memory) -> list[Region]:
    """The text encoders, the UNet, and the VAE, which is float32."""
    keys = memory_order(live.shapes)
    unet = [key for key in keys if key.startswith(UNET)]
    vae = [key for key in keys if key.startswith(VAE)]
    text = [key for key in keys if not key.startswith((UNET, VAE))]
    parts = [
        ({key: prod(live.shapes[key]) for key in part}, kind)
        for part, kind in ((text, dtype), (unet, dtype), (vae, torch.float32))
    ]
    try:
        return [Region(sizes, kind, memory) for sizes, kind in parts]
    except OUT_OF_MEMORY as error:
        raise _too_large(parts, memory) from error


def _too_large(parts: Sequence[tuple[dict[str, int], torch.dtype]], memory: Memory) -> EngineError:
    needed, free = sum(sum(sizes.values()) * kind.itemsize for sizes, kind in parts), memory.free_on_device()
    return EngineError(
        f"the model takes {needed / 1e9:.1f} GB of {memory.device}, and {free / 1e9:.1f} GB are free",
        remedy='close other programs that use it, choose precision "fp16", or another device',
    )
