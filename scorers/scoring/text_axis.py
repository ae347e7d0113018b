"""How far pictures lie along a direction given in words: more like "flat illustration", less like "photo".

The direction is the difference of two text embeddings of a CLIP model, each the mean of unit vectors over templates
(Radford et al. 2021, prompt ensembling; the difference after Gal et al. 2022, "StyleGAN-NADA"). A picture's value is
the difference of its two logits, at CLIP's scale of 100; their softmax would saturate. The panel takes its difference
from the base recipe's picture of the same prompt and seed, so the prompt's own words on style cancel.

The value is linear: it has no maximum at the target style, and words do not separate similar styles. So references,
where there are enough, keep the larger share of the weight (``scorers.panel.settings``).
"""

from __future__ import annotations

import hashlib

import numpy as np

from scorers.base import Calibration
from scorers.encoders.encoder import Encoder
from scorers.errors import ScorerError
from scorers.features import EMBEDDING, Features, FloatArray, Values

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
"""Sentences that the words are put into; their mean depends less on one wording."""
NEUTRAL = "picture"
"""What pictures should be less like when the user gives only ``like``."""
LOGIT_SCALE = 100.0
"""The factor of cosines in CLIP's published logits."""


class TextAxis:
    """The text axis as a scorer; see the module's docstring.

    Attributes:
        axis: the direction times ``LOGIT_SCALE``, ``(d,)``; embeddings are multiplied by it.
    """

    name = "text"
    degree = 1

    def __init__(self, encoder: Encoder, embedding: str, like: str, unlike: str = NEUTRAL) -> None:
        """Embed the words.

        Args:
            encoder: the encoder that also embeds the pictures.
            embedding: the name of the encoder's embeddings in features.
            like: the target style in words.
            unlike: in words, what pictures should be less like than ``like``.

        Raises:
            ScorerError: the encoder reads no text, or gives both texts the same embedding.
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


def _mean(encoder: Encoder, words: str) -> FloatArray:
    """Unit mean of the templates' unit vectors, ``(d,)``."""
    vectors = encoder.embed_texts([template.format(words) for template in TEMPLATES]).cpu().numpy().astype(np.float64)
    mean = vectors.mean(0)
    return mean / max(float(np.linalg.norm(mean)), 1e-12)
