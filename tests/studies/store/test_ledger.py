"""The ledger of a study's trials says what reading all of them again would say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import optuna
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import FloatDistribution
from optuna.trial import FrozenTrial, TrialState

from studies.store.ledger import Ending, Ledger, is_interrupted, record_of
from studies.store.records import INFEASIBLE, INTERRUPTED

POINTS, STAGES = (0.1, 0.2, 0.3), ("flat", "blocks")
ENDS = ("value", "failed", "infeasible", "interrupted", "running")


def trial(number: int, end: str, point: float, stage: str) -> FrozenTrial:
    reasons = {"failed": "no memory", "infeasible": INFEASIBLE + "grey", "interrupted": INTERRUPTED}
    states = {"value": TrialState.COMPLETE, "running": TrialState.RUNNING}
    made = optuna.create_trial(
        state=states.get(end, TrialState.FAIL),
        value=number / 7 if end == "value" else None,
        params={"IN00": point},
        distributions={"IN00": FloatDistribution(0, 1)},
        user_attrs={"stage": stage} | ({"reason": reasons[end]} if end in reasons else {}),
    )
    made.number = number
    return made


def plainly(trials: Sequence[FrozenTrial]) -> dict[str, Any]:
    """Everything, read again."""
    known = [one for one in trials if not is_interrupted(one)]
    points = [one.params for one in known]
    owed = list[FrozenTrial]()
    for one in trials:
        if is_interrupted(one) and one.params not in points + [other.params for other in owed]:
            owed.append(one)
    return {
        "history": [record_of(one, number) for number, one in enumerate(known)],
        "ended": [one for one in known if one.state.is_finished()],
        "in work": [one for one in trials if not one.state.is_finished()],
        "owed": owed,
        "begun": [sum(one.user_attrs["stage"] == stage for one in trials) for stage in STAGES],
        "made": sum(one.state.is_finished() and one.user_attrs["stage"] == "flat" for one in known),
        "best": max((one.value for one in known if one.value is not None), default=None),
    }


def told(ledger: Ledger) -> dict[str, Any]:
    return {
        "history": ledger.history(),
        "ended": ledger.ended(),
        "in work": ledger.in_work(),
        "owed": ledger.cut_short(),
        "begun": [ledger.begun(stage) for stage in STAGES],
        "made": ledger.made(["flat"]),
        "best": ledger.best,
    }


@given(
    st.lists(
        st.tuples(st.sampled_from(ENDS[:4]), st.sampled_from(POINTS), st.sampled_from(STAGES), st.integers(0, 3)),
        max_size=12,
    )
)
def test_it_says_what_reading_all_again_would_say(trials: list[tuple[str, float, str, int]]) -> None:
    """Trials begin in order, and each ends some trials later."""
    ledger = Ledger()
    ended = {number: trial(number, *one[:3]) for number, one in enumerate(trials)}
    begun = {number: trial(number, "running", *one[1:3]) for number, one in enumerate(trials)}
    for time in range(len(trials) + 3):
        numbers = range(min(time + 1, len(trials)))
        now = [ended[number] if number + trials[number][3] <= time else begun[number] for number in numbers]
        assert told(ledger.read(now)) == plainly(now)


def test_a_settled_trial_is_converted_once() -> None:
    first, second = trial(0, "value", 0.1, "flat"), trial(1, "running", 0.2, "flat")
    ledger = Ledger()
    before = ledger.read([first, second]).history()
    after = ledger.read([first, trial(1, "value", 0.2, "flat")]).history()
    assert after[0] is before[0]
    assert (before[1].value, after[1].value) == (None, 1 / 7)


def test_an_ending_counts_until_the_trial_has_ended() -> None:
    ledger = Ledger()
    ledger.endings[0] = Ending(value=5.0, standard_error=0.25)
    ledger.endings[1] = Ending(value=None, infeasible=True)
    both = ledger.read([trial(0, "running", 0.1, "flat"), trial(1, "running", 0.2, "flat")]).history()
    assert [(one.value, one.standard_error, one.infeasible) for one in both] == [(5.0, 0.25, False), (None, None, True)]
    assert (ledger.made(["flat"]), ledger.best) == (2, 5.0)
    ended = ledger.read([trial(0, "interrupted", 0.1, "flat"), trial(1, "infeasible", 0.2, "flat")])
    assert (ended.made(["flat"]), ended.best, [one.infeasible for one in ended.history()]) == (1, None, [True])
    assert not ended.endings
