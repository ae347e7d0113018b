"""Which parts of the live model are on the device while others are at work.

Everything, as long as there is memory. When there is too little, or as asked, text encoders and VAE wait on the host.
The text encoders come for their work, the VAE lends copies of its weights. The UNet always stays.
"""

from __future__ import annotations

import logging
from collections.abc import Generator
from contextlib import contextmanager
from typing import Protocol

from engine.footprint.demand import Form

log = logging.getLogger(__name__)


class Residence(Protocol):
    """What can move the parts "text" and "vae" of a live model; ``engine.live.weights.LiveWeights`` can."""

    def park(self, part: str) -> bool:
        """Move a part to the host; return whether the device has more memory now."""
        ...

    def fetch(self, part: str) -> None:
        """Bring a part to the device."""
        ...

    def make_room(self) -> bool:
        """Give up other memory of the device; return whether there was any."""
        ...


class Presence:
    """Where the parts of a live model wait.

    Args:
        residence: Moves them; None: everything stays where it is.
        waiting: One of ``engine.footprint.options.ENCODERS``; "auto": on the host as soon as
            memory has run out once.
        planned: How "auto" begins; None: with everything on the device.
    """

    def __init__(self, residence: Residence | None = None, waiting: str = "auto", planned: Form | None = None) -> None:
        self._residence, self._waiting = residence, waiting
        self._apart = waiting == "host" or (waiting == "auto" and planned is not None and planned.waits)

    @contextmanager
    def at_work(self, part: str) -> Generator[None]:
        """Within, a part is on the device.

        Raises:
            torch.OutOfMemoryError: It does not fit.
        """
        if self._residence is None:
            yield
            return
        self._residence.fetch(part)
        try:
            yield
        finally:
            self.send_away(part)

    def send_away(self, part: str) -> None:
        """Let a part wait on the host, where parts do."""
        if self._residence is not None and self._apart:
            self._residence.park(part)

    def send_all_away(self) -> bool:
        """Let all parts wait on the host from now on; return whether the device has more memory now."""
        if self._residence is None or self._waiting == "device":
            return False
        if not self._apart:
            log.warning("memory is short: text encoders and VAE wait in main memory from now on")
        self._apart = True
        freed = [self._residence.park(part) for part in ("text", "vae")]
        return any(freed)

    def make_room(self) -> bool:
        """Give up memory after it ran out: the text encoders' and the VAE's place, then what else can go.

        Returns:
            Whether anything was given up.
        """
        return self.send_all_away() or (self._residence is not None and self._residence.make_room())
