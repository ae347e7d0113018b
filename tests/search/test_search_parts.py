"""Axes, rotation of shots, noise, simpler recipes, and CMA-ES gone through again."""

from __future__ import annotations

import random
from collections.abc import Callable

import cmaes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.errors import SearchError
from search.plan import STAGES
from search.samplers.cma_es import suggest
from search.shots import Noise, Rotation, measured, shots_per_trial
from search.simplify import Simpler, complexity, simpler
from search.space.build import build_space
from search.surrogate.axes import axes_of, screening_trials, single
from search.surrogate.columns import Columns
from search.surrogate.proposals import screen
from search.surrogate.subspace import Subspace

SPACE = build_space(sites=("OUT05:attn1",), adjust=("CONT", "BRI"), bounds={"OUT05": (0.1, 0.6)})
COLUMNS = Columns.of(SPACE)


def around(stage: str) -> Subspace:
    axes = axes_of(stage, SPACE)  # pyright: ignore[reportArgumentType]
    return Subspace(axes=axes, fixed=tuple(SPACE.flat(0.4).items()), columns=COLUMNS)


@given(st.sampled_from(STAGES), st.data())
def test_positions_rows_and_points_agree(stage: str, data: st.DataObject) -> None:
    where = around(stage)
    position = [data.draw(st.floats(0, 1)) for _ in where.axes]
    point = where.point(position)
    SPACE.checked(point)
    row = where.rows(np.array([position]))
    assert row[0] == pytest.approx(COLUMNS.row(point), abs=0.003)
    assert where.holds(row).all()
    if stage not in ("flat", "groups"):
        assert where.positions(row)[0] == pytest.approx(position)


def test_a_group_stops_at_the_bounds_of_its_blocks_and_points_elsewhere_lie_outside() -> None:
    where = around("groups")
    top = where.point([1.0] * len(where.axes))
    assert (top["OUT05"], top["OUT04"]) == (0.6, 1.0)
    assert not where.holds(np.array([COLUMNS.row(SPACE.flat(0.4) | {"OUT04": 0.9})])).any()


def test_screening_tells_all_axes_apart() -> None:
    where = around("blocks")
    count = 1 << len(where.axes).bit_length()
    trials = np.array([screen(where, n, (1, 2), 0.1)[0] for n in range(count - 1)]) - where.start
    inside = [n for n, axis in enumerate(where.axes) if 0.1 < where.start[n] < 0.9 and axis.name != "OUT05"]
    moved = trials[:, inside]
    assert np.abs(moved).min() == pytest.approx(0.1)
    correlation = moved.T @ moved / len(moved)
    assert np.abs(correlation - np.diag(np.diag(correlation))).max() < 0.1**2 * 1.5 / len(moved)
    assert [screening_trials(n) for n in (1, 6, 26, 45, 100)] == [4, 4, 16, 27, 32]


def test_shots_stay_within_a_stage_and_move_on_between_stages() -> None:
    rotation = Rotation(shots=20, each=6)
    windows = {stage: rotation.slots(stage) for stage in STAGES}
    assert windows["flat"] == windows["groups"] == (0, 1, 2, 3, 4, 5)
    assert windows["blocks"] == (6, 7, 8, 9, 10, 11)
    assert len(windows["refine"]) == 12
    assert set().union(*windows.values()) == set(range(20))
    assert Rotation().slots("blocks") == Rotation(shots=5, each=5).slots("blocks") == ()
    with pytest.raises(SearchError, match="6 shots per trial, but the study has 5"):
        Rotation(shots=5, each=6)


def test_noise_is_told_apart_from_what_shots_and_recipes_have_in_common() -> None:
    draw = np.random.default_rng(0)
    recipes, shots = draw.normal(0, 2, 9)[:, None], draw.normal(0, 3, 400)
    noise = measured((recipes + shots + draw.normal(0, 0.5, (9, 400))).tolist())
    assert noise.paired == pytest.approx(0.5, rel=0.05)
    assert noise.common == pytest.approx(3, rel=0.1)
    assert noise.between == pytest.approx(float(np.std(recipes, ddof=1)), rel=0.05)
    assert noise.of_trial(25) == pytest.approx(0.1, rel=0.05)
    alone = measured([[1.0, 2.0, 3.0, 4.0]])
    assert (alone.paired, alone.common) == (pytest.approx(np.std([1, 2, 3, 4], ddof=1)), 0.0)


