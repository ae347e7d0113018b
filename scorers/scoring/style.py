"""How close a recipe's pictures come to the style of the references.

The value is minus a distance between the mean style features ``m`` of the recipe's pictures and the mean ``mu`` of the
references'. So it is largest *at* the references, also where these lie between the parents: a projection or a cosine
has no maximum there. Style features are an encoder's embedding and the statistics of colour, contrast and detail. ``Q``
is an unbiased estimate of the squared distance ``(m - mu)' P (m - mu)`` (a U-statistic, Hoeffding 1948), with ``P``
fitted (``scorers.scoring.metric``) and one standard deviation between contents as the unit. The value is
``1 - sqrt(1 + Q)``, the pseudo-Huber loss (Charbonnier et al. 1997): quadratic near the references, linear far away.
With the square alone a far parent sets the score's unit, and the differences of good recipes count for nothing beside
the other scorers: with drawn scenes, the parents are at ``Q`` = 138 and 25, the middle at 6.

The references show other contents than the shots, so ``mu`` has a content offset, which is most of the error. What
helps was measured on renders of the sample world of version 0.3 (96 px, its tiny trained CLIP), 20 draws of shots and
of references with other contents: the error of the best FLAT ratio, in steps of .05, against the planted .2, .35, .5,
.65 and .8; and how often each of four planted recipes that are not FLAT beats every FLAT. With 9 calibration recipes,
24 pictures and 48 references, and with 16 and 16:

    =========================================  ==========  ==========
    features and metric                        rms error   off FLAT
    =========================================  ==========  ==========
    embedding, l = .1                          .10 .17     57 % 44 %
    statistics, l = .1                         .09 .11     90 % 68 %
    **both, l = .1**                           .07 .09     85 % 68 %
    both but 3 statistics, l = .03             .07 .10     72 % 60 %
    both but 3 statistics, l = .3              .08 .11     80 % 58 %
    both, directions along which recipes do
    not move weighted .3 (Wiener gain)         .05 .08     81 % 68 %
    =========================================  ==========  ==========

The last row is not used: for a target that no blend of the parents reaches it costs two thirds of the lead, in standard
deviations between recipes. With an encoder of random weights the statistics halve the error as well (.15 to .08, .20 to
.11). Removing content components, a metric from the renders alone, and shrinking ``mu`` towards the span of recipe
differences were tried on drawn scenes (10 worlds); none was better. More references and more pictures help most;
``tests/benchmarks/RESULTS.md`` says how much.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from scorers.base import Calibration
from scorers.errors import ScorerError
from scorers.extraction.statistics import STATISTICS as MEASURED
from scorers.features import EMBEDDING, STATISTICS, Features, FloatArray, Values
from scorers.scoring.metric import Metric, fit_metric

LEAST_VARIANCE = 1e-12
"""A statistic of less variance over all pictures counts as constant, and is left out."""
FAULTS = frozenset({"clip_frac", "dark_frac", "grid", "coherence"})
"""Statistics that find broken and burnt pictures, and say nothing of style: most are 0 in most pictures."""
COLUMNS = np.array([i for i, name in enumerate(MEASURED) if name not in FAULTS])
"""Columns of the statistics that are style features."""


class StyleFeatures:
    """Computes a picture's style features: one vector of an embedding and the statistics ``COLUMNS`` in its scale.

    Each statistic is multiplied so that its variance over all pictures, of all recipes and the references, is that of
    an average coordinate of the embedding. The metric's shrinkage then bounds the weight of a statistic that differs
    little between contents and much between styles. A statistic that never changes is left out.
    """

    def __init__(self, embedding: str, calibration: Calibration) -> None:
        """``embedding`` is the embedding's name; the statistics are scaled on the calibration's pictures."""
        self._embedding = embedding
        self._columns = COLUMNS
        self._scale = np.ones(len(COLUMNS))
        everything = np.concatenate([self(f) for f in (*calibration.recipes.values(), calibration.references)])
        variances = everything.var(0)
        coordinates, statistics = variances[: -len(COLUMNS)], variances[-len(COLUMNS) :]
        varied = statistics > LEAST_VARIANCE
        self._columns, self._scale = COLUMNS[varied], np.sqrt(coordinates.mean() / statistics[varied])

    @property
    def statistics(self) -> tuple[npt.NDArray[np.intp], FloatArray]:
        """Columns of the statistics that are used, ``(k,)``, and the factor of each, ``(k,)``."""
        return self._columns, self._scale

    def __call__(self, features: Features) -> FloatArray:
        """Style features, ``(n, d)``."""
        parts = features.embedding(self._embedding), features.statistics[:, self._columns] * self._scale
        return np.concatenate([part.astype(np.float64) for part in parts], axis=1)

    @staticmethod
    def needs(embedding: str) -> frozenset[str]:
        """The ``needs`` of a scorer that reads style features."""
        return frozenset({EMBEDDING + embedding, STATISTICS, "refs"})


class Style:
    """The style scorer; see the module's docstring.

    ``Q`` is the mean of ``q_i = (x_i - mu)' P (m_i - mu)``, where ``m_i`` is the mean over the *other* pictures of the
    recipe. A picture's contribution is the value at ``Q``, plus the value's derivative there times ``q_i - Q``: their
    mean is the value, and standard errors follow by the delta method.
    """

    name = "style"
    version = "2"
    degree = 2

    def __init__(self, embedding: str) -> None:
        """``embedding`` is the name of the embedding that is read."""
        self.needs = StyleFeatures.needs(embedding)
        self._embedding = embedding
        self._features: StyleFeatures | None = None
        self._metric: Metric | None = None

    def fit(self, calibration: Calibration) -> None:
        """Fit the statistics' factors, the metric and the target."""
        self._features = StyleFeatures(self._embedding, calibration)
        recipes = [self._features(features) for features in calibration.recipes.values()]
        self._metric = fit_metric(recipes, self._features(calibration.references))

    def relative(self, features: Features) -> FloatArray:
        """Style features relative to the references, ``(n, d)``; squared length is squared distance in the metric."""
        style_features, metric = self.fitted
        return metric.relative(style_features(features))

    @property
    def fitted(self) -> tuple[StyleFeatures, Metric]:
        """What computes the style features, and the metric.

        Raises:
            ScorerError: before ``fit``.
        """
        if self._features is None or self._metric is None:
            raise ScorerError("style: not fitted yet", remedy="calibrate the panel first")
        return self._features, self._metric

    def __call__(self, features: Features) -> Values:
        """Contributions, ``(n,)``; NaN for a single picture."""
        x = self.relative(features)
        if len(x) < 2:
            return np.full(len(x), np.nan)
        squared, mean = _squared_distances(x, features.weights)
        value, slope = pseudo_huber(mean)
        return -(value + slope * (squared - mean))


def _squared_distances(x: FloatArray, weights: Values | None) -> tuple[Values, float]:
    """``q_i`` of every picture, ``(n,)``, and ``Q``; with weights, ``m_i`` and ``Q`` are weighted means."""
    if weights is None:
        squared = (x * (x.sum(0) - x)).sum(1) / (len(x) - 1)
        return squared, float(squared.mean())
    own, others = weights[:, None] * x, weights.sum() - weights
    squared = (x * (own.sum(0) - own)).sum(1) / others
    return squared, float(np.average(squared, weights=weights * others))


def pseudo_huber(squared: float) -> tuple[float, float]:
    """``sqrt(1 + Q) - 1`` and its derivative; for an estimate ``Q`` below 0, its tangent at 0, ``Q / 2``."""
    if squared <= 0:
        return squared / 2, 0.5
    root = float(np.sqrt(1 + squared))
    return root - 1, 0.5 / root
