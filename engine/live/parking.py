"""Regions that leave the device while they are not at work: those of the text encoders and of the VAE.

A parked region lies in host memory, and its parameters are views of it there. The region of
the UNet never moves, so that no address of it ever changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from torch import Tensor

from engine.live.allocation import Memory
from engine.live.memory import Region

TEXT = "text"
"""The part of a live model that its text encoders are."""
VAE_PART = "vae"
"""The part of a live model that its VAE is."""

Bind = Callable[[str, Tensor], None]
"""``bind(key, memory)``: makes the parameters of a key views of flat memory."""
Rebound = Callable[[Iterable[str]], None]
"""``rebound(keys)``: called when the parameters of these keys have new addresses."""


class Parking:
    """Moves regions of a live model between its device and the host, as a whole.

    Args:
        parts: The regions that may move, by the names of their parts.
        bind: As ``LiveModel.bind``.
        rebound: Called after each move.
        memory: Where the memory comes from.
    """

    def __init__(self, parts: Mapping[str, Region], bind: Bind, rebound: Rebound, memory: Memory) -> None:
        self._parts, self._bind, self._rebound, self._memory = dict(parts), bind, rebound, memory
        self._hosts: dict[str, Tensor] = {}
        self._parked: set[str] = set()
        self._stale = set(parts)

    def is_parked(self, part: str) -> bool:
        """Return whether a part lies on the host."""
        return part in self._parked

    def parked(self) -> list[Region]:
        """Return the regions that lie on the host."""
        return [self._parts[part] for part in sorted(self._parked)]

    def park(self, part: str) -> bool:
        """Move a part to the host, if that has room; return whether the device has more memory now."""
        region = self._parts[part]
        if part in self._parked or not region.length:
            return False
        host = self._hosts.get(part)
        if host is None:
            try:
                host = self._hosts[part] = self._memory.on_host(region.length, region.live.dtype)
            except MemoryError:
                return False
        if part in self._stale:  # else nothing was written since it came from there
            host.copy_(region.live)
            self._stale.discard(part)
        self._move(part, host)
        self._parked.add(part)
        return True

    def fetch(self, part: str) -> None:
        """Move a part back to its device.

        Raises:
            torch.OutOfMemoryError: It does not fit; it stays where it is.
        """
        if part not in self._parked:
            return
        region = self._parts[part]
        memory = self._memory.on_device(region.length, region.live.dtype)
        self._move(part, memory.copy_(region.live, non_blocking=True))
        self._parked.discard(part)

    def prepare(self, region: Region) -> None:
        """Bring a region back because its values are about to be written; a region that never moves stays."""
        for part, one in self._parts.items():
            if one is region:
                self.fetch(part)
                self._stale.add(part)

    def _move(self, part: str, memory: Tensor) -> None:
        region = self._parts[part]
        region.live = memory
        for key in region.sizes:
            self._bind(key, region.view(key, memory))
        self._rebound(region.sizes)
