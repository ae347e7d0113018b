"""What lies where, in bytes."""

from __future__ import annotations

from dataclasses import dataclass


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
