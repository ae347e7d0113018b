"""What a recipe is fined for, though a scorer may like it: copied references, burnt pictures, all pictures alike.

Fines on single pictures are 0 to ``MOST`` objective units, and a recipe's fine is their mean. So they are known on any
prompts and seeds, and add up in differences of recipes like the scorers' own contributions. No picture of a
calibration recipe is fined: the limits lie beyond what references and calibration show.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol

import numpy as np
import numpy.typing as npt

from scorers.base import Calibration, Scorer, Values
from scorers.extraction.dhash import distances
from scorers.extraction.statistics import STATISTICS
from scorers.features import EMBEDDING, Features

VERSION = "1"
MOST = 6.0
"""The greatest fine, in objective units: as much as a scorer's part may fall."""
ALIKE_BITS = 6
"""Pictures whose difference hashes differ in no more bits show the same; other pictures differ in about 32 of 64."""
ALIKE_COSINE = 0.95
"""Least cosine between the style embeddings of a picture and its copy (CSD); more in encoders that tell less apart."""
BANDS: Mapping[str, tuple[float, str]] = MappingProxyType(
    {
        "colourfulness": (5.0, "over-saturated"),
        "clip_frac": (0.05, "washed out or crushed"),
        "hf_ratio": (0.05, "over-sharpened"),
    }
)
"""Statistics with an upper band: the least unit in which the excess is counted, and what is wrong beyond it."""


class Fine(Scorer, Protocol):
    """A scorer whose contributions, 0 to ``MOST``, are taken from the objective."""

    def words(self, features: Features) -> str:
        """What is wrong with a recipe's pictures, for people."""
        ...


class Excess:
    """Pictures beyond the upper band of a statistic.

    The band ends half a standard deviation above the greatest value of any reference or calibration picture; the
    excess counts in these standard deviations.
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
        seen = [calibration.references, *calibration.recipes.values()]
        values = np.concatenate([features.statistics[:, self._column] for features in seen]).astype(np.float64)
        self._unit = max(self._least, float(values.std()))
        self._limit = float(values.max()) + 0.5 * self._unit

    def __call__(self, features: Features) -> Values:
        """Fines, ``(n,)``."""
        beyond = (features.statistics[:, self._column].astype(np.float64) - self._limit) / self._unit
        return np.clip(beyond, 0.0, MOST)

    def words(self, features: Features) -> str:
        """How many pictures, and how far."""
        values = features.statistics[:, self._column]
        count = int((values > self._limit).sum())
        found = f"{self.name} up to {values.max():.3g}, beyond {self._limit:.3g}"
        return f"{count} of {len(features)} pictures {self._wrong}: {found}"


class Copies:
    """Pictures that show a reference again, by difference hash or by style embedding.

    Where references, or calibration pictures and references, are alike by themselves, the limits give way: a picture
    is a copy only when it is twice as near to a reference as any of these.
    """

    name = "copies"
    version = VERSION
    degree = 1

    def __init__(self, embedding: str) -> None:
        """``embedding`` is the one that the style is seen in."""
        self.needs = frozenset({EMBEDDING + embedding, "refs"})
        self._embedding = embedding
        self._hashes: npt.NDArray[np.uint64] = np.zeros(0, np.uint64)
        self._seen: Values = np.zeros((0, 0))
        self._bits, self._cosine = ALIKE_BITS, ALIKE_COSINE

    def fit(self, calibration: Calibration) -> None:
        """Remember the references, and how near to them pictures are that copy nothing."""
        references = calibration.references
        self._hashes = references.dhash
        self._seen = references.embedding(self._embedding).astype(np.float64)
        apart = ~np.eye(len(references), dtype=bool)  # nothing of a single reference
        bits = distances(self._hashes, self._hashes)[apart].tolist()
        cosines = (self._seen @ self._seen.T)[apart].tolist()
        for recipe in calibration.recipes.values():
            near, alike = self._nearest(recipe)
            bits.append(int(near.min()))
            cosines.append(float(alike.max()))
        self._bits = min(ALIKE_BITS, min(bits) // 2)
        self._cosine = max(ALIKE_COSINE, 1 - (1 - max(cosines)) / 2)

    def _nearest(self, features: Features) -> tuple[npt.NDArray[np.int64], Values]:
        """Bits and cosine of every picture to the reference that is nearest in each, ``(n,)`` both."""
        cosines = features.embedding(self._embedding).astype(np.float64) @ self._seen.T
        return distances(features.dhash, self._hashes).min(1), cosines.max(1)

    def _copied(self, features: Features) -> npt.NDArray[np.bool_]:
        bits, cosines = self._nearest(features)
        return (bits <= self._bits) | (cosines > self._cosine)

    def __call__(self, features: Features) -> Values:
        """Fines, ``(n,)``: all or nothing."""
        return np.where(self._copied(features), MOST, 0.0)

    def words(self, features: Features) -> str:
        """Which pictures."""
        rows = np.flatnonzero(self._copied(features))
        seeds = ", ".join(str(features.seeds[row]) for row in rows[:5])
        return f"{len(rows)} of {len(features)} pictures copy a reference (seeds {seeds}{', ...' * (len(rows) > 5)})"


class Collapse:
    """How alike the pictures of different prompts are: their mean cosine, -1..1; a fine is for its rise alone.

    A recipe that draws the same thing whatever the prompt may come close to the references and yet be of no use. But a
    look that all pictures share makes them more alike too, so as much as the references, which show different subjects,
    is no collapse: in the sample world mixes measure .05, references .22, and what Adjust does to come close .1 to .2.

    Attributes:
        references: the references' own.
    """

    name = "collapse"
    version = VERSION
    degree = 2
    least = 0.01
    """The least unit in which a rise is counted."""

    def __init__(self, embedding: str) -> None:
        """``embedding`` is the one that contents are seen in."""
        self.needs = frozenset({EMBEDDING + embedding})
        self._embedding = embedding
        self.references = -1.0

    def fit(self, calibration: Calibration) -> None:
        """Measure the references."""
        alike = self(calibration.references)
        self.references = float(np.nanmean(alike)) if np.isfinite(alike).any() else -1.0  # one reference is like none

    def __call__(self, features: Features) -> Values:
        """Contributions, ``(n,)``: mean cosine to the pictures of other prompts, or of other seeds if there is one."""
        seen = features.embedding(self._embedding).astype(np.float64)
        prompts = np.array(features.prompts, dtype=object)
        other = prompts[:, None] != prompts[None, :]
        if not other.any():
            other = ~np.eye(len(prompts), dtype=bool)
        counts = other.sum(1)
        return np.where(counts > 0, (seen @ seen.T * other).sum(1) / np.maximum(counts, 1), np.nan)


def fines(embedding: str) -> list[Fine]:
    """All fines on single pictures; ``embedding`` is the one that the style is seen in."""
    return [Copies(embedding), *excesses()]


def excesses() -> list[Fine]:
    """The fines that need no embedding."""
    return [Excess(statistic) for statistic in BANDS]
