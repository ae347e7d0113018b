"""Who goes to the final."""

from __future__ import annotations

import pytest

from search.errors import SearchError
from search.finalists import choose
from search.history import Told
from search.layout import build_space

SPACE = build_space(sites=("OUT05:attn1",))


def told(number: int, stage: str, ratio: float, value: float | None) -> Told:
    return Told(number=number, stage=stage, point=SPACE.flat(ratio), value=value)


HISTORY = (
    told(0, "flat", 0.0, -3.0),
    told(1, "flat", 1.0, -5.0),
    told(2, "groups", 0.5, 1.0),
    told(3, "groups", 0.4, None),
    told(4, "blocks", 0.3, 2.0),
    told(5, "blocks", 0.2, 1.5),
)


def test_the_best_and_the_mean_come_first_and_all_recipes_differ() -> None:
    finalists = choose(SPACE, HISTORY, 20)
    assert [one.label for one in finalists[:2]] == ["best", "mean of the best 5"]
    assert finalists[0].point == SPACE.flat(0.3)
    assert finalists[1].point == pytest.approx(SPACE.flat(0.4), abs=1e-3)
    keys = [SPACE.decode(one.point).key for one in finalists]
    assert len(set(keys)) == len(keys)


def test_every_stage_is_heard_and_no_failed_trial_is() -> None:
    finalists = choose(SPACE, HISTORY, 20)
    assert {"best of groups", "best of flat"} <= {one.label for one in finalists}
    ratios = [one.point["OUT05"] for one in finalists]
    assert sorted(set(ratios)) == [0.0, 0.2, 0.25, 0.3, 0.4, 0.5, 1.0]  # 0.25 and 0.4 are means, not the failed trial
    assert finalists[1].label.startswith("mean")


def test_no_more_than_asked_for() -> None:
    assert len(choose(SPACE, HISTORY, 2)) == 2
    assert len(choose(SPACE, HISTORY[:1], 5)) == 1


def test_nothing_to_choose_from_is_said() -> None:
    with pytest.raises(SearchError, match="none of the 1 trials has a value"):
        choose(SPACE, HISTORY[3:4], 3)
    with pytest.raises(SearchError, match="0 finalists"):
        choose(SPACE, HISTORY, 0)
