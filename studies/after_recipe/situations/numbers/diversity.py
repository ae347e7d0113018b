"""How much the pictures of a situation differ over seeds: a recipe that always draws the same is poor, however good.

The spread of ``n`` pictures is the mean of ``1 - cos(x_i, x_j)`` over pairs of their content embeddings: a U-statistic
of degree 2 (Hoeffding 1948), unbiased for any ``n``. As its rivals have the same prompts and seeds, a recipe's spread
is compared by the jackknife's pseudo-values (Tukey 1958), whose mean is the spread and whose scatter is its noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from scorers.features import Features, Slot
    from studies.after_recipe.situations.numbers.statistics import Sample

FEWEST = 3
"""Pictures of which a spread and its noise can be told."""


def spread_of(features: Features, embedding: str, slots: Sequence[Slot]) -> float:
    """Return the mean distance between two of a recipe's pictures of some slots, 0 to 2."""
    return float(_distances(features, embedding, slots).mean())


def spread_values(features: Features, embedding: str, slots: Sequence[Slot]) -> Sample:
    """Return the pseudo-values of a recipe's spread, one for each of some slots, three at least."""
    from scorers.panel.verdict import influence

    distances = _distances(features, embedding, slots)
    return distances.mean() + (len(distances) - 1) * influence(distances, degree=2)


def _distances(features: Features, embedding: str, slots: Sequence[Slot]) -> Sample:
    """Mean distance of each picture from the others."""
    rows = {slot: row for row, slot in enumerate(features.slots)}
    vectors = features.embedding(embedding)[[rows[slot] for slot in slots]].astype(np.float64)
    cosines = vectors @ vectors.T
    count = len(slots)
    return 1 - (cosines.sum(1) - np.diag(cosines)) / (count - 1)
