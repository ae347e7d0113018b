"""Features made from embeddings alone, for tests that need no pictures."""

from __future__ import annotations

from typing import Any

import numpy as np

from scorers.extraction.statistics import STATISTICS
from scorers.features import Features


def features_of(embeddings: np.ndarray, **others: Any) -> Features:
    """Features of pictures of which only the embedding ``clip``, and what is named, is told."""
    count = len(embeddings)
    plain: dict[str, Any] = {
        "statistics": np.zeros((count, len(STATISTICS)), np.float32),
        "brightest": np.ones(count, np.float32),
        "dhash": np.zeros(count, np.uint64),
        "broken": ("",) * count,
        "prompts": ("",) * count,
        "seeds": tuple(range(count)),
    }
    return Features(embeddings={"clip": embeddings.astype(np.float32)}, **plain | others)
