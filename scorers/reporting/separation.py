"""Whether the encoder can separate the references' style from what the models already draw.

For every calibration recipe: how often a reference lies farther along the direction from that recipe's mean to the
references' than a picture of the recipe does (area under the ROC curve, AUC). It is cross-validated: neither the
reference in question nor the picture is used to fit the direction; references are left out one by one, slots in
``FOLDS`` folds. .5 is chance, 1 is perfect separation. References that lie between the parents separate from the far
recipes and not from the near ones; references that separate from none give the search no direction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from scorers.base import Calibration
from scorers.features import FloatArray
from scorers.scoring.metric import fit_metric
from scorers.scoring.style import StyleFeatures

FOLDS = 4
"""The number of folds that slots are divided into."""
SEPARABLE_AUC = 0.9
"""The least AUC at which references count as separated from a recipe's pictures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Separation:
    """How well the references separate from each calibration recipe's pictures.

    Attributes:
        areas: label of the recipe to area under the ROC curve.
    """

    areas: Mapping[str, float]

    @property
    def defines_direction(self) -> bool:
        """Whether the references separate from at least one recipe's pictures."""
        return max(self.areas.values()) >= SEPARABLE_AUC

    @property
    def text(self) -> str:
        """One line for people."""
        far, near = max(self.areas, key=self.areas.__getitem__), min(self.areas, key=self.areas.__getitem__)
        areas = f"AUC {self.areas[far]:.2f} against {far}, {self.areas[near]:.2f} against {near}"
        if far == near:
            areas = f"AUC {self.areas[far]:.2f} against each of them"
        if self.defines_direction:
            return f"references: separable from the calibration renders ({areas})"
        return (
            "references: they do not define a direction: single ones are not separable from the calibration renders "
            f"({areas}, at least {SEPARABLE_AUC} is needed). Give more of them, of one style and diverse subjects, and "
            "more prompts"
        )


def separation(calibration: Calibration, embedding: str) -> Separation:
    """Measure; see the module's docstring."""
    style_features = StyleFeatures(embedding, calibration)
    references = style_features(calibration.references)
    dimensions = references.shape[1]
    recipes, references = _in_their_span({k: style_features(f) for k, f in calibration.recipes.items()}, references)
    wins: dict[str, list[float]] = {label: [] for label in recipes}
    for number, reference in enumerate(references):
        others = np.delete(references, number, axis=0)
        held_out = np.arange(len(next(iter(recipes.values())))) % FOLDS == number % FOLDS
        fitted = {label: recipe[~held_out] for label, recipe in recipes.items()}
        metric = fit_metric(list(fitted.values()), others, dimensions)
        for label, recipe in fitted.items():
            direction = metric.root @ metric.relative(recipe.mean(0))
            wins[label].append(_wins(-float(reference @ direction), -(recipes[label][held_out] @ direction)))
    return Separation(areas={label: float(np.mean(shares)) for label, shares in wins.items()})


def _wins(reference: float, renders: FloatArray) -> float:
    """The share of renders that lie behind the reference; equal ones count half."""
    return float(np.mean(reference > renders) + 0.5 * np.mean(reference == renders))


def _in_their_span(recipes: dict[str, FloatArray], references: FloatArray) -> tuple[dict[str, FloatArray], FloatArray]:
    """The same vectors in an orthonormal basis of their span; the metric is the same there, and fast to compute."""
    stacked = np.concatenate([*recipes.values(), references])
    _, sizes, axes = np.linalg.svd(stacked, full_matrices=False)
    axes = axes[sizes > 1e-9 * sizes[0]].T
    return {label: features @ axes for label, features in recipes.items()}, references @ axes
