"""The metric of style features: how much each difference between pictures counts as style.

``P = S_l^-1`` with ``S_l = (1 - l) S + l tr(S) / d I`` and ``S`` the mean of the content scatter within the calibration
recipes and the scatter within the references, ``l`` the constant ``SHRINKAGE``, ``d`` the number of dimensions:
directions along which contents differ count little, others much (linear discriminant analysis, Fisher 1936, with the
shrinkage towards a multiple of the identity of Ledoit and Wolf 2004). All in float64.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scorers.errors import ScorerError
from scorers.features import FloatArray

SHRINKAGE = 0.1
"""The share ``l`` of the identity in the shrunken scatter; ``scorers.scoring.style`` has what other shares gave."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Metric:
    """A squared distance ``|(x - target)' root|^2``.

    Attributes:
        root: ``(d, d)``, a square root of ``P``: ``root root' = P``.
        target: mean style features of the references, ``(d,)``.
    """

    root: FloatArray
    target: FloatArray

    def relative(self, features: FloatArray) -> FloatArray:
        """``(features - target) root``, ``(n, d)``: its squared length is the squared distance to the target."""
        return (features - self.target) @ self.root


def fit_metric(recipes: Sequence[FloatArray], references: FloatArray, dimensions: int | None = None) -> Metric:
    """Fit the metric.

    Args:
        recipes: style features of every calibration recipe, ``(n, d)`` each.
        references: style features of the references, ``(m, d)``, at least two.
        dimensions: ``d`` of the shrinkage, where the features are given in fewer coordinates that span them.

    Raises:
        ScorerError: there is no scatter at all.
    """
    return Metric(root=whitening(scatter(recipes, references), dimensions), target=references.mean(0))


def scatter(recipes: Sequence[FloatArray], references: FloatArray) -> FloatArray:
    """``S``, ``(d, d)``: the mean of the covariance within recipes and that within the references."""
    within = np.concatenate([recipe - recipe.mean(0) for recipe in recipes])
    return 0.5 * (_covariance(within) + _covariance(references - references.mean(0)))


def _covariance(centred: FloatArray) -> FloatArray:
    return centred.T @ centred / len(centred)


def whitening(content: FloatArray, dimensions: int | None = None) -> FloatArray:
    """A square root of the inverse of the shrunken scatter: ``L``, ``(d, d)``, with ``L L' = P``.

    Raises:
        ScorerError: there is no scatter at all.
    """
    size = float(np.trace(content)) / (dimensions or len(content))
    if not np.isfinite(size) or size <= 1e-12:
        raise ScorerError("style: the calibration pictures and references all look the same to the encoder")
    values, vectors = np.linalg.eigh((1 - SHRINKAGE) * content + SHRINKAGE * size * np.eye(len(content)))
    return vectors / np.sqrt(values)


def unbiased_square(rows: FloatArray) -> float:
    """Unbiased squared length of the expectation of rows ``(n, d)``, n > 1: the mean over pairs of ``x_i' x_j``."""
    total = rows.sum(0)
    return float(total @ total - np.square(rows).sum()) / (len(rows) * (len(rows) - 1))
