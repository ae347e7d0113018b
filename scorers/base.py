"""What a scorer is: features in, one contribution per picture out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from scorers.features import Features


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """What scorers are fitted on.

    Attributes:
        recipes: label ("A", "B", "FLAT_50", ...) to the features of that recipe, broken pictures left out.
        references: features of the reference pictures.
    """

    recipes: Mapping[str, Features]
    references: Features


class Scorer(Protocol):
    """One way to judge pictures; more is better, units are the scorer's own.

    A recipe's value is the mean of its pictures' contributions. Scaling, weights and standard errors are the panel's.

    Attributes:
        name: in settings and reports.
        version: changes whenever the same pictures get other numbers.
        needs: of "image", "prompt", "refs"; what the scorer looks at.
        degree: 1 when a contribution depends on its own picture alone, 2 when it is an average over the pairs with
            the recipe's other pictures. The standard error follows from it, see ``scorers.verdict.jackknife``.
    """

    @property
    def name(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def needs(self) -> frozenset[str]: ...
    @property
    def degree(self) -> int: ...

    def fit(self, calibration: Calibration) -> None:
        """Learn what is needed from calibration recipes and references; called once, before any scoring."""
        ...

    def __call__(self, features: Features) -> npt.NDArray[np.float64]:
        """Contributions, ``(n,)``, raw units; NaN where the scorer cannot say."""
        ...
