"""Trials of the history: what is refused."""

from __future__ import annotations

import pytest

from engine.errors import Named
from search.errors import SearchError
from search.history import TrialRecord


def test_values_that_are_no_numbers_are_refused_with_their_trial_as_the_place() -> None:
    with pytest.raises(SearchError, match="write None instead"):
        TrialRecord(number=4, stage="flat", point={}, value=float("nan"))
    with pytest.raises(SearchError, match=r"value -1e\+300 is beyond 1e\+100; divide all values by the same number"):
        TrialRecord(number=4, stage="flat", point={}, value=-1e300)
    assert TrialRecord(number=4, stage="flat", point={}, value=1e100).value == 1e100
    with pytest.raises(SearchError, match="no standard error"):
        TrialRecord(number=4, stage="flat", point={}, value=0.0, standard_error=float("nan"))
    with pytest.raises(SearchError, match="infeasible, yet") as raised:
        TrialRecord(number=4, stage="flat", point={}, value=0.0, infeasible=True)
    (problem,) = raised.value.problems
    assert (problem.place, problem.what) == ((Named("trial 4"),), "infeasible, yet with value 0")
