"""The landscapes that nothing is tuned on have the traps they are named after; searches go on from their file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from search.history import top
from tests.benchmarks.search.bench_unseen import row
from tests.benchmarks.search.unseen import BLOCK_COUNT, KINDS, UNSEEN_SPACES, Kind, UnseenLandscape, UnseenVariant
from tests.benchmarks.search.unseen_runs import Regrets, RunFile, SearchKey, SearchRun, gone_on, regrets

OWN_SEEDS = (50, 51, 52, 53)
"""None of the final ones."""


def landscapes(kind: Kind, knobs: int = 26) -> list[UnseenLandscape]:
    return [UnseenLandscape(seed, UnseenVariant(kind=kind, knobs=knobs)) for seed in OWN_SEEDS]


def point_of(landscape: UnseenLandscape, units: np.ndarray) -> dict[str, float]:
    knobs = landscape.space.free
    return {one.name: one.low + (one.high - one.low) * float(unit) for one, unit in zip(knobs, units, strict=True)}


def random_points(landscape: UnseenLandscape, count: int) -> list[dict[str, float]]:
    draw = np.random.default_rng(1)
    return [point_of(landscape, row) for row in draw.uniform(size=(count, landscape.variant.knobs))]


@pytest.mark.parametrize("knobs", [26, 45, 60])
def test_spaces_have_as_many_knobs_as_they_are_named_after(knobs: int) -> None:
    assert len(UNSEEN_SPACES[knobs]().free) == knobs


@pytest.mark.parametrize("kind", KINDS)
def test_the_hidden_recipe_is_feasible_and_the_best(kind: Kind) -> None:
    for landscape in landscapes(kind, 45):
        hidden = point_of(landscape, landscape.hidden)
        assert not landscape.is_broken(hidden)
        assert landscape.true(hidden) == pytest.approx(1, abs=1e-5)
        assert all(landscape.true(point) < 1 for point in random_points(landscape, 50))


def test_a_random_recipe_is_about_100_percent_away() -> None:
    for landscape in landscapes("plain"):
        regret = np.mean([landscape.regret(point) for point in random_points(landscape, 400)])
        assert regret == pytest.approx(100, abs=4)


def test_all_flat_mixes_of_a_plateau_are_alike_within_the_noise_and_the_hidden_recipe_is_far_above() -> None:
    for landscape in landscapes("plateau"):
        values = [landscape.true(landscape.space.flat(ratio)) for ratio in np.linspace(0, 1, 11)]
        assert max(values) - min(values) < 0.02
        assert max(values) < 0.02
    for landscape in landscapes("far"):
        values = [landscape.true(landscape.space.flat(ratio)) for ratio in np.linspace(0, 1, 11)]
        assert max(values) - min(values) > 0.2


def test_recipes_nearer_to_the_hidden_one_than_flat_mixes_rise_from_the_plateau() -> None:
    for landscape in landscapes("plateau"):
        best = max(np.linspace(0, 1, 21), key=lambda ratio: landscape.true(landscape.space.flat(ratio)))
        part_way = [best + part * (landscape.hidden - best) for part in (0.25, 0.5, 0.75)]
        values = [landscape.true(point_of(landscape, units)) for units in part_way]
        assert 0.05 < values[0] < values[1] < values[2]


def test_a_cliff_breaks_a_part_of_the_recipes_and_parent_b_but_never_a() -> None:
    for landscape in landscapes("cliff"):
        broken = np.mean([landscape.is_broken(point) for point in random_points(landscape, 400)])
        assert 0.35 < broken < 0.75
        assert landscape.is_broken(landscape.space.flat(1.0))
        assert not landscape.is_broken(landscape.space.flat(0.0))
        assert landscape.observed(landscape.space.flat(1.0), 3) is None
        assert landscape.regret(landscape.space.flat(1.0)) == 100
        for column, limit in landscape.limits:
            over = landscape.hidden.copy()
            over[column] = limit + 0.001
            assert landscape.is_broken(point_of(landscape, over))
            assert over[column] - landscape.hidden[column] < 0.1


@pytest.mark.parametrize("knobs", [26, 45])
def test_half_of_the_knobs_do_nothing_in_a_landscape_of_useless_ones(knobs: int) -> None:
    for landscape in landscapes("useless", knobs):
        middle = np.full(knobs, 0.5)
        rows = [np.where(np.arange(knobs) == n, 0.9, middle) for n in range(knobs)]
        values = np.array([landscape.true(point_of(landscape, row)) for row in rows])
        without = np.isclose(values, landscape.true(point_of(landscape, middle)), rtol=0, atol=1e-12)
        assert without.sum() == knobs // 2
        assert list(without) == list(landscape.weights == 0)


def test_strong_adjust_carries_half_of_the_energy_and_lies_far_from_neutral() -> None:
    for landscape in landscapes("adjust", 45):
        assert landscape.weights[BLOCK_COUNT:].sum() == pytest.approx(0.5)
        assert np.abs(landscape.hidden[BLOCK_COUNT:] - 0.5).min() >= 0.2
    assert not UnseenVariant(kind="adjust").exists


def test_noise_is_that_of_the_variant_and_the_same_for_the_same_trial() -> None:
    landscape = UnseenLandscape(50, UnseenVariant(noise=0.2))
    flat = landscape.space.flat(0.3)
    noise = [(landscape.observed(flat, number) or 0.0) - landscape.true(flat) for number in range(300)]
    assert np.std(noise) == pytest.approx(0.2, rel=0.15)
    assert landscape.observed(flat, 7) == landscape.observed(flat, 7)


# ---------------------------------------------------------------------------------------------------------- the file

KEY = SearchKey(method="random", variant=UnseenVariant(kind="cliff"), seed=50)
OTHER = SearchKey(method="CMA-ES", variant=UnseenVariant(kind="cliff"), seed=50)


def test_a_stopped_run_loses_the_search_in_work_alone(tmp_path: Path) -> None:
    made: list[SearchKey] = []
    file = RunFile(tmp_path / "searches.jsonl")
    file.make([KEY, OTHER], 12, lambda run: made.append(run.key))
    assert made == [KEY, OTHER]
    whole = file.path.read_bytes()
    file.path.write_bytes(whole[: len(whole) - 30])  # killed while it wrote
    again = RunFile(file.path)
    assert list(again.runs) == [KEY]
    made.clear()
    again.make([KEY, OTHER], 12, lambda run: made.append(run.key))
    assert made == [OTHER]
    lines = file.path.read_bytes().splitlines()
    assert len(lines) == 2
    assert RunFile(file.path).runs[OTHER].trials == file.runs[OTHER].trials


def test_a_longer_search_goes_on_from_the_shorter_one(tmp_path: Path) -> None:
    file = RunFile(tmp_path / "searches.jsonl")
    file.make([OTHER], 12, lambda run: None)
    file.make([OTHER], 20, lambda run: None)
    at_once = gone_on(SearchRun(key=OTHER, trials=()), 20)
    assert RunFile(file.path).runs[OTHER].trials == at_once.trials


def test_regrets_count_a_broken_recommendation_as_the_whole_range(monkeypatch: pytest.MonkeyPatch) -> None:
    run = gone_on(SearchRun(key=KEY, trials=()), 20)
    landscape = UnseenLandscape(KEY.seed, KEY.variant)
    found = regrets(run, 20)
    assert found.broken == sum(one.value is None for one in run.trials) / 20 > 0
    assert found.best_trial == landscape.regret(top(run.trials, 1)[0].point)
    monkeypatch.setattr("search.suggester.Suggester.recommended", lambda self, told: landscape.space.flat(1.0))
    assert regrets(run, 20).recommended == 100


def regrets_of(recommended: float) -> Regrets:
    return Regrets(recommended=recommended, best_flat=10, ten_best=8, best_trial=12, broken=0.25)


def test_a_row_compares_ours_with_the_best_other_on_the_seeds_of_both() -> None:
    ours = {1: regrets_of(4), 2: regrets_of(6), 3: regrets_of(11.5)}
    worse = {1: regrets_of(9), 2: regrets_of(9), 3: regrets_of(30), 4: regrets_of(0)}
    better = {1: regrets_of(5), 2: regrets_of(6), 3: regrets_of(10.5)}
    cells = row("plain", {"ours": ours, "TPE": worse, "CMA-ES": better}).split(" | ")
    assert cells[1].startswith("7.2 ± 2.2 (11.5, 3 seeds)")
    assert cells[4] == "+0.0 ± 0.6 (CMA-ES)"
    assert cells[5:] == ["10.0", "8.0", "12.0", "1, 1", "25 % |"]
    without = row("plain", {"ours": {}, "TPE": worse}).split("|")
    assert without[2].strip() == ""
    assert [cell.strip() for cell in without[4:]] == [""] * 7
