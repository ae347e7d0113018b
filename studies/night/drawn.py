"""Pictures that were just rendered, with what is measured of them, before they are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

from studies.drawing.sheets import RgbPicture

if TYPE_CHECKING:
    from scorers.features import Features


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnPictures:
    """The pictures of some shots."""

    features: Features
    pictures: Sequence[RgbPicture]
    seconds: dict[str, float]
    """Seconds of ``render`` and ``look`` (features)."""

    def followed_by(self, more: Self) -> Self:
        """Return these pictures and more of the same recipe, in the order in which they were drawn."""
        from scorers.features import joined

        return replace(
            self,
            features=joined([self.features, more.features]),
            pictures=[*self.pictures, *more.pictures],
            seconds={name: seconds + more.seconds[name] for name, seconds in self.seconds.items()},
        )

    def sorted_by(self, places: Sequence[int]) -> Self:
        """Return the pictures in the order of their shots' places, which are given in the order of the pictures."""
        rows = sorted(range(len(self.pictures)), key=lambda row: places[row])
        return replace(self, features=self.features.take(rows), pictures=[self.pictures[row] for row in rows])
