"""Racing: a trial draws its pictures a few at a time, and is given up once it is clearly worse than the best so far.

After the first pictures, and after every few more, the candidate is compared with the best trial of the same shots, on
the pictures that it has so far, pair by pair (common random numbers). It is given up when the upper end of a one-sided
interval of the difference is below 0 (Maron and Moore, Hoeffding races, 1994; Birattari, A racing algorithm for
configuring metaheuristics, 2002; Optuna's WilcoxonPruner has the same idea with ranks). The risk of giving up a
candidate that is as good as the best is shared by all comparisons of a trial.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from search.errors import SearchError
from search.history import Slots, TrialRecord

FIRST = 4
"""Pictures before the first comparison: of fewer, Student's t says little."""
EVERY = 4
"""Pictures between two comparisons."""
RISK = 0.05
"""Chance that a trial is given up though it is as good as the best one, over all its comparisons."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Race:
    """When the pictures of a trial are compared with the best one's, and how sure giving up has to be.

    Raises:
        SearchError: fewer than three pictures first, fewer than one between, or a risk outside 0 to 0.5.
    """

    first: int = FIRST
    every: int = EVERY
    risk: float = RISK

    def __post_init__(self) -> None:
        if self.first < 3 or self.every < 1:
            raise SearchError(
                f"a race that looks after {self.first} pictures and every {self.every} more cannot be run",
                remedy="three pictures are the fewest that can be compared",
            )
        if not 0 < self.risk < 0.5:
            raise SearchError(f"risk = {self.risk:g} is outside 0 to 0.5")

    def looks(self, pictures: int) -> tuple[int, ...]:
        """Return after how many pictures of a trial it is compared; never after all of them."""
        return tuple(range(self.first, pictures, self.every))

    def confidence(self, pictures: int) -> float:
        """Return the level of the two-sided interval whose upper end decides, for a trial of so many pictures."""
        return 1 - 2 * self.risk / max(1, len(self.looks(pictures)))


def control_variate(candidate: float, best: float, best_of_all: float) -> float:
    """Return what a trial that was given up is worth, as if it had all its pictures.

    The best trial's pictures are known on all shots. So what the shots drawn so far are easier or harder than all of
    them is taken off (a control variate with coefficient 1; Owen, Monte Carlo theory, methods and examples, 2013, 8.9).

    Args:
        candidate: its value on the pictures that it has.
        best: the best trial's value on the same shots.
        best_of_all: the best trial's value on all shots.
    """
    return best_of_all + (candidate - best)


def rival_of(history: Sequence[TrialRecord], slots: Slots) -> TrialRecord | None:
    """Return the trial that others of the same shots are compared with: the best whole one, the oldest of equal ones.

    Args:
        history: all trials.
        slots: of the stage.
    """
    whole = [one for one in history if one.value is not None and one.share == 1 and one.slots == slots]
    return max(whole, key=lambda one: (one.value or 0.0, -one.number), default=None)


def race_order(prompts: Sequence[Hashable]) -> tuple[int, ...]:
    """Return the order in which a trial draws its shots: one of each prompt in turn, so that the first ones say most.

    Args:
        prompts: of the shots, by place.
    """
    turns: dict[Hashable, int] = {}
    turn: list[int] = []
    for prompt in prompts:
        turns[prompt] = turns.get(prompt, -1) + 1
        turn.append(turns[prompt])
    return tuple(sorted(range(len(prompts)), key=lambda place: (turn[place], place)))
