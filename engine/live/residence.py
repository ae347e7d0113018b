"""Where the parents of a live model lie: on the device, in main memory, or in their files; and what lies where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from engine.architecture.widths import FamilyName

Residence = Literal["device", "host", "disk"]
"""Where parents lie: beside the live model, in main memory (pinned, where the device is a GPU), or in their files."""
RESIDENCES: Final[tuple[Residence, ...]] = ("device", "host", "disk")
"""From the quickest to the one that takes no memory."""
PARENTS: Final = ("auto", *RESIDENCES)
"""What ``Engine.open`` can be asked for."""

RENDERING_ROOM: Final[Mapping[FamilyName, int]] = {"sd1": 2_000_000_000, "sd2": 2_000_000_000, "sdxl": 3_000_000_000}
"""Bytes of the device that "auto" leaves free for rendering: a few pictures of the family's usual size at once."""
HOST_ROOM: Final = 2_000_000_000
"""Bytes of main memory that "auto" leaves free for everything else that runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryReport:
    """What lies where, in bytes. What a rendering takes while it runs, and what libraries take, is not in it.

    Attributes:
        live: the live model, on the device.
        parents_on_device: parents beside it.
        parents_on_host: parents in main memory; on a CPU, which has only that, those that were asked for there.
        scratch: memory on the device through which parents pass, and in which values are computed.
        live_on_host: parts of the live model that wait in main memory.
    """

    live: int
    parents_on_device: int
    parents_on_host: int
    scratch: int
    live_on_host: int = 0

    @property
    def on_device(self) -> int:
        """All that lies on the device."""
        return self.live + self.parents_on_device + self.scratch


def residence_for(*, parents: int, device_free: int, host_free: int, room: int) -> Residence:
    """Return the residence that "auto" takes.

    Args:
        parents: bytes of what is to be kept close: of every model, the tensors that a search moves.
        device_free: bytes that are free on the device once the live model lies there.
        host_free: bytes of main memory that are free.
        room: bytes of the device that are left for rendering; see ``RENDERING_ROOM``.
    """
    if parents + room <= device_free:
        return "device"
    return "host" if parents + HOST_ROOM <= host_free else "disk"
