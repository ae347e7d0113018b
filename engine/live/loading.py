"""Making room for a live model and its parents: the live buffers, and where the parents will lie."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from math import prod

import torch

from engine.architecture.layout import UNET, VAE
from engine.checkpoints.checkpoint import BytesRead, Checkpoint
from engine.errors import EngineError
from engine.footprint.demand import Demand, Room, usual_demand
from engine.footprint.machine import total_ram
from engine.footprint.moments import CONTEXT_BYTES, LIBRARY_BYTES
from engine.footprint.options import AUTO, RESIDENCES
from engine.footprint.plan import choose
from engine.footprint.weights import part_bytes
from engine.live.allocation import OUT_OF_MEMORY, Memory
from engine.live.memory import Region, memory_order
from engine.live.model import LiveModel
from engine.live.parents import Parents
from engine.merging.evaluate import DTYPES


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
    expects: Demand | None = None,
) -> tuple[list[Region], Parents]:
    """Return the regions of a live model, the VAE's last, and its parents, which lie in their files.

    Args:
        live: the modules.
        checkpoints: by the names that recipes use.
        dtype: of UNet and text encoders.
        memory: where memory comes from.
        parents: one of ``PARENTS``.
        with_vae: whether the VAE is merged of the parents'.
        expects: what will be rendered; None: pictures of the family's usual size.

    Raises:
        CheckpointError: a file cannot be read.
        EngineError: the device has too little memory for the live model.
    """
    room = _room(memory, expects)  # a CPU's memory is taken when it is first written, so what was free before counts
    regions = _regions(live, dtype, memory)
    kept = Parents.of(checkpoints, live.shapes, memory, RESIDENCES[0])
    for region in regions if with_vae else regions[:-1]:
        kept.add(region)
    kept.plan = plan = choose(_demand(live, dtype, kept, parents, expects), room)
    kept.residence = plan.first if parents == AUTO else next(one for one in RESIDENCES if one == parents)
    kept.room = plan.spare if parents == AUTO else None
    return regions, kept


def _room(memory: Memory, expects: Demand | None) -> Room:
    """The memory that this engine may have; what libraries take already is not taken twice."""
    device, ram = memory.free_on_device(), memory.free_on_host()
    if expects and expects.device_sharers > 1:
        device = min(device, memory.total_on_device() // expects.device_sharers)
    if expects and expects.ram_sharers > 1:
        ram = min(ram, total_ram() // expects.ram_sharers)
    if not memory.separate:
        return Room(device=min(device, ram) + LIBRARY_BYTES, ram=ram, is_gpu=False)
    return Room(device=device + CONTEXT_BYTES, ram=ram + LIBRARY_BYTES, is_gpu=True)


def _demand(live: LiveModel, dtype: torch.dtype, kept: Parents, parents: str, expects: Demand | None) -> Demand:
    """What this engine asks of memory: as expected, or usual pictures and a UNet that moves."""
    widths, precision = live.family.widths, next((name for name, one in DTYPES.items() if one == dtype), "fp32")
    moved = part_bytes((key, size) for key, size in kept.sizes().items() if key.startswith(UNET))
    demand = replace(expects, widths=widths, precision=precision) if expects else usual_demand(widths, precision, moved)
    return replace(demand, parent_count=len(kept.files), asked=replace(demand.asked, parents=parents))


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
