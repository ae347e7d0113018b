"""Weights from picks: recovered from simulated persons, held by the prior, moved by ties as far as ties say."""

from __future__ import annotations

import numpy as np
import pytest

from scorers.errors import ScorerError
from scorers.panel.preference import (
    SHARPNESS,
    SPREAD,
    Agreement,
    PreferenceFit,
    agreement,
    agreement_on_new,
    fit_preferences,
)

NAMES: tuple[str, ...] = ("style", "clip", "stats", "laion")


def person(seed: int, count: int, true: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs, and the answers of a person who is consistent in four of five."""
    rng = np.random.default_rng(seed)
    pairs = rng.normal(size=(count, len(true))) * np.linspace(0.5, 3, len(true))
    odds = SHARPNESS * pairs @ true / np.sqrt(np.mean(np.square(pairs @ true)))
    return pairs, (rng.random(count) < 1 / (1 + np.exp(-odds))).astype(float)


def fitted(weights: np.ndarray, pairs: np.ndarray, answers: np.ndarray, pool: np.ndarray) -> PreferenceFit:
    return fit_preferences(dict(zip(NAMES, weights, strict=False)), pool, pairs, answers)


def right(one: PreferenceFit, true: np.ndarray, seed: int = 99) -> float:
    """Share of new pairs on which the fitted weights say what the person's own would."""
    pairs, _ = person(seed, 2000, true)
    return float(np.mean((one.probability(pairs) > 0.5) == (pairs @ true > 0)))


def test_persons_are_consistent_in_four_pairs_of_five() -> None:
    true = np.array([1.0, 0.5, 0.2, 0.4])
    pairs, answers = person(0, 20_000, true)
    assert np.mean((pairs @ true > 0) == (answers > 0.5)) == pytest.approx(0.8, abs=0.01)


def test_many_picks_recover_the_weights() -> None:
    true = np.array([0.3, 1.0, 0.2, 0.6])
    pairs, answers = person(1, 20_000, true)
    found = fitted(np.ones(4), pairs, answers, pairs).weights(float(true.sum()))
    assert list(found) == list(NAMES)
    np.testing.assert_allclose(list(found.values()), true, atol=0.05)
    assert sum(found.values()) == pytest.approx(true.sum())


def test_without_picks_the_weights_stay() -> None:
    pool, _ = person(2, 500, np.ones(4))
    weights = np.array([1.0, 0.2, 0.3, 0.0])
    found = fitted(weights, np.zeros((0, 4)), np.zeros(0), pool).weights(1.5)
    np.testing.assert_allclose(list(found.values()), weights, atol=1e-12)


@pytest.mark.parametrize(("own", "gain"), [(0.0, 0.03), (0.5, 0.0)])
def test_ten_picks_do_not_hurt_and_forty_help(own: float, gain: float) -> None:
    """Sixty persons whose weights are in part those in force, or not at all."""
    gains: dict[int, list[float]] = {10: [], 40: []}
    for seed in range(60):
        rng = np.random.default_rng(seed)
        true = rng.exponential(size=4) * np.linspace(3, 0.5, 4)
        force = own * true + (1 - own) * rng.exponential(size=4) * np.linspace(3, 0.5, 4)
        pairs, answers = person(seed, 400, true)
        before = right(fitted(force, pairs[:0], answers[:0], pairs), true)
        for count, found in gains.items():
            found.append(right(fitted(force, pairs[:count], answers[:count], pairs), true) - before)
    assert np.mean(gains[10]) > gain
    assert np.mean(gains[40]) > np.mean(gains[10]) + 0.02


def test_ten_picks_of_a_person_who_agrees_already_cost_little() -> None:
    losses: list[float] = []
    for seed in range(60):
        true = np.random.default_rng(seed).exponential(size=4) * np.linspace(3, 0.5, 4)
        pairs, answers = person(seed, 400, true)
        losses.append(1 - right(fitted(true, pairs[:10], answers[:10], pairs), true))
    assert np.mean(losses) < 0.07


def test_a_tie_is_half_a_pick_for_either() -> None:
    pairs, answers = person(3, 40, np.ones(4))
    tied = fitted(np.ones(4), pairs[:20], np.full(20, 0.5), pairs)
    both = fitted(np.ones(4), np.repeat(pairs[:20], 2, 0), np.tile([0.0, 1.0], 20), pairs)
    assert np.abs(tied.centre).sum() < np.abs(fitted(np.ones(4), pairs[:0], answers[:0], pairs).centre).sum()
    twice = tied.precision * 2 - np.eye(4) / SPREAD**2
    assert np.linalg.norm(both.precision - twice) < np.linalg.norm(both.precision)


def test_the_fit_is_the_maximum() -> None:
    """Compared with scipy's own minimiser on the same posterior."""
    from scipy.optimize import minimize

    pairs, answers = person(4, 60, np.array([2.0, 0.1, 0.1, 1.0]))
    force = np.array([0.1, 3.0, 2.0, 0.1])
    one = fitted(force, pairs, answers, pairs)
    prior = fitted(force, pairs[:0], answers[:0], pairs).centre
    seen = pairs / one.scale

    def cost(centre: np.ndarray) -> float:
        odds = seen @ centre
        return float(np.logaddexp(0, odds).sum() - answers @ odds + np.square(centre - prior).sum() / SPREAD**2 / 2)

    np.testing.assert_allclose(one.centre, minimize(cost, prior, tol=1e-10).x, atol=1e-3)


def test_no_weight_falls_below_nothing() -> None:
    pairs, answers = person(5, 500, np.array([1.0, -1.0, 0.5, 0.5]))
    found = fitted(np.ones(4), pairs, answers, pairs).weights(4.0)
    assert found["clip"] == 0
    assert sum(found.values()) == pytest.approx(4)
    pairs, answers = person(6, 500, -np.ones(4))
    with pytest.raises(ScorerError, match="against every scorer"):
        fitted(np.ones(4), pairs, answers, pairs).weights(4.0)


def test_an_open_pair_tells_more_than_a_clear_one_and_than_no_difference() -> None:
    pool, answers = person(7, 500, np.ones(4))
    one = fitted(np.ones(4), pool[:0], answers[:0], pool)
    unit = np.diag(one.scale)
    open_pair, clear, same = unit[0] - unit[1], unit.sum(0) * 3, unit[0] * 0
    information = one.information(np.stack([open_pair, clear, same]))
    assert information[0] > 10 * information[1] > 0
    assert information[2] == 0


def test_agreement_leaves_ties_out_and_has_wilsons_interval() -> None:
    predictions = np.array([1.0, -1.0, 2.0, 0.0, np.nan, 3.0])
    answers = np.array([1.0, 0.0, 0.0, 1.0, 1.0, 0.5])
    found = agreement(predictions, answers)
    assert (found.agreed, found.pairs) == (2, 3)
    # Wilson's own formula for 8 of 10, as in Newcombe 1998.
    low, high = Agreement(agreed=8, pairs=10).interval
    assert (low, high) == (pytest.approx(0.4902, abs=1e-4), pytest.approx(0.9433, abs=1e-4))
    assert Agreement(agreed=0, pairs=0).interval == (0, 1)
    assert str(Agreement(agreed=8, pairs=10)) == "80% of 10 pairs (49% to 94%)"


def test_agreement_on_new_pairs_is_below_that_on_fitted_ones() -> None:
    """Answers at random, by persons whom the fit can only follow by heart."""
    weights: dict[str, float] = dict.fromkeys(NAMES, 1.0)
    inside, new = list[float](), list[float]()
    for seed in range(40):
        rng = np.random.default_rng(seed)
        pairs, noise = rng.normal(size=(20, 4)), (rng.random(20) < 0.5).astype(float)
        fit = fit_preferences(weights, pairs, pairs, noise)
        inside.append(agreement(pairs / fit.scale @ fit.centre, noise).share)
        new.append(agreement_on_new(weights, pairs, pairs, noise).share)
    assert np.mean(new) < np.mean(inside) - 0.03
    alone = agreement_on_new(weights, np.ones((1, 4)), np.ones((1, 4)), np.array([0.0]))
    assert alone.share == 0, "fitted to no pair: what the weights in force say"
