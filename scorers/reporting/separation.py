"""Whether the references show a look that the encoder can tell from what the models already draw.

For every calibration recipe: how often a reference lies farther along the direction from that recipe's mean to the
references' than a picture of the recipe does (area under the ROC curve). Neither the reference in question nor the
picture takes part in finding the direction: references are left out one by one, slots in ``FOLDS`` folds. .5 is chance,
1 is told apart always. References that lie between the parents are told from the far ones and not from the near ones;
references that are told from none give the search no direction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from scorers.base import Calibration
from scorers.scoring.metric import Matrix, learned
from scorers.scoring.style import Look

FOLDS = 4
TOLD_APART = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Separation:
    """How well the references are told from each calibration recipe's pictures.

    Attributes:
        areas: label of the recipe to area under the ROC curve.
    """

    areas: Mapping[str, float]

    @property
    def defines_direction(self) -> bool:
        """Whether some recipe's pictures are told from the references."""
        return max(self.areas.values()) >= TOLD_APART

    @property
    def text(self) -> str:
        """One line for people."""
        far, near = max(self.areas, key=self.areas.__getitem__), min(self.areas, key=self.areas.__getitem__)
        said = f"AUC {self.areas[far]:.2f} against {far}, {self.areas[near]:.2f} against {near}"
        if self.defines_direction:
            return f"references: told from the calibration renders ({said})"
        return (
            "references: they do not define a direction: single ones are not told from the calibration renders "
            f"({said}, {TOLD_APART} is wanted). Give more of them, of one look and diverse subjects, and more prompts"
        )


def separation(calibration: Calibration, embedding: str) -> Separation:
    """Measure; see the module's docstring."""
    look = Look(embedding, calibration)
    looks, references = {k: look(f) for k, f in calibration.recipes.items()}, look(calibration.references)
    dimensions = references.shape[1]
    looks, references = _in_their_span(looks, references)
    wins: dict[str, list[float]] = {label: [] for label in looks}
    for number, reference in enumerate(references):
        others = np.delete(references, number, axis=0)
        held = np.arange(len(next(iter(looks.values())))) % FOLDS == number % FOLDS
        kept = {label: recipe[~held] for label, recipe in looks.items()}
        metric = learned(list(kept.values()), others, dimensions)
        for label, recipe in kept.items():
            way = metric.root @ metric.relative(recipe.mean(0))
            wins[label].append(_wins(-float(reference @ way), -(looks[label][held] @ way)))
    return Separation(areas={label: float(np.mean(won)) for label, won in wins.items()})


def _wins(reference: float, renders: Matrix) -> float:
    return float(np.mean(reference > renders) + 0.5 * np.mean(reference == renders))


def _in_their_span(looks: dict[str, Matrix], references: Matrix) -> tuple[dict[str, Matrix], Matrix]:
    """The same vectors in the few coordinates that all of them span; the metric is the same there, and quick."""
    stacked = np.concatenate([*looks.values(), references])
    _, sizes, axes = np.linalg.svd(stacked, full_matrices=False)
    axes = axes[sizes > 1e-9 * sizes[0]].T
    return {label: look @ axes for label, look in looks.items()}, references @ axes
