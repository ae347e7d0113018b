"""The best recipe as the search's model sees it.

The best trial's score is partly luck, so pages show the optimum of the surrogate model.
"""

from __future__ import annotations

from dataclasses import dataclass

from search.finalists import choose, posterior_means
from search.history import Point
from search.importance import FEWEST_SCORES, MOST_TRIALS, newest_of_each_stage
from search.plan import FLAT_RATIOS
from studies.candidate import Candidate
from studies.pages.reading.likeness import distance
from studies.pages.reading.snapshot import Snapshot


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


def model_best(study: Snapshot, *, most: int = MOST_TRIALS) -> ModelBest | None:
    """Work out the best recipe by the search's model; None where too few trials have a score.

    Args:
        study: as it is now.
        most: the most trials that the model takes: of every stage the newest.
    """
    search, scored, history = study.spec.search, study.scored, study.history
    if len(scored) < FEWEST_SCORES:
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
