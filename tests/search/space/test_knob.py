"""Knobs: grids, the finer end, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.errors import SearchError
from search.space.knob import Knob


def knob(**fields: object) -> Knob:
    usual = {"name": "adjust:CONT", "kind": "adjust", "low": -5.0, "high": 5.0, "neutral": 0.0}
    return Knob(**usual | fields)  # pyright: ignore[reportArgumentType]


@given(st.floats(0, 1), st.floats(0, 0.9), st.sampled_from([(-5.0, 5.0), (-1.0, 7.0), (0.0, 3.0), (0.5, 2.0)]))
def test_places_and_values_are_each_others_inverse(unit: float, fine: float, bounds: tuple[float, float]) -> None:
    one = knob(low=bounds[0], high=bounds[1], fine=fine)
    value = one.value(unit)
    assert bounds[0] <= value <= bounds[1]
    assert one.unit(value) == pytest.approx(unit, abs=1e-6)


def test_a_fine_knob_moves_less_near_its_rest_and_still_reaches_its_bounds() -> None:
    plain, fine = knob(), knob(fine=0.5)
    middle = fine.unit(0.0)
    assert fine.value(middle) == plain.value(middle) == 0.0
    assert fine.value(middle + 0.01) == pytest.approx(0.5 * plain.value(middle + 0.01), rel=0.05)
    assert (fine.value(0.0), fine.value(1.0)) == (-5.0, 5.0)
    assert knob(fine=0.5, low=1.0, high=3.0).value(0.0) == 1.0


def test_grids() -> None:
    assert knob(step=0.25).tidy(1.1) == 1.0
    assert knob(step=0.5, high=4.8).tidy(4.9) == 4.8
    assert knob(step=0.001).tidy(0.1234567) == 0.123


def test_a_tied_knob_is_not_free_and_needs_no_bounds() -> None:
    assert not knob(tied="adjust:BRI", low=0.0, high=0.0).is_free


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"step": 0.0}, "no grid"),
        ({"step": 20.0}, "no grid"),
        ({"fine": 1.0}, "outside 0..0.9"),
        ({"low": 5.0}, "leave less than"),
        ({"neutral": float("inf")}, "not finite"),
        ({"kind": "choice", "low": 0.0, "high": 1.0, "options": ("a", "a")}, "is no choice"),
        ({"kind": "choice", "low": 0.0, "high": 1.0}, "is no choice"),
        ({"kind": "choice", "low": 0.0, "high": 0.0, "options": ("own",)}, "is no choice"),
        ({"frozen": 0.3, "tied": "IN05"}, "is frozen at 0.3 and tied to IN05"),
    ],
)
def test_knobs_that_cannot_work_are_refused(fields: dict[str, object], says: str) -> None:
    with pytest.raises(SearchError, match=says):
        knob(**fields)
