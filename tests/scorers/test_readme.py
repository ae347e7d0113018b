"""The examples in the package's README, run as they stand there."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor

import scorers
from scorers.catalogue.encoders import ENCODERS
from scorers.catalogue.lookup import SCORERS
from scorers.extraction.statistics import STATISTICS

README = (Path(scorers.__file__).parent / "README.md").read_text(encoding="utf-8")


def test_a_scorer_of_ones_own_and_the_notebook_run(
    paint: Callable[..., Tensor],
    write_pictures: Callable[[Tensor, Path], tuple[Path, ...]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plugin, notebook = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert re.findall(r"statistics\[:, (\d+)\]", plugin) == [str(STATISTICS.index("warmth"))] * 2
    (tmp_path / "mine.py").write_text(plugin)
    write_pictures(paint(900, 8, 0.5), tmp_path / "references")
    monkeypatch.chdir(tmp_path)
    amounts = {"A": 0.0, "B": 1.0, "FLAT_50": 0.5, "mine": 0.2}
    names: dict[str, Any] = {"pictures": {label: paint(1, 4, amount) for label, amount in amounts.items()}}
    exec(notebook, names)  # noqa: S102  # the example is the test
    verdict, panel = names["verdict"], names["panel"]
    assert verdict.scores.keys() == {"stats", "mine.py:Warm"}
    assert verdict.value == pytest.approx(
        sum(panel.scales[name].counts * score.scaled for name, score in verdict.scores.items())
        - sum(penalty.amount for penalty in verdict.penalties)
    )


def test_the_table_names_every_scorer() -> None:
    rows = re.findall(r"^\| (`.*?) \|", README, re.MULTILINE)
    names = [name for row in rows for name in re.findall(r"`([^`]+)`", row)]
    assert sorted(names) == sorted(scorer.name for scorer in SCORERS)


def test_it_names_every_encoder() -> None:
    paragraph = README.partition("**Encoders**")[2].partition("\n\n")[0]
    named = set(re.findall(r"`([^`]+)`", paragraph)) - {"[scorers] encoder"}
    assert named == {encoder.name for encoder in ENCODERS}
