"""Content leak: pictures that come nearer to the references in content, not in style.

Two alarms:

1. Drift. ``d_i = e_i - c_i`` is the difference of a picture's style features from the mean of the baselines' pictures
   of the same prompt and seed, ``w`` the direction to the references in the style score's metric. Drift is the unbiased
   squared length of the mean of ``d_i`` without its component along ``w``. A recipe that drifts more than twice as much
   as any baseline has changed in more than style.
2. Disagreement. Over a search's trials the style score, which discounts content, and the margin to the references,
   which does not, rank recipes in opposite orders.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from scorers.features import FloatArray
from scorers.scoring.metric import unbiased_square

MOST_DRIFT = 2.0
"""The drift, in units of the largest among the baselines, above which there is an alarm."""
FEWEST_TRIALS = 12
"""The fewest trials over which style score and margin are compared."""
LEAST_AGREEMENT = -0.2
"""The rank correlation below which there is an alarm; of 12 independent trials every fourth set is below it."""
ALIKE = 1e-9
"""The squared distance below which differences of style features are rounding errors."""


def drifts(recipes: Mapping[str, FloatArray], baselines: Sequence[str], direction: FloatArray) -> dict[str, float]:
    """Drift of every recipe, in units of the largest among the baselines.

    Args:
        recipes: label to style features ``(n, d)``, all of the same slots in the same order.
        baselines: labels of parents and FLAT mixes.
        direction: ``w``, a unit vector ``(d,)``.

    Returns:
        By label; empty where the baselines are all alike, as mixes of a model with itself are.
    """
    centre = np.mean([recipes[label] for label in baselines], axis=0)
    away = {label: features - centre for label, features in recipes.items()}
    squares = {label: unbiased_square(d - np.outer(d @ direction, direction)) for label, d in away.items()}
    most = max(squares[label] for label in baselines)
    return {label: max(0.0, square) / most for label, square in squares.items()} if most > ALIKE else {}


def drift_alarm(drift: float) -> str:
    """The alarm about one recipe's drift, or ""."""
    if drift <= MOST_DRIFT:
        return ""
    return (
        f"its pictures moved aside from the direction to the references {drift:.1f} times as far as those of any "
        "parent or FLAT mix; content may have changed with the style, so look at the sheet"
    )


def agreement(style: Sequence[float], margin: Sequence[float]) -> float:
    """Spearman's rank correlation of two scores of the same trials; NaN where one never changes."""
    if len(style) < 2 or min(np.ptp(style), np.ptp(margin)) == 0:
        return float("nan")
    from scipy.stats import rankdata  # scipy.stats takes a second to load

    return float(np.corrcoef(rankdata(style), rankdata(margin))[0, 1])


def disagreement_alarm(style: Sequence[float], margin: Sequence[float]) -> str:
    """The alarm about a search whose trials style score and margin rank in opposite orders, or ""."""
    if len(style) < FEWEST_TRIALS or not agreement(style, margin) < LEAST_AGREEMENT:
        return ""
    return (
        f"over {len(style)} trials the style score and the plain margin to the references disagree (rank correlation "
        f"{agreement(style, margin):+.2f}); content may decide one of them: give references of more diverse subjects"
    )
