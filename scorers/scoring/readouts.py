"""Two other ways to read a look out of pictures, reported beside the style score and never searched by default.

Both are linear, or nearly: they say whether a recipe moves towards the references, but not where to stop. The style
score does. Where they disagree with it, the contents of the pictures have moved with the look, or instead of it
(``scorers.reporting.leak``).
"""

from __future__ import annotations

import numpy as np

from scorers.base import Calibration, Values
from scorers.errors import ScorerError
from scorers.features import EMBEDDING, Features
from scorers.scoring.aspects import STYLE
from scorers.scoring.direction import Way
from scorers.scoring.style import Look

NEAREST = 3  # references a picture is compared with
CROWD = 10  # renders that its likeness is measured against


class Along:
    """Projection on the direction from the calibration recipes' mean to the references, in the style score's metric.

    A picture's contribution is ``(x_i - c)' P (mu - c)`` over its expectation at the references (an unbiased estimate):
    a recipe's value is 0 at the mean of the calibration recipes and 1 as far along as the references are; above 1 it
    is past them. This is the shrunken LDA's linear read-out. The panel takes it relative to the base recipe's pictures
    of the same prompts and seeds, which fall out.
    """

    name = "lda"
    version = "1"
    degree = 1

    def __init__(self, embedding: str) -> None:
        """``embedding`` is the name of the one that is looked at."""
        self.needs = Look.needs(embedding)
        self._embedding = embedding
        self._way: Way | None = None

    def fit(self, calibration: Calibration) -> None:
        """Learn the direction and its length."""
        self._way = Way.learned(calibration, self._embedding)

    def __call__(self, features: Features) -> Values:
        """Contributions, ``(n,)``."""
        if self._way is None:
            raise ScorerError("lda: not fitted yet", remedy="calibrate the panel first")
        return (self._way.look(features) - self._way.start) @ self._way.direction / self._way.unit


class Margin:
    """How much nearer a picture is to the references than to the crowd of all renders.

    A contribution is twice the mean of the cosines to the ``NEAREST`` references, each less half of that reference's
    own nearness to the renders, minus the mean of the ``CROWD`` largest cosines to the renders of the calibration
    recipes on other slots: cross-domain similarity local scaling (Conneau et al. 2018, "Word Translation Without
    Parallel Data"), of pictures instead of words. It needs no scatter of the references, so one is enough.
    """

    name = "margin"
    version = "1"
    degree = 1
    aspect = STYLE

    def __init__(self, embedding: str) -> None:
        """``embedding`` is the name of the one that is looked at."""
        self.needs = frozenset({EMBEDDING + embedding, "refs", "slots"})
        self._embedding = embedding
        self._references: Values | None = None
        self._crowd: dict[tuple[str, int], Values] = {}
        self._hub: Values | None = None

    def fit(self, calibration: Calibration) -> None:
        """Keep the references, and every slot's renders."""
        self._references = calibration.references.embedding(self._embedding).astype(np.float64)
        looks = [f.embedding(self._embedding).astype(np.float64) for f in calibration.recipes.values()]
        slots = next(iter(calibration.recipes.values())).slots
        self._crowd = {slot: np.stack([look[i] for look in looks]) for i, slot in enumerate(slots)}
        self._hub = _nearest(self._references @ np.concatenate(looks).T, CROWD)

    def __call__(self, features: Features) -> Values:
        """Contributions, ``(n,)``."""
        if self._references is None or self._hub is None:
            raise ScorerError("margin: not fitted yet", remedy="calibrate the panel first")
        x = features.embedding(self._embedding).astype(np.float64)
        near = _nearest(2 * (x @ self._references.T) - self._hub, NEAREST)
        return near - np.array([self._among(row, slot) for row, slot in zip(x, features.slots, strict=True)])

    def _among(self, row: Values, slot: tuple[str, int]) -> float:
        """Nearness to the renders of other slots; those of its own slot show the same thing."""
        others = [crowd for other, crowd in self._crowd.items() if other != slot]
        return float(_nearest((np.concatenate(others) @ row)[None], CROWD)[0])


def _nearest(cosines: Values, count: int) -> Values:
    """Mean of the largest ``count`` of every row, ``(n,)``."""
    count = min(count, cosines.shape[1])
    return np.sort(cosines, axis=1)[:, -count:].mean(1)
