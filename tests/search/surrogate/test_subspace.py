"""Subspaces: points, rows and positions agree, and gradients follow the axes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import approx_fprime

from search.plan import STAGES
from search.space.build import build_space
from search.surrogate.axes import axes_of, grouped, single
from search.surrogate.encoding import KnownPoints, PointEncoding
from search.surrogate.subspace import Location, Subspace

SPACE = build_space(sites=("OUT05:attn1",), adjust=("CONT", "BRI"), bounds={"OUT05": (0.1, 0.6)})
ENCODING = PointEncoding.of(SPACE)


def subspace_of(stage: str) -> Subspace:
    axes = axes_of(stage, SPACE)  # pyright: ignore[reportArgumentType]
    return Subspace(axes=axes, fixed=tuple(SPACE.flat(0.4).items()), encoding=ENCODING)


@given(st.sampled_from(STAGES), st.data())
def test_positions_rows_and_points_agree(stage: str, data: st.DataObject) -> None:
    subspace = subspace_of(stage)
    position = tuple(data.draw(st.floats(0, 1)) for _ in subspace.axes)
    point = subspace.point(Location(position=position))
    SPACE.checked(point)
    row = subspace.rows(np.array([position]))
    assert row[0] == pytest.approx(ENCODING.row(point), abs=0.003)
    assert subspace.contains(row).all()
    if stage not in ("flat", "groups"):
        assert subspace.positions(row)[0] == pytest.approx(position)


def test_a_group_stops_at_the_bounds_of_its_blocks_and_points_elsewhere_lie_outside() -> None:
    subspace = subspace_of("groups")
    top = subspace.point(Location(position=(1.0,) * len(subspace.axes)))
    assert (top["OUT05"], top["OUT04"]) == (0.6, 1.0)
    assert not subspace.contains(np.array([ENCODING.row(SPACE.flat(0.4) | {"OUT04": 0.9})])).any()


def test_rows_that_moved_or_have_other_words_differ_from_the_fixed_point() -> None:
    space = build_space(choices={"vae": ("own", "baked")})
    fixed = space.flat(0.4)
    encoding, choices = PointEncoding.of(space), space.of_kind("choice")
    subspace = Subspace(
        axes=single(space.of_kind("block")), fixed=tuple(fixed.items()), encoding=encoding, choices=choices
    )
    points = [fixed, fixed | {"OUT05": 0.41}, fixed | {"vae": 1.0}]
    rows = np.array([encoding.row(point) for point in points])
    assert subspace.differs_from_fixed(rows).tolist() == [False, True, True]


def test_the_gradient_along_an_axis_is_that_of_the_function_beyond_a_knobs_own_bounds() -> None:
    space = build_space(bounds={"OUT05": (0.5, 1.0), "OUT06": (0.0, 0.3)})
    encoding = PointEncoding.of(space)
    subspace = Subspace(axes=grouped(space.groups), fixed=tuple(space.flat(0.4).items()), encoding=encoding)
    rng = np.random.default_rng(1)
    weights = rng.normal(size=len(subspace.row))
    for _ in range(5):
        position = rng.uniform(size=len(subspace.axes))
        found = subspace.gradient_along_axes(weights, position)
        numeric = approx_fprime(position, lambda p: float(subspace.rows(p[None])[0] @ weights))
        assert found == pytest.approx(numeric, abs=1e-5)


def test_axes_are_named_after_their_knob() -> None:
    assert single(SPACE.of_kind("self"))[0].name == "self:OUT05:attn1"


def test_equal_points_of_a_history_give_one_object_and_are_forgotten_with_their_history() -> None:
    known, points = KnownPoints(SPACE), [dict(SPACE.flat(0.3)) for _ in range(2)]
    first, second = known.of(points)
    assert first is second
    assert first.row == PointEncoding.of(SPACE).row(points[0])
    assert first.is_flat
    long = [SPACE.flat(0.0) | {SPACE.free[0].name: n / 2000} for n in range(2000)]
    assert not known.of(long)[1].is_flat
    of_long = known.of(long)[1]
    assert known.of(long)[1] is of_long
    known.of(points)
    assert known.of(long)[1] is not of_long, "2,000 are more than are kept for two"
