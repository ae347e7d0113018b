"""Making room for a live model and its parents: the live buffers, and where the parents will lie."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import prod

import torch

from engine.architecture.layout import UNET, VAE
from engine.checkpoints.checkpoint import BytesRead, Checkpoint
from engine.errors import EngineError
from engine.live.allocation import OUT_OF_MEMORY, Memory
from engine.live.memory import Region, memory_order
from engine.live.model import LiveModel
from engine.live.parents import Parents
from engine.live.residence import RENDERING_ROOM, RESIDENCES, residence_for


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
        parents: one of ``PARENTS``.
        with_vae: whether the VAE is merged of the parents'.

    Raises:
        CheckpointError: a file cannot be read.
        EngineError: the device has too little memory for the live model.
    """
    free = memory.free_on_device()
    regions = _regions(live, dtype, memory)
    room = RENDERING_ROOM[live.family.name] if parents == "auto" else None
    first = parents if parents in RESIDENCES else RESIDENCES[0]
    kept = Parents.of(checkpoints, live.shapes, memory, first, room)
    for region in regions if with_vae else regions[:-1]:
        kept.add(region)
    if room is not None:  # a CPU's memory is taken when it is first written, so what was free before counts
        kept.residence = residence_for(
            parents=sum(size for key, size in kept.sizes().items() if key.startswith(UNET)),
            device_free=free - sum(region.live.numel() * region.live.element_size() for region in regions),
            host_free=memory.free_on_host(),
            room=room,
        )
    return regions, kept


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
