"""How many trials each stage has tonight, where the whole plan does not fit into the time there is.

Every stage keeps its part: what is left of them is shortened in one proportion, so that a night of a third of the time
still goes through all kinds of knobs. Stage `flat`, which all others build on, comes first and whole. A stage that
would be left with a trial or two is left out, and what it would have had goes to the others: so few tell nothing. What
a night leaves open a later one goes on with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf

from search.plan import STAGES, Stage

FEWEST = 4
"""Trials that a stage has at least, unless its plan has fewer: its start, and a few to compare with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """How much more a night can do."""

    trials: float = inf
    """Trials."""
    pictures: float = inf
    """Pictures of trials."""

    def factor(self, trials: int, pictures: int) -> float:
        """Return the part of so many trials and pictures that fits, from 0 to 1."""
        parts = [has / needs for has, needs in ((self.trials, trials), (self.pictures, pictures)) if needs]
        return max(0.0, min(1.0, *parts)) if parts else 1.0


def shortened(
    whole: Mapping[Stage, int],
    before: Mapping[Stage, int],
    now: Mapping[Stage, int],
    shots: Mapping[Stage, int],
    room: Room,
) -> dict[Stage, int]:
    """Return how many trials each stage is to have in the end, those of earlier nights among them.

    Stages before the one that the night is at keep what they have, so that the night never goes back.

    Args:
        whole: trials of the whole plan, by stage.
        before: trials that there were when the night began.
        now: trials that there are.
        shots: pictures of a trial, by stage.
        room: what the night can do from now on.
    """
    at = max((place for place, stage in enumerate(STAGES) if now[stage] > before[stage]), default=0)
    ahead: list[Stage] = [stage for stage in STAGES[at:] if whole[stage] > before[stage]]
    made = [(now[stage] - before[stage], shots[stage]) for stage in ahead]
    full = Room(
        trials=room.trials + sum(count for count, _ in made),
        pictures=room.pictures + sum(count * each for count, each in made),
    )
    more: dict[Stage, int] = {stage: whole[stage] - before[stage] for stage in ahead}
    shares = _shares(more, shots, full, begun=STAGES[at])
    return {stage: max(now[stage], before[stage] + shares.get(stage, 0)) for stage in STAGES}


def _shares(more: Mapping[Stage, int], shots: Mapping[Stage, int], room: Room, begun: Stage) -> dict[Stage, int]:
    """How many further trials each stage gets; one that is left out is not there."""
    stages: list[Stage] = list(more)
    while stages:
        exact = _exact_shares({stage: more[stage] for stage in stages}, shots, room)
        short: list[Stage] = [stage for stage in stages if exact[stage] < min(FEWEST, more[stage]) and stage != begun]
        if not short or len(stages) - ("flat" in stages) == 1:  # the time would be left over
            return _rounded(exact, more, shots, room)
        stages.remove(min(short, key=lambda stage: (exact[stage], -STAGES.index(stage))))
    return {}


def _exact_shares(more: Mapping[Stage, int], shots: Mapping[Stage, int], room: Room) -> dict[Stage, float]:
    """Parts of trials: of `flat` as many as there is room for, of the others all in one proportion."""
    flat = room.factor(more.get("flat", 0), more.get("flat", 0) * shots["flat"]) * more.get("flat", 0)
    left = Room(trials=room.trials - flat, pictures=room.pictures - flat * shots["flat"])
    others: dict[Stage, int] = {stage: count for stage, count in more.items() if stage != "flat"}
    part = left.factor(sum(others.values()), sum(count * shots[stage] for stage, count in others.items()))
    return {stage: flat if stage == "flat" else part * count for stage, count in more.items()}


def _rounded(
    exact: Mapping[Stage, float], more: Mapping[Stage, int], shots: Mapping[Stage, int], room: Room
) -> dict[Stage, int]:
    """Whole numbers of trials, whose remainders go where they are largest, as long as there is room."""
    shares: dict[Stage, int] = {stage: int(part + 1e-9) for stage, part in exact.items()}
    for stage in sorted(exact, key=lambda stage: shares[stage] - exact[stage]):
        taken: dict[Stage, int] = {**shares, stage: shares[stage] + 1}
        pictures = sum(count * shots[one] for one, count in taken.items())
        if taken[stage] <= more[stage] and sum(taken.values()) <= room.trials and pictures <= room.pictures:
            shares = taken
    return shares
