"""The finalists: who goes to the proof."""

from __future__ import annotations

import pytest

from engine.recipes.blocks import UNET_BLOCKS
from search.errors import SearchError
from search.finalists import choose, optimism, posterior_means
from search.history import TrialRecord
from search.plan import SearchPlan
from search.space.build import build_space
from search.trials import SearchTrials

SPACE = build_space(sites=("OUT05:attn1",))


def trial(number: int, stage: str, ratio: float, value: float | None, error: float | None = None) -> TrialRecord:
    return TrialRecord(number=number, stage=stage, point=SPACE.flat(ratio), value=value, standard_error=error)


HISTORY = (
    trial(0, "flat", 0.0, -3.0, 1.0),
    trial(1, "flat", 1.0, -5.0, 1.0),
    trial(2, "groups", 0.5, 1.0),
    trial(3, "groups", 0.4, None),
    trial(4, "blocks", 0.3, 2.0),
    trial(5, "blocks", 0.2, 1.5),
)


def test_the_best_and_the_mean_come_first_and_all_recipes_differ() -> None:
    finalists = choose(SPACE, HISTORY, 20)
    assert [one.label for one in finalists[:3]] == ["best by the search's model", "highest score", "mean of the best 5"]
    assert 0.2 <= min(finalists[0].point[name] for name in UNET_BLOCKS) <= 0.45
    assert finalists[1].point == SPACE.flat(0.3)
    assert finalists[2].point == pytest.approx(SPACE.flat(0.4), abs=1e-3)
    keys = [SPACE.decode(one.point).key for one in finalists]
    assert len(set(keys)) == len(keys)


def test_every_stage_has_a_finalist_and_no_failed_trial_is_one() -> None:
    finalists = choose(SPACE, HISTORY, 20)
    assert {"highest score", "number 2 by score", "number 3 by score"} <= {one.label for one in finalists}
    ratios = {one.point["OUT05"] for one in finalists[1:]}
    assert ratios == {0.0, 0.2, 0.3, 0.4, 0.5, 1.0}  # 0.4 is the mean, not the failed trial
    crowd = [trial(10 + n, "blocks", 0.3 + n / 100, 3.0 + n) for n in range(6)]
    assert "best of groups" in [one.label for one in choose(SPACE, [*HISTORY, *crowd], 9)]


def test_optimism_of_the_best_trial_is_reported() -> None:
    smooth = [trial(n, "flat", n / 20, -((n / 20 - 0.4) ** 2)) for n in range(20)]
    lucky = trial(20, "flat", 0.525, 0.5)
    assert optimism(SPACE, smooth[:2]) is None
    assert abs(optimism(SPACE, smooth) or 0.0) < 0.05
    assert (optimism(SPACE, [*smooth, lucky]) or 0.0) > 0.25


def test_no_more_than_asked_for() -> None:
    assert len(choose(SPACE, HISTORY, 2)) == 2
    assert len(choose(SPACE, HISTORY[:1], 5)) == 1


def test_nothing_to_choose_from_is_refused() -> None:
    with pytest.raises(SearchError, match="none of the 1 trials has a value"):
        choose(SPACE, HISTORY[3:4], 3)
    with pytest.raises(SearchError, match="0 finalists"):
        choose(SPACE, HISTORY, 0)


def test_what_low_recipes_are_expected_to_be_worth_is_not_raised_to_a_floor() -> None:
    ratios = [n / 30 for n in range(31)]
    cliff = [trial(n, "flat", one, -((one - 0.3) ** 2) if one < 0.7 else -60.0) for n, one in enumerate(ratios)]
    trials = SearchTrials(SPACE, SearchPlan(), cliff)
    raised = trials.observations()
    assert raised is not None
    assert min(raised.values) > -1.0
    assert posterior_means(SPACE, cliff, [SPACE.flat(0.9)])[0] < -40.0
