"""What is subtracted from a recipe's objective: copied references, burnt pictures, pictures all alike, lost quality.

Penalties on single pictures are 0 to ``MAX_PENALTY`` objective units, and a recipe's penalty is their mean. So they are
known for any prompts and seeds, and add up in differences of recipes like the scorers' own contributions. No picture of
a calibration recipe has one: the limits lie beyond what references and calibration pictures show. Penalties on a recipe
as a whole (``Hinge``) are for differences from the base recipe beyond a limit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

import numpy as np
import numpy.typing as npt

from engine.errors import counted
from scorers.base import Calibration, Scorer
from scorers.extraction.dhash import distances
from scorers.extraction.statistics import STATISTICS
from scorers.features import EMBEDDING, Features, FloatArray, Values

VERSION = "1"
"""Version of all penalties; part of the panel's."""
MAX_PENALTY = 6.0
"""The greatest penalty, in objective units: as much as a scaled score may fall."""
ALIKE_BITS = 6
"""Pictures whose difference hashes differ in no more bits show the same; other pictures differ in about 32 of 64."""
ALIKE_COSINE = 0.95
"""Least cosine between the style embeddings of a picture and its copy (CSD); more in less specific encoders."""
BANDS: Mapping[str, tuple[float, str]] = MappingProxyType(
    {
        "colourfulness": (5.0, "over-saturated"),
        "clip_frac": (0.05, "washed out or crushed"),
        "hf_ratio": (0.05, "over-sharpened"),
    }
)
"""Statistics with an upper band: the least unit in which the excess is counted, and what is wrong beyond the band."""


class PicturePenalty(Scorer, Protocol):
    """A scorer whose contributions, 0 to ``MAX_PENALTY``, are subtracted from the objective."""

    def reason(self, features: Features) -> str:
        """What is wrong with a recipe's pictures, for people."""
        ...


class StatisticExcess:
    """The penalty on pictures beyond the upper band of a statistic.

    The band ends half a standard deviation above the greatest value of any reference or calibration picture; the
    excess is counted in these standard deviations.
    """

    version = VERSION
    needs = frozenset({"statistics", "refs"})
    degree = 1

    def __init__(self, statistic: str) -> None:
        """``statistic`` is one of ``BANDS``."""
        self.name = statistic
        self._least, self._wrong = BANDS[statistic]
        self._column = STATISTICS.index(statistic)
        self._limit, self._unit = np.inf, self._least

    def fit(self, calibration: Calibration) -> None:
        """Set the band."""
        known = [calibration.references, *calibration.recipes.values()]
        values = np.concatenate([features.statistics[:, self._column] for features in known]).astype(np.float64)
        self._unit = max(self._least, float(values.std()))
        self._limit = float(values.max()) + 0.5 * self._unit

    def __call__(self, features: Features) -> Values:
        """Penalties, ``(n,)``."""
        beyond = (features.statistics[:, self._column].astype(np.float64) - self._limit) / self._unit
        return np.clip(beyond, 0.0, MAX_PENALTY)

    def reason(self, features: Features) -> str:
        """How many pictures, and how far beyond."""
        values = features.statistics[:, self._column]
        count = int((values > self._limit).sum())
        excess = f"{self.name} up to {values.max():.3g}, beyond {self._limit:.3g}"
        return f"{count} of {counted(len(features), 'picture')} {self._wrong}: {excess}"


