"""What a scorer is: features in, one contribution per picture out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
from torch import Tensor

from scorers.errors import ScorerError
from scorers.features import Features

Values = npt.NDArray[np.float64]


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
    """

    @property
    def name(self) -> str:
        """In settings and reports."""
        ...

    @property
    def version(self) -> str:
        """Changes whenever the same pictures get other numbers."""
        ...

    @property
    def needs(self) -> frozenset[str]:
        """What the scorer reads: ``embedding:NAME``, ``statistics``, ``prompt``, ``slots``, ``refs``, ``image``."""
        ...

    @property
    def degree(self) -> int:
        """1 or 2; how many pictures a contribution depends on.

        1 when a contribution depends on its own picture alone, 2 when it is an average over the pairs with the
        recipe's other pictures. The standard error follows from it, see ``scorers.panel.verdict.influence``.
        """
        ...

    def fit(self, calibration: Calibration) -> None:
        """Learn what is needed from calibration recipes and references; called once, before any scoring."""
        ...

    def __call__(self, features: Features) -> Values:
        """Contributions, ``(n,)``, raw units; NaN where the scorer cannot say."""
        ...


@runtime_checkable
class Looking(Protocol):
    """A scorer that looks at the pictures themselves, once; what it says is kept among the features' readings."""

    @property
    def name(self) -> str:
        """Also the name of the reading."""
        ...

    @property
    def version(self) -> str:
        """Readings of another version are made again."""
        ...

    def look(self, images: Tensor, prompts: Sequence[str]) -> Values:
        """A number for every picture.

        Args:
            images: ``[n, 3, h, w]`` float32 in 0..1, finite.
            prompts: what was asked for.

        Returns:
            ``(n,)``; NaN where it cannot say.
        """
        ...


def said(name: str, say: Callable[[], Any], count: int) -> Values:
    """What a scorer says of ``count`` pictures, ``(count,)``, checked; a copy of its own.

    Args:
        name: of the scorer, for messages.
        say: asks it.
        count: how many pictures it is asked about.

    Raises:
        ScorerError: it raised, or returned something else than one number a picture.
    """
    try:
        values = np.array(say(), dtype=np.float64)
    except Exception as error:
        raise ScorerError(f"scorer {name!r} failed: {type(error).__name__}: {error}") from error
    if values.shape != (count,) or np.isinf(values).any():
        raise ScorerError(
            f"scorer {name!r} returned shape {values.shape} or infinite numbers for {count} pictures",
            remedy="one number a picture is wanted, NaN where it cannot say",
        )
    return values