def test_noisier_studies_draw_more_shots() -> None:
    counts = [shots_per_trial(Noise(paired=paired, common=1, between=1), 32) for paired in (0.01, 0.2, 0.3, 5)]
    assert counts == [4, 4, 9, 32]
    assert shots_per_trial(Noise(paired=0.1, common=1, between=0), 12) == 12
    with pytest.raises(SearchError, match="same 2 shots"):
        measured([[1.0, 2.0], [1.0]])
    with pytest.raises(SearchError, match="not finite"):
        measured([[1.0, float("nan")], [1.0, 2.0]])
    with pytest.raises(SearchError, match="no shots"):
        shots_per_trial(Noise(paired=1, common=1, between=1), 0)


def everything(accepts: Callable[[Simpler], bool]) -> tuple[dict[str, float], list[str]]:
    draw = random.Random(1)
    point = {knob.name: knob.tidy(knob.value(draw.random())) for knob in SPACE.free}
    steps, labels = simpler(SPACE, point), []
    try:
        candidate = next(steps)
        while True:
            labels.append(candidate.label)
            SPACE.checked(candidate.point)
            candidate = steps.send(accepts(candidate))
    except StopIteration as end:
        return end.value, labels


def test_simpler_recipes_come_in_order_and_only_kept_ones_stay() -> None:
    simplest, labels = everything(lambda candidate: True)
    assert labels == ["self:OUT05:attn1 neutral", "adjust neutral", "all blocks at one ratio", "ratios to 0.1"]
    assert complexity(SPACE, simplest) <= 4
    same, refused = everything(lambda candidate: False)
    draw = random.Random(1)
    assert same == {knob.name: knob.tidy(knob.value(draw.random())) for knob in SPACE.free}
    assert refused[:4] == [
        "self:OUT05:attn1 neutral",
        "adjust neutral",
        "adjust:BRI neutral",
        "adjust:CONT neutral",
    ]
    assert abs(same["adjust:BRI"]) < abs(same["adjust:CONT"])
    assert {"IN_EARLY at one ratio", "ratios to 0.01", "self to 0.01", "adjust to 0.1"} <= set(refused)
    digits, _ = everything(lambda candidate: candidate.label in ("ratios to 0.05", "adjust to 0.5"))
    assert all(abs(digits[f"IN{n:02d}"] * 20 - round(digits[f"IN{n:02d}"] * 20)) < 1e-6 for n in range(12))
    assert complexity(SPACE, simplest) < complexity(SPACE, digits) < complexity(SPACE, same)


def test_cma_gone_through_again_proposes_what_it_would_have_proposed() -> None:
    start, told, proposed = [0.4] * 5, [], []
    ours = cmaes.CMA(mean=np.array(start), sigma=0.1, bounds=np.tile([0.0, 1.0], (5, 1)), seed=7, population_size=6)
    for generation in range(5):
        asked = [ours.ask() for _ in range(6)]
        values = [-float(np.square(place - 0.7).sum()) for place in asked]
        for n, place in enumerate(asked):
            proposed.append(suggest(start, told, seed=7, options={"population_size": 6}))
            failed = (generation, n) == (1, 2)
            told.append((place.tolist(), None if failed else values[n]))
            if failed:
                values[n] = min(value for m, value in enumerate(values) if m != n)
            assert proposed[-1] == pytest.approx(place.tolist())
        ours.tell([(place, -value) for place, value in zip(asked, values, strict=True)])


def test_one_axis_is_no_trouble_for_cma() -> None:
    assert len(suggest([0.4], [([0.4], 1.0)] * 9, seed=1)) == 1
    assert single(SPACE.of_kind("self"))[0].name == "self:OUT05:attn1"
