"""The way from the calibration recipes to the references, as a direction and a length in the style score's metric."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scorers.base import Calibration
from scorers.errors import ScorerError
from scorers.scoring.metric import Matrix, learned, unbiased_square
from scorers.scoring.style import Look

LEAST_SHARE = 0.1  # of the plain squared length: an estimate without the references' scatter can fall to 0 and below


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Way:
    """See the module's docstring.

    Attributes:
        look: what it is measured in.
        start: mean look of the calibration recipes, ``(d,)``.
        direction: unit vector, ``(d,)``.
        unit: how far along it the references are.
    """

    look: Look
    start: Matrix
    direction: Matrix
    unit: float

    @classmethod
    def learned(cls, calibration: Calibration, embedding: str) -> Way:
        """Learn it.

        Raises:
            ScorerError: the references' mean is that of the calibration recipes.
        """
        look = Look(embedding, calibration)
        recipes, references = [look(f) for f in calibration.recipes.values()], look(calibration.references)
        root = learned(recipes, references).root
        start = np.mean([recipe.mean(0) for recipe in recipes], axis=0)
        away = references - start
        direction = root @ root.T @ away.mean(0)
        length = float(np.linalg.norm(direction))
        if length < 1e-12:
            raise ScorerError(
                "lda: the references' mean is that of the calibration recipes", remedy="there is no direction"
            )
        # Without the references' own scatter, which makes their mean look farther away than the look is.
        squared = max(unbiased_square(away @ root), LEAST_SHARE * float(away.mean(0) @ direction))
        return cls(look=look, start=start, direction=direction / length, unit=squared / length)
