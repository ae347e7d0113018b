"""Runs on planted recipes go on where they stopped; all methods begin alike; tables compare like with like."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from search.history import Point, Slots, TrialRecord
from tests.benchmarks.plants.bench_planted import Outcomes, same
from tests.benchmarks.plants.planted import SPACE
from tests.benchmarks.plants.planted_runs import FIRST, METHODS, OURS, Run, plan_of
from tests.benchmarks.plants.planted_table import optimism, paired, rows


def tell(point: Point, number: int, stage: str, slots: Slots = ()) -> TrialRecord:
    """A trial whose value falls with the distance from FLAT_30."""
    value = -sum((point[knob.name] - 0.3) ** 2 for knob in SPACE.of_kind("block"))
    return TrialRecord(number=number, stage=stage, point=point, value=value, standard_error=0.1, slots=slots)


def run(folder: Path, method: str = "TPE") -> Run:
    return Run(folder=folder, plant="shipped-1", tell=tell, method=method, seed=1)


def test_a_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    whole = run(tmp_path / "whole").trials(FIRST + 3)
    (path,) = (tmp_path / "whole" / "runs").iterdir()
    lines = path.read_text().splitlines()
    (tmp_path / "part" / "runs").mkdir(parents=True)
    (tmp_path / "part" / "runs" / path.name).write_text("\n".join(lines[: FIRST + 1]) + "\n")
    made: list[int] = []
    again = replace(run(tmp_path / "part"), tell=lambda *given: (made.append(given[1]), tell(*given))[1])
    assert again.trials(FIRST + 3) == whole
    assert made == [FIRST + 1, FIRST + 2]
    assert again.trials(FIRST) == whole[:FIRST]


def test_all_methods_begin_alike(tmp_path: Path) -> None:
    firsts = [[trial.point for trial in run(tmp_path, method).trials(FIRST)] for method in METHODS]
    assert all(first == firsts[0] for first in firsts)


@pytest.mark.parametrize("trials", [45, 100])
@pytest.mark.parametrize("method", METHODS)
def test_plans_use_all_trials(method: str, trials: int) -> None:
    plan = plan_of(method, trials)
    stages = (plan.groups, plan.blocks, plan.self_mode, plan.adjust)
    assert FIRST + sum(stages) + plan.refine == trials
    assert all(stages) == (method == OURS)


def outcome(method: str, plant: str, seed: int, part: float, **more: Any) -> dict[str, Any]:
    numbers = {"score": part, "lead": part, "best_tried": part, "recommended": part, "reported": part, "promised": part}
    run = {"pair": "shipped", "plant": plant, "method": method, "version": "", "seed": seed, "trials": 45}
    return {**run, "part": part, **numbers, **more}


def test_an_outcome_takes_the_place_of_the_earlier_one(tmp_path: Path) -> None:
    outcomes = Outcomes(tmp_path)
    for one in (outcome(OURS, "1", 1, 0.1), outcome(OURS, "2", 1, 0.2), outcome(OURS, "1", 1, 0.3)):
        outcomes.add(one)
    assert [one["part"] for one in Outcomes(tmp_path).known] == [0.2, 0.3]
    assert len([json.loads(line) for line in (tmp_path / "outcomes.jsonl").read_text().splitlines()]) == 2
    assert not same(outcome(OURS, "1", 1, 0), outcome(OURS, "1", 2, 0))


def test_methods_are_compared_on_what_both_had() -> None:
    ours = [
        outcome(OURS, "1", 1, 0.9),
        outcome(OURS, "1", 2, 0.7),
        outcome(OURS, "2", 1, 0.5),
        outcome(OURS, "3", 1, 9),
    ]
    theirs = [outcome("TPE", "1", 1, 0.5), outcome("TPE", "1", 2, 0.5), outcome("TPE", "2", 1, 0.4)]
    ahead, error, plants = paired(ours, theirs, "part")
    assert (ahead, error, plants) == pytest.approx(((0.3 + 0.1) / 2, 0.1, 2))


def test_luck_is_what_was_told_less_what_held() -> None:
    runs = [outcome(OURS, "1", 1, 1.0, reported=1.5), outcome(OURS, "2", 1, 1.0, reported=1.1)]
    assert optimism(runs, "reported") == pytest.approx((0.3, 0.2))


def test_the_table_has_a_row_for_every_method() -> None:
    known = [outcome(OURS, "1", 1, 0.9), outcome(OURS, "2", 1, 0.7), outcome("TPE", "1", 1, 0.5)]
    first, second = list(rows(known))[2:]
    assert first.startswith("| TPE  | 45 | 1, 1 | 0.50 +- nan")
    assert "| +0.40 +- nan (1) |" in first
    assert second.startswith("| ours  | 45 | 2, 2 | 0.80 +- 0.10")
