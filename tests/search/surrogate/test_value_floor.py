"""The floor for low values: where a cliff bends the model it is laid, and nowhere else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from search.surrogate.covariance import Array
from search.surrogate.gaussian_process import model_of
from search.surrogate.observations import Observations
from search.surrogate.value_floor import FEWEST, floored

COLUMNS, THRESHOLD, NOISE = 12, 0.55, 0.02


def smooth(rows: Array) -> Array:
    """A rounded cone."""
    return -np.sqrt(np.square(rows - 0.45).sum(1) + 0.01)


def observed(count: int, *, fall: float) -> Observations:
    """Trials round the middle, the first ones far away, whose values fall beyond the threshold of one knob."""
    rng = np.random.default_rng(6)
    sizes = np.where(np.arange(count) < 8, 0.4, 0.12)[:, None]
    rows = np.clip(0.5 + sizes * rng.normal(size=(count, COLUMNS)), 0, 1)
    values = smooth(rows) - fall * (rows[:, 2] > THRESHOLD) + NOISE * rng.normal(size=count)
    return Observations(
        rows=tuple(map(tuple, rows.tolist())),
        values=tuple(values.tolist()),
        shot_sets=(0,) * count,
        centre=(0.5,) * COLUMNS,
        standard_error=NOISE,
    )


def error(observations: Observations) -> float:
    """Root mean square error of the model where nothing falls."""
    rows = np.clip(0.5 + 0.12 * np.random.default_rng(7).normal(size=(300, COLUMNS)), 0, 1)
    rows = rows[rows[:, 2] < THRESHOLD]
    return float(np.sqrt(np.square(model_of(observations).posterior_mean(rows) - smooth(rows)).mean()))


def test_before_a_cliff_the_model_is_better_with_a_floor() -> None:
    observations = observed(60, fall=3.0)
    raised = floored(observations)
    values, before = np.array(raised.values), np.array(observations.values)
    assert values.min() > before.min() + 1.5
    assert (values == np.maximum(before, values.min())).all()
    assert (values[before >= np.median(before)] == before[before >= np.median(before)]).all()
    assert error(raised) < 0.7 * error(observations)
    assert replace(raised, values=observations.values) == observations


def test_without_a_cliff_every_value_stays_as_it_is() -> None:
    observations = observed(60, fall=0.0)
    assert floored(observations) is observations


def test_the_floor_follows_from_the_trials_of_the_last_fit() -> None:
    observations, newer = observed(60, fall=3.0), observed(60, fall=3.0)
    later = Observations(
        rows=(*observations.rows, *newer.rows[:4]),
        values=(*observations.values, 5.0, -9.0, 5.0, 5.0),
        shot_sets=(0,) * 64,
        centre=observations.centre,
        standard_error=NOISE,
    )
    assert floored(later).values[:60] == floored(observations).values
    assert floored(later).values[60:] == (5.0, min(floored(observations).values), 5.0, 5.0)


def test_few_values_and_equal_ones_have_no_floor() -> None:
    few = observed(FEWEST - 1, fall=3.0)
    assert floored(few) is few
    equal = replace(observed(40, fall=0.0), values=(1.5,) * 40)
    assert floored(equal) is equal
