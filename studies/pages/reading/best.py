"""The best recipe as the search's model sees it, worked out apart so that no page waits for it.

The best trial's score is partly luck, so the pages show the optimum of the surrogate model. It takes seconds, so it is
made by a thread at a time, at most once a minute and only where trials came.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

from search.finalists import choose, posterior_means
from search.history import Point
from search.importance import MOST_TRIALS, newest_of_each_stage
from search.plan import FLAT_RATIOS
from studies.candidate import Candidate
from studies.pages.reading.likeness import distance
from studies.pages.reading.snapshot import Snapshot

AGAIN_S = 60.0
"""Seconds after which it is worked out again, where trials came meanwhile."""
FEWEST = 8
"""The fewest scores that a model says anything about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelBest:
    """What the search's model holds for best, after some trials."""

    candidate: Candidate
    point: Point
    expected: float
    """What the model expects of it."""
    flat: float
    """What it expects of the best FLAT."""
    nearest: int
    """The number of the trial whose recipe is nearest to it: its pictures can be shown."""
    after: int
    """How many scores it was worked out from."""


class BestFinder:
    """Works out the best of one study."""

    def __init__(self) -> None:
        """Nothing is known yet."""
        self._lock = threading.Lock()
        self._best: ModelBest | None = None
        self._made = -AGAIN_S
        self._thread: threading.Thread | None = None

    def best(self, study: Snapshot) -> ModelBest | None:
        """Return the newest that is known, and begin to work out a newer one where it is time."""
        with self._lock:
            scores = len(study.scored)
            stale = scores >= FEWEST and (self._best is None or self._best.after != scores)
            idle = self._thread is None or not self._thread.is_alive()
            if stale and idle and time.monotonic() - self._made >= AGAIN_S:
                self._made = time.monotonic()
                self._thread = threading.Thread(target=self._find, args=(study,), daemon=True)
                self._thread.start()
            return self._best

    def _find(self, study: Snapshot) -> None:
        found = model_best(study)
        with self._lock:
            self._best = found


def model_best(study: Snapshot, *, most: int = MOST_TRIALS) -> ModelBest | None:
    """Work out the best recipe by the search's model; None where too few trials have a score.

    Args:
        study: as it is now.
        most: the most trials that the model takes: of every stage the newest.
    """
    search, scored, history = study.spec.search, study.scored, study.history
    if len(scored) < FEWEST:
        return None
    if len(history) > most:
        history = newest_of_each_stage(history, most)
    point = choose(search.space, history, 1, search.plan)[0].point
    flats = [search.space.flat(ratio) for ratio in FLAT_RATIOS]
    means = posterior_means(search.space, history, [point, *flats], search.plan)
    nearest = min(scored, key=lambda trial: distance(search.space, trial.point, point))
    return ModelBest(
        candidate=search.candidate(point),
        point=point,
        expected=means[0],
        flat=max(means[1:]),
        nearest=nearest.number,
        after=len(scored),
    )
