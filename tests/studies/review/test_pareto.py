"""The trials that no other beats, and how they are listed."""

from __future__ import annotations

import io
from typing import Any

from optuna.trial import FrozenTrial, create_trial
from rich.console import Console

from studies.review.pareto import aspects_by_number, non_dominated, pareto_table


def measured(number: int, style: float, fidelity: float, interval: list[float] | None = None) -> FrozenTrial:
    """A finished trial with what a night records of it."""
    aspects: dict[str, Any] = {
        "style": {"value": style, "interval": interval},
        "fidelity": {"value": fidelity, "interval": None},
    }
    attributes = {"aspects": aspects, "stage": "flat", "recipe_key": f"{number}" * 64}
    trial = create_trial(value=style + fidelity, user_attrs=attributes)
    trial.number = number
    return trial


def told(trials: list[FrozenTrial], width: int = 400) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(pareto_table(trials))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_front_is_what_no_other_beats() -> None:
    def front(*points: tuple[float, float]) -> set[int]:
        return set(non_dominated({n: {"style": x, "fidelity": y} for n, (x, y) in enumerate(points)}))

    assert front((1, 0), (0, 1), (0.5, 0.5), (0.4, 0.4), (1, -1)) == {0, 1, 2}
    assert front((1, 1), (1, 1)) == {0, 1}
    assert front() == set()


def test_trials_of_before_without_aspects_are_left_out() -> None:
    old = create_trial(value=1.0, user_attrs={"stage": "flat", "recipe_key": "0" * 64})
    old.number = 3
    assert aspects_by_number([measured(4, 1, 2), old]) == {4: {"style": 1.0, "fidelity": 2.0}}


def test_the_table_lists_the_front_with_its_intervals() -> None:
    trials = [measured(5, 1, 0, [0.5, 1.25]), measured(6, 0.5, -1), measured(2, 0, 1)]
    text = told(trials)
    assert "2 of 3 trials that no other beats in style, fidelity at once" in " ".join(text.split())
    rows = [line.split() for line in text.partition("── \n")[2].splitlines()]
    assert rows[:3] == [
        ["5", "flat", "+1.00", "+0.00", "+1.00", "55555555"],
        ["+0.50", "to", "+1.25"],
        ["2", "flat", "+0.00", "+1.00", "+1.00", "22222222"],
    ]


def test_three_aspects_fit_a_terminal_of_80_characters() -> None:
    trial = measured(35, 3.4, 0.23, [3.05, 3.76])
    wide = {"value": 1.2, "interval": [-10.25, 12.5]}
    trial.user_attrs["aspects"] |= {"fidelity": wide, "aesthetics": wide}
    text = told([trial], 80)
    assert "+3.05 to +3.76 -10.25 to +12.50 -10.25 to +12.50" in text


def test_where_nothing_was_measured_the_table_says_so() -> None:
    assert "0 of 0 trials that no other beats in anything measured" in " ".join(told([]).split())
