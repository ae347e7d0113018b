"""Several workers at one search, in any order of asking, ending and dying: no candidate is ever tried twice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.recipes.blocks import UNET_BLOCKS
from search.history import TrialRecord
from search.plan import STAGES, SearchPlan
from search.shots import ShotRotation
from search.space.build import build_space
from search.suggester import Suggester
from tests.search.searching import recorded

FREE = ("IN05", "M00", "OUT05", "OUT08")
SPACE = build_space(
    sites=("OUT05:attn1",), adjust=("CONT",), freeze={block: 0.3 for block in UNET_BLOCKS if block not in FREE}
)
PLAN = SearchPlan(groups=4, blocks=10, self_mode=3, adjust=3, refine=4, calibration=1, line=2, patience=4)
SUGGESTER = Suggester(space=SPACE, plan=PLAN, seed=3, rotation=ShotRotation(shots=6, per_trial=3))


class Workers:
    """What a study's storage does, without one: trials in order, those in work without a value."""

    def __init__(self) -> None:
        self.trials: list[TrialRecord] = []
        self.busy: dict[int, int] = {}
        """The trial in work of every worker that has one."""
        self.owed: list[TrialRecord] = []

    def ask(self, worker: int) -> None:
        """Take the next candidate into work, those of dead workers first."""
        number = len(self.trials)
        if self.owed:
            trial = replace(self.owed.pop(0), number=number)
        elif (proposal := SUGGESTER.next(self.trials)) is not None:
            trial = recorded(proposal, number, None)
        else:
            return
        self.trials.append(trial)
        self.busy[worker] = number

    def end(self, worker: int, *, well: bool) -> None:
        """End a worker's trial: with a value, or as failed or infeasible."""
        number = self.busy.pop(worker)
        trial = self.trials[number]
        value = -sum((trial.point[block] - 0.6) ** 2 for block in FREE) - 0.1 * trial.point["adjust:CONT"] ** 2
        self.trials[number] = replace(trial, value=value) if well else replace(trial, infeasible=bool(number % 2))

    def die(self, worker: int) -> None:
        """Lose a worker: its trial does not count, its candidate is owed."""
        number = self.busy.pop(worker)
        self.owed.append(self.trials.pop(number))
        self.trials = [replace(one, number=n) for n, one in enumerate(self.trials)]
        self.busy = {who: at - (at > number) for who, at in self.busy.items()}

    def marks(self) -> Iterator[tuple[tuple[float, ...], tuple[int, ...]]]:
        """What was tried or is in work, and on which shots."""
        return ((SPACE.mark(one.point), one.slots) for one in self.trials)


@settings(max_examples=20)
@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["go", "go", "go", "go", "fail", "die"])), max_size=90))
def test_no_interleaving_of_workers_tries_a_candidate_twice(events: list[tuple[int, str]]) -> None:
    workers = Workers()
    for worker, event in [*events, *[(n % 3, "go") for n in range(90)]]:
        if worker not in workers.busy:
            workers.ask(worker)
        elif event == "die":
            workers.die(worker)
        else:
            workers.end(worker, well=event == "go")
        assert len(set(workers.marks())) == len(workers.trials)
    assert not workers.busy
    assert not workers.owed
    assert SUGGESTER.next(workers.trials) is None
    counts = {stage: sum(one.stage == stage for one in workers.trials) for stage in STAGES}
    assert all(counts[stage] <= SUGGESTER.trials(stage) for stage in STAGES)
    assert counts["flat"] == SUGGESTER.trials("flat")
