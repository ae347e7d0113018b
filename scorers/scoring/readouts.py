"""Two other measures of style, reported beside the style score, without a weight in the objective by default.

Both are linear, or nearly: they say whether a recipe moves towards the references, but not where to stop. The style
score does. Where they disagree with it, the contents of the pictures have changed with the style, or instead of it
(``scorers.reporting.leak``).
"""

from __future__ import annotations

import numpy as np

from scorers.base import Calibration
from scorers.errors import ScorerError
from scorers.features import EMBEDDING, Features, FloatArray, Slot, Values
from scorers.scoring.aspects import STYLE
from scorers.scoring.direction import ReferenceDirection
from scorers.scoring.style import StyleFeatures

NEAREST = 3
"""The number of references that a picture is compared with: the nearest ones."""
CROWD = 10
"""The number of renders that its nearness to the references is compared with: the nearest ones."""


class Projection:
    """Projection on the direction from the calibration recipes' mean to the references, in the style score's metric.

    A picture's contribution is ``(x_i - c)' P (mu - c)``, divided by an unbiased estimate of its expectation at the
    references. So a recipe's value is 0 at the mean of the calibration recipes, 1 as far along as the references are,
    and above 1 past them. This is the discriminant function of the shrunken LDA. The panel takes its difference from
    the base recipe's pictures of the same prompts and seeds, so their content cancels.
    """

    name = "lda"
    version = "1"
    degree = 1

    def __init__(self, embedding: str) -> None:
        """``embedding`` is the name of the embedding that is read."""
        self.needs = StyleFeatures.needs(embedding)
        self._embedding = embedding
        self._direction: ReferenceDirection | None = None

    def fit(self, calibration: Calibration) -> None:
        """Fit the direction and its length."""
        self._direction = ReferenceDirection.fit(calibration, self._embedding)

    def __call__(self, features: Features) -> Values:
        """Contributions, ``(n,)``."""
        if self._direction is None:
            raise ScorerError("lda: not fitted yet", remedy="calibrate the panel first")
        fitted = self._direction
        return (fitted.features(features) - fitted.start) @ fitted.direction / fitted.unit


class Margin:
    """How much nearer a picture is to the references than to the renders of other recipes.

    A contribution is the mean, over the ``NEAREST`` references, of twice the cosine to a reference less that
    reference's mean cosine to its ``CROWD`` nearest renders; minus the mean of the ``CROWD`` largest cosines to the
    renders of the calibration recipes on other slots. This is cross-domain similarity local scaling (Conneau et al.
    2018, "Word Translation Without Parallel Data") for pictures instead of words. It needs no scatter of the
    references, so one is enough.
    """

    name = "margin"
    version = "1"
    degree = 1
    aspect = STYLE

    def __init__(self, embedding: str) -> None:
        """``embedding`` is the name of the embedding that is read."""
        self.needs = frozenset({EMBEDDING + embedding, "refs", "slots"})
        self._embedding = embedding
        self._references: FloatArray | None = None
        self._renders: dict[Slot, FloatArray] = {}
        self._nearness_of_references: Values | None = None

    def fit(self, calibration: Calibration) -> None:
        """Store the references, and the renders of every slot."""
        self._references = calibration.references.embedding(self._embedding).astype(np.float64)
        recipes = [f.embedding(self._embedding).astype(np.float64) for f in calibration.recipes.values()]
        slots = next(iter(calibration.recipes.values())).slots
        self._renders = {slot: np.stack([recipe[i] for recipe in recipes]) for i, slot in enumerate(slots)}
        self._nearness_of_references = _nearest(self._references @ np.concatenate(recipes).T, CROWD)

    def __call__(self, features: Features) -> Values:
        """Contributions, ``(n,)``."""
        if self._references is None or self._nearness_of_references is None:
            raise ScorerError("margin: not fitted yet", remedy="calibrate the panel first")
        x = features.embedding(self._embedding).astype(np.float64)
        near = _nearest(2 * (x @ self._references.T) - self._nearness_of_references, NEAREST)
        return near - np.array([self._to_renders(row, slot) for row, slot in zip(x, features.slots, strict=True)])

    def _to_renders(self, row: FloatArray, slot: Slot) -> float:
        """Nearness of a picture to the renders of other slots; those of its own slot show the same content."""
        others = [renders for other, renders in self._renders.items() if other != slot]
        return float(_nearest((np.concatenate(others) @ row)[None], CROWD)[0])


def _nearest(cosines: FloatArray, count: int) -> Values:
    """Mean of the largest ``count`` numbers of every row, ``(n,)``."""
    count = min(count, cosines.shape[1])
    return np.sort(cosines, axis=1)[:, -count:].mean(1)
