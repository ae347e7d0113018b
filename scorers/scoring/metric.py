"""The metric of looks: which differences between pictures count as style, learned from calibration and references.

``P = S_l^-1`` with ``S_l = (1 - l) S + l tr(S) / d I`` and ``S`` the mean of the content scatter within the calibration
recipes and the scatter within the references: directions along which contents differ count little, others much
(shrunken linear discriminant analysis; Ledoit and Wolf 2004 for the shrinkage). All in float64.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scorers.errors import ScorerError

Matrix = npt.NDArray[np.float64]
SHRINKAGE = 0.1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Metric:
    """A squared distance ``|(x - target)' root|^2``.

    Attributes:
        root: ``(d, d)``.
        target: mean of the references, ``(d,)``.
    """

    root: Matrix
    target: Matrix

    def relative(self, looks: Matrix) -> Matrix:
        """Looks ``(n, d)`` relative to the target, in units in which squared length is squared distance."""
        return (looks - self.target) @ self.root


def learned(recipes: Sequence[Matrix], references: Matrix, dimensions: int | None = None) -> Metric:
    """Learn the metric.

    Args:
        recipes: looks of every calibration recipe, ``(n, d)`` each.
        references: looks of the references, ``(m, d)``, two at least.
        dimensions: ``d`` of the shrinkage, where the looks are given in fewer coordinates that span them.

    Raises:
        ScorerError: there is no scatter at all.
    """
    return Metric(root=whitening(scatter(recipes, references), dimensions), target=references.mean(0))


def scatter(recipes: Sequence[Matrix], references: Matrix) -> Matrix:
    """``S``, ``(d, d)``: how pictures of one look differ."""
    within = np.concatenate([recipe - recipe.mean(0) for recipe in recipes])
    return 0.5 * (_covariance(within) + _covariance(references - references.mean(0)))


def _covariance(centred: Matrix) -> Matrix:
    return centred.T @ centred / len(centred)


def whitening(content: Matrix, dimensions: int | None = None) -> Matrix:
    """``L``, ``(d, d)``, with ``L L' = P``, the inverse of the shrunken scatter; raises as ``learned`` does."""
    size = float(np.trace(content)) / (dimensions or len(content))
    if not np.isfinite(size) or size <= 1e-12:
        raise ScorerError("style: the calibration pictures and references all look the same to the encoder")
    values, vectors = np.linalg.eigh((1 - SHRINKAGE) * content + SHRINKAGE * size * np.eye(len(content)))
    return vectors / np.sqrt(values)


def unbiased_square(rows: Matrix) -> float:
    """Squared length of the expectation of rows ``(n, d)``, n > 1, estimated without the rows' own variance."""
    total = rows.sum(0)
    return float(total @ total - np.square(rows).sum()) / (len(rows) * (len(rows) - 1))
