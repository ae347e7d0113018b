"""A training run: stopped and taken up it gives the numbers of one that was not, and its average follows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from studies.sample.training.run import Schedule, TrainingRun, averages_of, figures_of

SCHEDULE = Schedule(steps=40, peak=0.05, warm_up=4, average=0.9)


def new_run(path: Path, schedule: Schedule = SCHEDULE) -> TrainingRun:
    """A line, to be fitted."""
    torch.manual_seed(0)
    return TrainingRun(path, {"line": nn.Linear(3, 1)}, schedule, seed=5)


def fit(run: TrainingRun, until: int | None = None) -> None:
    """Fit the sum of three numbers."""
    line = run.modules["line"]

    def loss_of(_: int, generator: torch.Generator) -> torch.Tensor:
        x = torch.randn(16, 3, generator=generator)
        return ((line(x) - x.sum(1, keepdim=True)) ** 2).mean()

    run.run(loss_of, until)


def test_a_stopped_run_goes_on_with_the_same_numbers(tmp_path: Path) -> None:
    whole, first = new_run(tmp_path / "whole.pt"), new_run(tmp_path / "parts.pt")
    fit(whole)
    fit(first, until=17)
    assert not first.finished
    second = new_run(tmp_path / "parts.pt")
    assert second.figures.steps == 17
    fit(second)
    assert second.finished
    for key, parameter in whole.parameters.items():
        assert torch.equal(parameter, second.parameters[key])
        assert torch.equal(whole.averages[key], second.averages[key])
    assert whole.figures.loss == second.figures.loss


def test_what_is_learned_is_the_average(tmp_path: Path) -> None:
    run = new_run(tmp_path / "run.pt", Schedule(steps=300, peak=0.05, warm_up=4, average=0.9))
    fit(run)
    run.use_averages()
    kept = averages_of(tmp_path / "run.pt", "line")
    assert set(kept) == {"weight", "bias"}
    assert torch.equal(kept["weight"], run.parameters["line.weight"])
    assert torch.allclose(kept["weight"], torch.ones(1, 3), atol=0.05)
    figures = json.loads(figures_of([tmp_path / "run.pt"]))["run"]
    assert figures["steps"] == 300
    assert figures["loss"] < 0.1


def test_the_rate_rises_stays_and_falls() -> None:
    assert SCHEDULE.rate(0) == pytest.approx(0.05 / 4)
    assert SCHEDULE.rate(4) == SCHEDULE.rate(29) == pytest.approx(0.05)
    assert SCHEDULE.rate(35) == pytest.approx(0.05 * (0.01 + 0.99 / 2))
    assert SCHEDULE.rate(39) < 0.1 * 0.05
    longer = Schedule(steps=80, peak=0.05, warm_up=4)
    assert longer.rate(20) == SCHEDULE.rate(20), "a run made longer before its decay goes on as it was"


def test_frozen_parameters_are_left_alone(tmp_path: Path) -> None:
    torch.manual_seed(0)
    line = nn.Linear(3, 1)
    line.bias.requires_grad = False
    run = TrainingRun(tmp_path / "run.pt", {"line": line}, SCHEDULE, seed=5)
    before = line.bias.clone()
    fit(run)
    assert set(run.parameters) == {"line.weight"}
    assert torch.equal(before, line.bias)
