"""The package's README: its example runs, and the names and states that it mentions exist."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

from engine.recipes.recipe import Recipe
from search.plan import STAGES, StageStatus, Status

README = Path(__file__).parents[2] / "search" / "README.md"


def examples() -> list[dict[str, Any]]:
    """What the README's examples leave behind, each run by itself."""
    found: list[dict[str, Any]] = []
    for code in re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL):
        names: dict[str, Any] = {"__name__": "example"}
        exec(code, names)  # noqa: S102 - our own README
        found.append(names)
    return found


def test_the_examples_find_the_optimum_of_their_objective() -> None:
    names, of_optuna = examples()
    assert len(of_optuna["study"].trials) == 40
    assert of_optuna["study"].best_value > -0.2
    best, space = names["best"], names["space"]
    assert isinstance(best, Recipe)
    assert max(abs(number - 0.3) for name, number in space.encode(best).items()) < 0.1
    assert max(trial.value for trial in names["trials"]) > -0.1


def test_every_stage_and_every_status_is_explained() -> None:
    text = README.read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)
    assert rows == list(STAGES)
    explained = {status: words for words, status in re.findall(r"^\| ([a-z].*) \| `([a-z ]+)` \|", text, re.MULTILINE)}
    shown = {status: str(StageStatus(stage="flat", trials=2, status=status)) for status in get_args(Status)}
    assert {status: f"flat: 2 trials, {words}" for status, words in explained.items()} == shown
