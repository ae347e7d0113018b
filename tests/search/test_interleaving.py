"""Several workers at one search, in any order of asking, ending and dying: no candidate is ever tried twice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.recipes.blocks import UNET_BLOCKS
from search.history import Told
from search.plan import STAGES, Plan
from search.shots import Rotation
from search.space.build import build_space
from search.suggester import Suggester

FREE = ("IN05", "M00", "OUT05", "OUT08")
SPACE = build_space(
    sites=("OUT05:attn1",), adjust=("CONT",), freeze={block: 0.3 for block in UNET_BLOCKS if block not in FREE}
)
PLAN = Plan(groups=4, blocks=10, self_mode=3, adjust=3, refine=4, calibration=1, line=2, patience=4)
SUGGESTER = Suggester(space=SPACE, plan=PLAN, seed=3, rotation=Rotation(shots=6, each=3))


class Workers:
    """What a study's storage does, without one: trials in order, those in work without a value."""

    def __init__(self) -> None:
        self.told: list[Told] = []
        self.busy: dict[int, int] = {}
        """The trial in work of every worker that has one."""
        self.owed: list[Told] = []

    def ask(self, worker: int) -> None:
        """Take the next candidate into work, those of dead workers first."""
        number = len(self.told)
        if self.owed:
            told = replace(self.owed.pop(0), number=number)
        elif (proposal := SUGGESTER.next(self.told)) is not None:
            told = Told(number=number, stage=proposal.stage, point=proposal.point, value=None, slots=proposal.slots)
        else:
            return
        self.told.append(told)
        self.busy[worker] = number

    def end(self, worker: int, *, well: bool) -> None:
        """End a worker's trial: with a value, or as failed or infeasible."""
        number = self.busy.pop(worker)
        told = self.told[number]
        value = -sum((told.point[block] - 0.6) ** 2 for block in FREE) - 0.1 * told.point["adjust:CONT"] ** 2
        self.told[number] = replace(told, value=value) if well else replace(told, infeasible=bool(number % 2))

    def die(self, worker: int) -> None:
        """Lose a worker: its trial does not count, its candidate is owed."""
        number = self.busy.pop(worker)
        self.owed.append(self.told.pop(number))
        self.told = [replace(one, number=n) for n, one in enumerate(self.told)]
        self.busy = {who: at - (at > number) for who, at in self.busy.items()}

    def marks(self) -> Iterator[tuple[tuple[float, ...], tuple[int, ...]]]:
        """What was tried or is in work, and on which shots."""
        return ((SPACE.mark(one.point), one.slots) for one in self.told)


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
        assert len(set(workers.marks())) == len(workers.told)
    assert not workers.busy
    assert not workers.owed
    assert SUGGESTER.next(workers.told) is None
    counts = {stage: sum(one.stage == stage for one in workers.told) for stage in STAGES}
    assert all(counts[stage] <= SUGGESTER.trials(stage) for stage in STAGES)
    assert counts["flat"] == SUGGESTER.trials("flat")
