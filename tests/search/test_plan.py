"""Plans: what is refused, and names that samplers had earlier."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from search.errors import SearchError
from search.plan import SAMPLERS, SearchPlan


def test_a_sampler_may_be_named_as_in_earlier_study_files() -> None:
    assert SearchPlan(sampler="hill") == SearchPlan(sampler="surrogate") == SearchPlan()
    assert "hill" not in SAMPLERS


@pytest.mark.parametrize(
    "wrong",
    [
        {"groups": -1},
        {"patience": -1},
        {"gain": -0.5},
        {"flat": (0.5, 1.5)},
        {"sampler": "best"},
        {"options": {"x": 1}},
    ],
)
def test_a_plan_that_cannot_work_is_refused(wrong: Mapping[str, object]) -> None:
    with pytest.raises(SearchError, match="the plan: "):
        SearchPlan(**wrong)  # pyright: ignore[reportArgumentType]