class CopiedReferences:
    """The penalty on pictures that show a reference again, by difference hash or by style embedding.

    Where references resemble each other, or calibration pictures resemble references, the limits are stricter: a
    picture is a copy only when it is twice as near to a reference as any of these.
    """

    name = "copies"
    version = VERSION
    degree = 1

    def __init__(self, embedding: str) -> None:
        """``embedding`` is the name of the one that represents style."""
        self.needs = frozenset({EMBEDDING + embedding, "refs"})
        self._embedding = embedding
        self._hashes: npt.NDArray[np.uint64] = np.zeros(0, np.uint64)
        self._references: FloatArray = np.zeros((0, 0))
        self._bits, self._cosine = ALIKE_BITS, ALIKE_COSINE

    def fit(self, calibration: Calibration) -> None:
        """Store the references, and how near to them pictures are that copy nothing."""
        references = calibration.references
        self._hashes = references.dhash
        self._references = references.embedding(self._embedding).astype(np.float64)
        pairs = ~np.eye(len(references), dtype=bool)  # none for a single reference
        bits = distances(self._hashes, self._hashes)[pairs].tolist()
        cosines = (self._references @ self._references.T)[pairs].tolist()
        for recipe in calibration.recipes.values():
            nearest_bits, nearest_cosines = self._nearest(recipe)
            bits.append(int(nearest_bits.min()))
            cosines.append(float(nearest_cosines.max()))
        self._bits = min(ALIKE_BITS, min(bits) // 2)
        self._cosine = max(ALIKE_COSINE, 1 - (1 - max(cosines)) / 2)

    def _nearest(self, features: Features) -> tuple[npt.NDArray[np.int64], Values]:
        """Bits and cosine between every picture and the reference that is nearest in each, ``(n,)`` both."""
        cosines = features.embedding(self._embedding).astype(np.float64) @ self._references.T
        return distances(features.dhash, self._hashes).min(1), cosines.max(1)

    def _copied(self, features: Features) -> npt.NDArray[np.bool_]:
        bits, cosines = self._nearest(features)
        return (bits <= self._bits) | (cosines > self._cosine)

    def __call__(self, features: Features) -> Values:
        """Penalties, ``(n,)``: 0 or ``MAX_PENALTY``."""
        return np.where(self._copied(features), MAX_PENALTY, 0.0)

    def reason(self, features: Features) -> str:
        """Which pictures."""
        rows = np.flatnonzero(self._copied(features))
        seeds = ", ".join(str(features.seeds[row]) for row in rows[:5]) + ", ..." * (len(rows) > 5)
        return f"{len(rows)} of {counted(len(features), 'picture')} copy a reference (seeds {seeds})"


class Collapse:
    """How alike the pictures of different prompts are: their mean cosine, -1..1; only a rise is penalised.

    A recipe that draws the same thing whatever the prompt may come close to the references and yet be of no use. But a
    style that all pictures share makes them more alike too, so as much as the references, which show different
    subjects, is no collapse: in the sample world mixes measure .05, references .22, and recipes whose Adjust values
    come close .1 to .2.

    Attributes:
        references: the references' own mean cosine; -1 for a single reference.
    """

    name = "collapse"
    version = VERSION
    degree = 2
    least = 0.01
    """The least unit in which a rise is counted."""

    def __init__(self, embedding: str) -> None:
        """``embedding`` is the name of the one that represents content."""
        self.needs = frozenset({EMBEDDING + embedding})
        self._embedding = embedding
        self.references = -1.0

    def fit(self, calibration: Calibration) -> None:
        """Measure the references."""
        alike = self(calibration.references)
        self.references = float(np.nanmean(alike)) if np.isfinite(alike).any() else -1.0

    def __call__(self, features: Features) -> Values:
        """Contributions, ``(n,)``: mean cosine to the pictures of other prompts, or of other seeds if there is one."""
        vectors = features.embedding(self._embedding).astype(np.float64)
        prompts = np.array(features.prompts, dtype=object)
        other = prompts[:, None] != prompts[None, :]
        if not other.any():
            other = ~np.eye(len(prompts), dtype=bool)
        counted = other if features.weights is None else other * features.weights
        counts = counted.sum(1)
        totals = (vectors @ vectors.T * counted).sum(1)
        return np.where(other.any(1), totals / np.where(other.any(1), counts, 1), np.nan)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hinge:
    """A limit to a number's difference from the base recipe; beyond it the excess is subtracted.

    Attributes:
        name: the name of the number: a scorer's, or ``collapse``.
        limit: in ``unit``.
        unit: in the number's own units; negative where the limit is a floor.
    """

    name: str
    limit: float
    unit: float

    def penalty(self, difference: float) -> float:
        """The penalty for a difference from the base, in objective units, at most ``MAX_PENALTY``."""
        return float(np.clip(difference / self.unit - self.limit, 0.0, MAX_PENALTY))

    def reason(self, difference: float) -> str:
        """What is wrong, for people."""
        if self.unit < 0:
            return (
                f"{self.name} {-difference / self.unit:+.1f} lies below its floor {-self.limit:+.1f}: more than one "
                "unit below the worse parent"
            )
        return (
            f"pictures of different prompts are more alike than in the base, by {difference:.3f} of mean cosine; "
            f"{self.limit * self.unit:.3f} is within what mixes of the parents and the references do"
        )


def picture_penalties(embedding: str) -> list[PicturePenalty]:
    """All penalties on single pictures; ``embedding`` is the name of the one that represents style."""
    return [CopiedReferences(embedding), *statistic_penalties()]


def statistic_penalties() -> list[PicturePenalty]:
    """The penalties that need no embedding."""
    return [StatisticExcess(statistic) for statistic in BANDS]
