"""How close a recipe's pictures come to the look of the references.

The value is minus a distance between the mean look ``m`` of the recipe's pictures and the mean look ``mu`` of the
references, so it is largest *at* the references, also where these lie between the parents: a projection or a cosine has
no maximum there. A look is an encoder's embedding and, beside it, the statistics of colour, contrast and detail. ``Q``
is an unbiased estimate of the squared distance ``(m - mu)' P (m - mu)``, with ``P`` learned
(``scorers.scoring.metric``) and one standard deviation between contents as the unit; the value is ``1 - sqrt(1 + Q)``,
which goes with the square near the references and with the distance far away. With the square alone a far parent sets
the score's unit, and what good recipes differ in counts for nothing beside the other scorers: of drawn scenes, parents
at ``Q`` = 138 and 25, the middle at 6.

The references show other contents than the shots, so ``mu`` carries a content offset, and most of the error is its.
What helps was measured on renders of the sample world (96 px, its tiny trained CLIP), 20 draws of shots and references
of other contents: the error of the best FLAT ratio, in steps of .05, against the planted .2, .35, .5, .65 and .8; and
how often each of four planted recipes that are not FLAT beats every FLAT. With 9 calibration recipes, 24 pictures and
48 references, and with 16 and 16:

    =========================================  ==========  ==========
    look and metric                            rms error   off FLAT
    =========================================  ==========  ==========
    embedding, l = .1                          .10 .17     57 % 44 %
    statistics, l = .1                         .09 .11     90 % 68 %
    **both, l = .1**                           .07 .09     85 % 68 %
    both but 3 statistics, l = .03             .07 .10     72 % 60 %
    both but 3 statistics, l = .3              .08 .11     80 % 58 %
    both, directions that recipes do not
    move along counted .3 (Wiener gain)        .05 .08     81 % 68 %
    =========================================  ==========  ==========

The last row costs two thirds of the lead, in standard deviations between recipes, of a target that no blend of the
parents reaches, and is not taken. With an encoder of random weights the statistics halve the error as well (.15 to .08,
.20 to .11). Tried before, on drawn scenes (10 worlds): removing content components, a metric from the renders alone and
shrinking ``mu`` towards the span of recipe differences, all no better. What helps most is more references and more
pictures; ``tests/benchmarks/RESULTS.md`` says how much.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from scorers.base import Calibration, Values
from scorers.errors import ScorerError
from scorers.extraction.statistics import STATISTICS as MEASURED
from scorers.features import EMBEDDING, STATISTICS, Features
from scorers.scoring.metric import Matrix, Metric, learned

Columns = npt.NDArray[np.intp]
LEAST_VARIANCE = 1e-12
FAULTS = frozenset({"clip_frac", "dark_frac", "grid", "coherence"})
"""Statistics for broken and burnt pictures: 0 in most, so that a little counts for much, or of sizes of their own."""
COLUMNS = np.array([i for i, name in enumerate(MEASURED) if name not in FAULTS])


class Look:
    """What a picture looks like as one vector: an embedding, and the statistics ``COLUMNS`` in its scale.

    A statistic's variance over all pictures, of all recipes and the references, is made that of an average coordinate
    of the embedding. The metric's shrinkage then bounds what a statistic can count for that hardly differs between
    contents and much between looks; one that never changes is left out.
    """

    def __init__(self, embedding: str, calibration: Calibration) -> None:
        """``embedding`` is the name of the one that is looked at; the scale is the calibration's."""
        self._embedding = embedding
        self._columns = COLUMNS
        self._scale = np.ones(len(COLUMNS))
        everything = np.concatenate([self(f) for f in (*calibration.recipes.values(), calibration.references)])
        variances = everything.var(0)
        coordinates, statistics = variances[: -len(COLUMNS)], variances[-len(COLUMNS) :]
        varied = statistics > LEAST_VARIANCE
        self._columns, self._scale = COLUMNS[varied], np.sqrt(coordinates.mean() / statistics[varied])

    @property
    def statistics(self) -> tuple[Columns, Matrix]:
        """Which statistics are looked at, ``(k,)``, and what each is multiplied by, ``(k,)``."""
        return self._columns, self._scale

    def __call__(self, features: Features) -> Matrix:
        """Looks, ``(n, d)``."""
        parts = features.embedding(self._embedding), features.statistics[:, self._columns] * self._scale
        return np.concatenate([part.astype(np.float64) for part in parts], axis=1)

    @staticmethod
    def needs(embedding: str) -> frozenset[str]:
        """What a scorer reads that looks at looks."""
        return frozenset({EMBEDDING + embedding, STATISTICS, "refs"})


class Style:
    """The style scorer; see the module's docstring.

    ``Q`` is the mean of ``q_i = (x_i - mu)' P (m_i - mu)``, where ``m_i`` is the mean over the *other* pictures of the
    recipe. A picture's contribution is the value at ``Q``, plus the value's slope there times ``q_i - Q``: the mean is
    the value, and standard errors are those of the delta method.
    """

    name = "style"
    version = "2"
    degree = 2

    def __init__(self, embedding: str) -> None:
        """``embedding`` is the name of the one that is looked at."""
        self.needs = Look.needs(embedding)
        self._embedding = embedding
        self._look: Look | None = None
        self._metric: Metric | None = None

    def fit(self, calibration: Calibration) -> None:
        """Learn the scale, the metric and the target."""
        self._look = Look(self._embedding, calibration)
        looks = [self._look(features) for features in calibration.recipes.values()]
        self._metric = learned(looks, self._look(calibration.references))

    def relative(self, features: Features) -> Matrix:
        """Looks relative to the references in the metric, ``(n, d)``: squared length is squared distance."""
        look, metric = self.fitted
        return metric.relative(look(features))

    @property
    def fitted(self) -> tuple[Look, Metric]:
        """How pictures are looked at, and the metric; raises ``ScorerError`` before ``fit``."""
        if self._look is None or self._metric is None:
            raise ScorerError("style: not fitted yet", remedy="calibrate the panel first")
        return self._look, self._metric

    def __call__(self, features: Features) -> Values:
        """Contributions, ``(n,)``; NaN for a single picture, which has no others."""
        x = self.relative(features)
        if len(x) < 2:
            return np.full(len(x), np.nan)
        squared = (x * (x.sum(0) - x)).sum(1) / (len(x) - 1)
        value, slope = eased(float(squared.mean()))
        return -(value + slope * (squared - squared.mean()))


def eased(squared: float) -> tuple[float, float]:
    """``sqrt(1 + Q) - 1`` and its slope; below 0, where an unbiased estimate may fall, the tangent ``Q / 2``."""
    if squared <= 0:
        return squared / 2, 0.5
    root = float(np.sqrt(1 + squared))
    return root - 1, 0.5 / root
