"""Content leak: pictures that come nearer to the references by what they show, not by how.

Two alarms, each with what was measured:

1. Drift. ``d_i = e_i - c_i`` is how far a picture lies from the mean of the baselines' pictures of the same prompt and
   seed, ``w`` the direction to the references in the style score's metric; drift is the unbiased squared length of the
   mean of ``d_i`` without its part along ``w``. A recipe that drifts by more than twice what any baseline does has
   changed more than the way to the references asks for.
2. Disagreement. Over a search's trials the style score, which looks away from contents, and the margin to the
   references, which does not, rank recipes in opposite orders.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from scorers.scoring.metric import unbiased_square

Values = npt.NDArray[np.float64]
MOST_DRIFT = 2.0
FEWEST_TRIALS = 12
LEAST_AGREEMENT = -0.2  # rank correlation; of 12 independent trials every fourth lies below
ALIKE = 1e-9
"""Squared distance of looks below which nothing but rounding is seen."""


def drifts(looks: Mapping[str, Values], baselines: Sequence[str], direction: Values) -> dict[str, float]:
    """Drift of every recipe, in units of the largest among the baselines.

    Args:
        looks: label to embeddings ``(n, d)``, all of the same slots in the same order.
        baselines: labels of parents and FLAT mixes.
        direction: ``w``, a unit vector ``(d,)``.

    Returns:
        Nothing, where the baselines are all alike, as mixes of a model with itself are.
    """
    centre = np.mean([looks[label] for label in baselines], axis=0)
    away = {label: look - centre for label, look in looks.items()}
    squares = {label: unbiased_square(d - np.outer(d @ direction, direction)) for label, d in away.items()}
    most = max(squares[label] for label in baselines)
    return {label: max(0.0, square) / most for label, square in squares.items()} if most > ALIKE else {}


def drift_alarm(drift: float) -> str:
    """The first alarm for one recipe, or ""."""
    if drift <= MOST_DRIFT:
        return ""
    return (
        f"its pictures moved aside from the way to the references {drift:.1f} times as far as those of any parent or "
        "FLAT mix; contents may have changed with the look, so look at the sheet"
    )


def agreement(style: Sequence[float], margin: Sequence[float]) -> float:
    """Spearman's rank correlation of two scores of the same trials; NaN where one never changes."""
    if len(style) < 2 or min(np.ptp(style), np.ptp(margin)) == 0:
        return float("nan")
    return float(np.corrcoef(rankdata(style), rankdata(margin))[0, 1])


def disagreement_alarm(style: Sequence[float], margin: Sequence[float]) -> str:
    """The second alarm for the trials of a search, or ""."""
    if len(style) < FEWEST_TRIALS or not agreement(style, margin) < LEAST_AGREEMENT:
        return ""
    return (
        f"over {len(style)} trials the style score and the plain margin to the references disagree (rank correlation "
        f"{agreement(style, margin):+.2f}); contents may move one of them: give references of more diverse subjects"
    )
