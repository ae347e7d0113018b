"""How far pictures lie along a direction that words name: more like "flat illustration", less like "photo".

The direction is the difference of two text embeddings of a CLIP model, each the mean over templates of unit vectors
(Radford et al. 2021, prompt ensembles; the difference after Gal et al. 2022, "StyleGAN-NADA"). A picture's value is the
difference of its two logits, at CLIP's usual scale of 100; their softmax would saturate. The panel takes it relative to
the base recipe's picture of the same prompt and seed, so what the prompt itself says of the look falls out.

The value is linear: it has no maximum at a look, and words do not tell fine looks apart. That is why references, where
there are enough, keep the larger share (``scorers.panel.settings``).
"""

from __future__ import annotations

import hashlib

import numpy as np

from scorers.base import Calibration, Values
from scorers.encoders.encoder import Encoder
from scorers.errors import ScorerError
from scorers.features import EMBEDDING, Features

TEMPLATES = (
    "{}",
    "a {}",
    "{} style",
    "in the style of {}",
    "a picture, {}",
    "an image, {}",
    "artwork, {}",
    "a {} of a scene",
    "{}, background",
)
NEUTRAL = "picture"
"""What pictures shall be less like when nothing is said."""
LOGIT_SCALE = 100.0


class TextAxis:
    """The text axis as a scorer; see the module's docstring.

    Attributes:
        axis: what embeddings are multiplied by, ``(d,)``.
    """

    name = "text"
    degree = 1

    def __init__(self, encoder: Encoder, embedding: str, like: str, unlike: str = NEUTRAL) -> None:
        """Embed the words.

        Args:
            encoder: reads them; it made the embedding.
            embedding: the name under which features hold the encoder's embeddings.
            like: the wanted look in words.
            unlike: what it shall be told from.

        Raises:
            ScorerError: the encoder reads no text, or cannot tell the two texts apart.
        """
        if not encoder.reads_text:
            raise ScorerError(
                f"encoder {encoder.name} reads no text offline",
                remedy="remove 'like' from the target, or take another encoder",
            )
        self.needs = frozenset({EMBEDDING + embedding})
        self.version = "1 " + hashlib.sha256("\n".join((*TEMPLATES, like, unlike)).encode()).hexdigest()[:12]
        self._embedding = embedding
        self.axis = LOGIT_SCALE * (_mean(encoder, like) - _mean(encoder, unlike))
        if float(np.linalg.norm(self.axis)) < 1e-3 * LOGIT_SCALE:
            raise ScorerError(f"text: the encoder sees no difference between like {like!r} and unlike {unlike!r}")

    def fit(self, calibration: Calibration) -> None:
        """Nothing to learn."""

    def __call__(self, features: Features) -> Values:
        """Contributions, ``(n,)``: differences of logits."""
        return features.embedding(self._embedding).astype(np.float64) @ self.axis


def _mean(encoder: Encoder, words: str) -> Values:
    """Unit mean of the templates' unit vectors, ``(d,)``."""
    vectors = encoder.embed_texts([template.format(words) for template in TEMPLATES]).cpu().numpy().astype(np.float64)
    mean = vectors.mean(0)
    return mean / max(float(np.linalg.norm(mean)), 1e-12)
