"""Whole examinations: harmless recipes are accused in fewer than 5 of 100, planted losses are found."""

from __future__ import annotations

import numpy as np
import pytest

from tests.studies.after_recipe.situations.numbers.simulated_runs import NOISE, simulated_run

RUNS = 60


@pytest.mark.parametrize("noise", NOISE)
def test_harmless_recipes_are_hardly_ever_accused(noise: str) -> None:
    """With a rate of 5 %, more than 8 of 60 would come up once in 200 times."""
    rng = np.random.default_rng(5)
    runs = [simulated_run(rng, NOISE[noise], situations=20) for _ in range(RUNS)]
    assert sum(bool(one.worse or one.lost) for one in runs) <= 8
    assert np.mean([one.pictures for one in runs]) < 0.75, "most answers are clear after the first round"


def test_planted_losses_are_found() -> None:
    rng = np.random.default_rng(5)
    runs = [simulated_run(rng, NOISE["normal"], seeds=16, loss=2.5, word_loss=2.5) for _ in range(20)]
    assert sum("0" in one.worse for one in runs) >= 15
    assert sum("0" in one.lost for one in runs) >= 15
    assert sum(bool((one.worse | one.lost) - {"0"}) for one in runs) <= 3
