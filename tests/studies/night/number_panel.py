"""Pictures that are one number each, and a panel that judges them by it: for the rules of a proof, and for luck."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace

import numpy as np
import numpy.typing as npt

from scorers.features import Features
from scorers.panel.verdict import CONFIDENCE, PairedDifference, influence, jackknife, paired_difference

Array = npt.NDArray[np.float64]


def features_of(numbers: Array, places: Sequence[int]) -> Features:
    """Return the features of pictures of some shots, the number of each by its shot's place."""
    count = len(places)
    return Features(
        embeddings={},
        statistics=np.zeros((count, 0), np.float32),
        brightest=np.zeros(count, np.float32),
        dhash=np.zeros(count, np.uint64),
        readings={"number": numbers[list(places)]},
        broken=("",) * count,
        prompts=tuple(f"prompt {place}" for place in places),
        seeds=(1,) * count,
    )


class NumberPanel:
    """Judges by the mean, and compares by the mean difference at equal shots."""

    def judge(self, features: Features) -> SimpleNamespace:
        """Return a verdict with the value."""
        return SimpleNamespace(value=float(features.readings["number"].mean()))

    def compare(self, a: Features, b: Features, *, confidence: float = CONFIDENCE) -> PairedDifference:
        """Return the difference on the shots that both have."""
        known = dict(zip(b.slots, b.readings["number"], strict=True))
        pairs = zip(a.slots, a.readings["number"], strict=True)
        differences = np.array([number - known[slot] for slot, number in pairs if slot in known])
        error = jackknife(influence(differences, 1))
        assert error is not None
        return paired_difference(float(differences.mean()), error, len(differences) - 1, confidence)
