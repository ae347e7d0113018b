"""What a scorer is: features in, one contribution per picture out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from engine.errors import Named
from scorers.errors import ScorerError
from scorers.features import Features, Values

LARGEST = 1e100
"""The largest size of a number that a scorer may return: squares of larger ones are no numbers any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """What scorers are fitted on.

    Attributes:
        recipes: label ("A", "B", "FLAT_50", ...) to the features of that recipe's pictures, broken ones left out.
        references: features of the reference pictures.
    """

    recipes: Mapping[str, Features]
    references: Features


class Scorer(Protocol):
    """One criterion for pictures; more is better, units are the scorer's own.

    A recipe's value is the mean of its pictures' contributions, by the pictures' weights. Scaling, weights and standard
    errors are the panel's.
    """

    @property
    def name(self) -> str:
        """The name in settings and reports."""
        ...

    @property
    def version(self) -> str:
        """A text that changes whenever the same pictures get other numbers."""
        ...

    @property
    def needs(self) -> frozenset[str]:
        """What the scorer reads: ``embedding:NAME``, ``statistics``, ``prompt``, ``slots``, ``refs``, ``image``."""
        ...

    @property
    def degree(self) -> int:
        """1 or 2: how many pictures a contribution depends on.

        1 when a contribution depends on its own picture alone, 2 when it is an average over the pairs with the
        recipe's other pictures, by their ``Features.weights`` where there are some. The standard error follows from it,
        see ``scorers.panel.verdict.influence``.
        """
        ...

    def fit(self, calibration: Calibration) -> None:
        """Learn from calibration recipes and references; called once, before any scoring."""
        ...

    def __call__(self, features: Features) -> Values:
        """Contributions, ``(n,)``, in the scorer's units; NaN where a picture cannot be scored."""
        ...


@runtime_checkable
class ImageScorer(Protocol):
    """A scorer that reads the pictures themselves, once; its numbers are kept as the features' readings."""

    @property
    def name(self) -> str:
        """The scorer's name, also that of its readings."""
        ...

    @property
    def version(self) -> str:
        """Readings of another version are not used; the pictures are read again."""
        ...

    def look(self, images: Tensor, prompts: Sequence[str]) -> Values:
        """Return one number per picture.

        Args:
            images: ``[n, 3, h, w]`` float32 in 0..1, finite.
            prompts: the pictures' prompts.

        Returns:
            ``(n,)``; NaN where a picture cannot be scored.
        """
        ...


def checked_values(name: str, compute: Callable[[], Any], count: int) -> Values:
    """Run a scorer on ``count`` pictures and check what it returns; a copy, ``(count,)``.

    Args:
        name: the scorer's name, for messages.
        compute: calls the scorer.
        count: the number of pictures.

    Raises:
        ScorerError: it raised, or returned something else than one number per picture.
    """
    try:
        values = np.array(compute(), dtype=np.float64)
    except ScorerError as error:
        raise error.under(Named(f"scorer {name!r}")) from error
    except torch.OutOfMemoryError:
        raise  # whoever has the pictures makes room, and tries again
    except Exception as error:
        raise ScorerError(f"scorer {name!r} failed: {type(error).__name__}: {error}") from error
    if values.shape != (count,) or (np.abs(values) > LARGEST).any():
        raise ScorerError(
            f"scorer {name!r} returned shape {values.shape} or numbers beyond {LARGEST:g} for {count} pictures",
            remedy="return one number per picture, NaN where a picture cannot be scored",
        )
    return values
