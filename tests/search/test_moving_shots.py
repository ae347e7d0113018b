"""Trials that each draw the next shots: which ones, how many, and that a search with them goes on and ends."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from engine.recipes.blocks import UNET_BLOCKS
from search.history import Slots, TrialRecord
from search.plan import SearchPlan
from search.shots import LAST, ShotRotation, shots_now
from search.space.build import build_space
from search.suggester import Proposal, Suggester
from tests.search.searching import Value, recorded, searched

FROZEN = dict.fromkeys(UNET_BLOCKS[6:], 0.3)
ROTATION = ShotRotation(shots=24, per_trial=8, moving=True)
ADAPTIVE = replace(ROTATION, fewest=4)


def trials(values: Sequence[float], shots: int = 8, error: float = 0.1) -> list[TrialRecord]:
    slots: Slots = tuple(range(shots))
    space = build_space()
    return [
        TrialRecord(
            number=n, stage="blocks", point=space.flat(0.5), value=value, standard_error=error, slots=slots
        )
        for n, value in enumerate(values)
    ]  # fmt: skip


def test_every_trial_draws_the_next_shots_whatever_their_number() -> None:
    first = ROTATION.slots("blocks")
    assert first == tuple(range(8, 16))
    assert ROTATION.slots("blocks", trials([0.0])) == tuple(range(16, 24))
    assert ROTATION.slots("blocks", trials([0.0, 0.0])) == tuple(range(8))
    assert ROTATION.slots("blocks", trials([0.0], shots=4)) == tuple(range(12, 20))
    assert ROTATION.slots("flat", trials([0.0])) == ROTATION.slots("flat") == tuple(range(8))
    assert replace(ROTATION, moving=False).slots("blocks", trials([0.0])) == first


def noisy(spread: float, error: float, shots: int = 8) -> list[TrialRecord]:
    """Trials that truly differ by a spread, beside their noise; the last ones exactly by both."""
    draw = random.Random(1)
    size = (spread**2 + error**2) ** 0.5
    numbers = [draw.gauss() for _ in range(LAST)]
    mean = sum(numbers) / LAST
    width = (sum((one - mean) ** 2 for one in numbers) / (LAST - 1)) ** 0.5
    return trials([size * (one - mean) / width for one in numbers], shots, error)


def test_as_many_shots_as_make_the_noise_twice_what_the_last_trials_differ_by() -> None:
    assert shots_now(noisy(1.0, 0.1), 4, 16) == 4
    assert shots_now(noisy(0.0501, 0.1), 4, 16) == 8
    assert shots_now(noisy(0.0501, 0.1, shots=4), 4, 16) == 4
    assert shots_now(noisy(0.04, 0.1), 4, 16) == 13
    assert shots_now(noisy(0.01, 0.1), 4, 16) == 16
    assert shots_now(trials([0.0] * LAST), 4, 16) == 16, "nothing stands out"


def test_the_first_trials_draw_few() -> None:
    assert shots_now(noisy(0.01, 0.1)[1:], 4, 16) == 4
    assert len(ADAPTIVE.slots("blocks")) == 4
    assert len(ADAPTIVE.slots("blocks", noisy(0.01, 0.1))) == 8
    assert len(ADAPTIVE.slots("flat")) == 8


def test_a_search_draws_all_shots_in_turn_and_its_start_once() -> None:
    plan = SearchPlan(groups=6, blocks=30, self_mode=0, adjust=0, refine=8, patience=0)
    suggester = Suggester(space=build_space(), plan=plan, seed=1, rotation=ADAPTIVE)
    labels = list[str]()

    def value(proposal: object, number: int) -> float:
        labels.append(getattr(proposal, "label", ""))
        return random.Random(number).gauss()

    history = searched(suggester, value)
    blocks = [one for one in history if one.stage == "blocks"]
    assert len(blocks) > 12
    assert Counter(labels)["start of blocks"] == Counter(labels)["start of refine"] == 1
    drawn = Counter(place for one in blocks for place in one.slots)
    assert set(drawn) == set(range(24))
    assert max(drawn.values()) - min(drawn.values()) <= 1
    again = suggester.next(history[:25])
    assert again is not None
    assert (again.slots, dict(again.point)) == (history[25].slots, dict(history[25].point))


def status_of_blocks(value: Value) -> str:
    plan = SearchPlan(groups=0, blocks=48, refine=0)
    rotation = replace(ROTATION, shots=97)  # no two trials draw the same
    suggester = Suggester(space=build_space(freeze=FROZEN), plan=plan, seed=1, rotation=rotation)
    history = searched(suggester, value)
    return {one.stage: one.status for one in suggester.statuses(history)}["blocks"]


def test_knobs_without_effect_are_noticed_though_every_trial_has_shots_of_its_own() -> None:
    def easier(proposal: Proposal) -> float:
        return 3.0 * (0 in proposal.slots) + proposal.slots[-1] / 10

    assert status_of_blocks(lambda proposal, number: easier(proposal) + random.Random(number).gauss()) == "no effect"

    def real(proposal: Proposal, number: int) -> float:
        distance = sum((number - 0.4) ** 2 for number in proposal.point.values())
        return easier(proposal) - 9 * distance + 0.1 * random.Random(number).gauss()

    assert status_of_blocks(real) != "no effect"


def test_trials_in_work_count_as_drawn() -> None:
    plan = SearchPlan(groups=0, patience=0)
    suggester = Suggester(space=build_space(), plan=plan, seed=1, rotation=ROTATION)
    running = searched(suggester, lambda _, number: random.Random(number).gauss(), most=14)
    slots = list[Slots]()
    for _ in range(3):
        proposal = suggester.next(running)
        assert proposal is not None
        assert proposal.stage == "blocks"
        slots.append(proposal.slots)
        running.append(recorded(proposal, len(running), None))
    assert len(set(slots)) == 3
