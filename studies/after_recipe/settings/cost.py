"""What a picture costs by its settings: counted work, so that two machines choose alike; time is only reported."""

from __future__ import annotations

from dataclasses import dataclass

from engine.architecture.widths import Widths
from engine.shots.shot import Shot
from studies.preflight.estimate import call_work, picture_work
from studies.results.settings import PictureSettings

DIGITS = 3
"""Digits behind the point of a cost: work that differs by less costs the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureCost:
    """Counts the work of pictures.

    Attributes:
        shot: one of those that are rendered; its prompt says whether a call of the denoiser is guided.
        size: width and height of the picture whose guided call of the denoiser is the unit.
        widths: of the models.
    """

    shot: Shot
    size: tuple[int, int]
    widths: Widths

    def of(self, settings: PictureSettings) -> float:
        """Return the work of one picture, in guided calls of the denoiser: both passes, decoding, enlarging.

        Calls of another size count by the area of the picture, with what attention costs more than that.

        Raises:
            RenderError: the settings do not fit each other.
        """
        return round(
            picture_work(settings.applied_to(self.shot), self.widths) / call_work(self.size, self.widths), DIGITS
        )
