"""Pictures inside a page, as data: addresses, within limits of size and time."""

from __future__ import annotations

import base64
import math
import time
from dataclasses import dataclass

from studies.errors import StudyError
from studies.pages.reading.pictures import kept_picture, small
from studies.pages.reading.snapshot import Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddedPicture:
    """A picture with everything that a page needs of it."""

    name: str
    address: str
    """`data:` and the whole picture."""
    width: int
    height: int


class PictureShelf:
    """Takes a study's pictures until its room or its time is used up."""

    def __init__(self, study: Snapshot, *, room: float = math.inf, seconds: float = math.inf) -> None:
        """Nothing is taken yet.

        Args:
            study: whose pictures.
            room: the most letters that all addresses together take.
            seconds: the most time, from now on.
        """
        self._study = study
        self._room = room
        self._until = time.monotonic() + seconds

    @property
    def is_full(self) -> bool:
        """Whether nothing more is taken."""
        return self._room <= 0 or time.monotonic() > self._until

    def take(self, name: str, size: str, beside: int = 0) -> EmbeddedPicture | None:
        """Return a picture; None where it is not kept, cannot be read, or has no room.

        Args:
            name: see ``studies.pages.reading.pictures``.
            size: one of its ``SIZES``.
            beside: letters that come with it.
        """
        picture = None if self.is_full else kept_picture(self._study, name)
        if picture is None:
            return None
        try:
            content = small(self._study, picture, size)
        except (StudyError, OSError):
            return None
        address = "data:image/webp;base64," + base64.b64encode(content).decode()
        self._room -= len(address) + beside
        if self._room < 0:
            return None
        width, height = _size_of(content)
        return EmbeddedPicture(name=name, address=address, width=width, height=height)


def _size_of(content: bytes) -> tuple[int, int]:
    from PIL import ImageFile

    parser = ImageFile.Parser()
    parser.feed(content)
    return parser.close().size
