"""CMA-ES replayed from the trials: it proposes what it would have proposed."""

from __future__ import annotations

import cmaes
import numpy as np
import pytest

from search.samplers.cma_es import suggest


def test_cma_replayed_proposes_what_it_would_have_proposed() -> None:
    start, completed, proposed = [0.4] * 5, [], []
    ours = cmaes.CMA(mean=np.array(start), sigma=0.1, bounds=np.tile([0.0, 1.0], (5, 1)), seed=7, population_size=6)
    for generation in range(5):
        asked = [ours.ask() for _ in range(6)]
        values = [-float(np.square(place - 0.7).sum()) for place in asked]
        for n, place in enumerate(asked):
            proposed.append(suggest(start, completed, seed=7, options={"population_size": 6}))
            failed = (generation, n) == (1, 2)
            completed.append((place.tolist(), None if failed else values[n]))
            if failed:
                values[n] = min(value for m, value in enumerate(values) if m != n)
            assert proposed[-1] == pytest.approx(place.tolist())
        ours.tell([(place, -value) for place, value in zip(asked, values, strict=True)])


def test_one_axis_is_no_trouble_for_cma() -> None:
    assert len(suggest([0.4], [([0.4], 1.0)] * 9, seed=1)) == 1
