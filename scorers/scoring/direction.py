"""The direction from the calibration recipes to the references, and its length, in the style score's metric."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scorers.base import Calibration
from scorers.errors import ScorerError
from scorers.features import FloatArray
from scorers.scoring.metric import fit_metric, unbiased_square
from scorers.scoring.style import StyleFeatures

LEAST_SHARE = 0.1
"""The least squared length, as a share of the biased one: an unbiased estimate can fall to 0 and below."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReferenceDirection:
    """The direction from the calibration recipes' mean style features to the references', ``P (mu - c)`` normalised.

    Attributes:
        features: computes the style features.
        start: ``c``, mean style features of the calibration recipes, ``(d,)``.
        direction: unit vector, ``(d,)``.
        unit: how far along the direction the references are.
    """

    features: StyleFeatures
    start: FloatArray
    direction: FloatArray
    unit: float

    @classmethod
    def fit(cls, calibration: Calibration, embedding: str) -> ReferenceDirection:
        """Fit direction and length.

        Raises:
            ScorerError: the references' mean is that of the calibration recipes.
        """
        features = StyleFeatures(embedding, calibration)
        recipes = [features(recipe) for recipe in calibration.recipes.values()]
        references = features(calibration.references)
        root = fit_metric(recipes, references).root
        start = np.mean([recipe.mean(0) for recipe in recipes], axis=0)
        away = references - start
        direction = root @ root.T @ away.mean(0)
        length = float(np.linalg.norm(direction))
        if length < 1e-12:
            raise ScorerError(
                "lda: the references' mean is that of the calibration recipes", remedy="there is no direction"
            )
        # Unbiased: the references' scatter would make their mean seem farther away than it is.
        squared = max(unbiased_square(away @ root), LEAST_SHARE * float(away.mean(0) @ direction))
        return cls(features=features, start=start, direction=direction / length, unit=squared / length)
