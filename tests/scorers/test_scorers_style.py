"""The style score: an exact unbiased form, with its maximum at the references, also between the parents."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
import pytest
from torch import Tensor

from scorers.base import Calibration
from scorers.encoder import Encoder
from scorers.errors import ScorerError
from scorers.features import Features
from scorers.style import Style, content_scatter, whitening
from tests.scorers.plain_features import features_of

Embed = Callable[..., Features]
AMOUNTS = [round(0.1 * i, 1) for i in range(11)]
PARENTS_AND_FLATS = (0.0, 0.25, 0.5, 0.75, 1.0)


@pytest.fixture(scope="module")
def embed(encoder: Encoder, paint: Callable[..., Tensor]) -> Embed:
    return functools.cache(lambda *scenes: features_of(encoder.embed_images(paint(*scenes)).numpy()))


@pytest.fixture
def random_style() -> tuple[Style, Calibration]:
    rng = np.random.default_rng(0)
    recipes = {name: features_of(rng.normal(size=(9, 6)) + rng.normal(size=6)) for name in "ABC"}
    calibration = Calibration(recipes=recipes, references=features_of(rng.normal(size=(7, 6))))
    style = Style("clip")
    style.fit(calibration)
    return style, calibration


def test_mean_contribution_is_the_unbiased_form_by_brute_force(random_style: tuple[Style, Calibration]) -> None:
    style, calibration = random_style
    looks = [f.embedding("clip").astype(float) for f in calibration.recipes.values()]
    references = calibration.references.embedding("clip").astype(float)
    within = np.concatenate([look - look.mean(0) for look in looks])
    around = references - references.mean(0)
    scatter = 0.5 * np.cov(within.T, bias=True) + 0.5 * np.cov(around.T, bias=True)
    metric = np.linalg.inv(0.9 * scatter + 0.1 * np.trace(scatter) / 6 * np.eye(6))
    x = looks[0] - references.mean(0)
    pairs = [x[i] @ metric @ x[j] for i in range(9) for j in range(9) if i != j]
    assert style(calibration.recipes["A"]).mean() == pytest.approx(-np.mean(pairs), rel=1e-5)


def test_form_is_unbiased_where_the_plain_one_is_not(random_style: tuple[Style, Calibration]) -> None:
    style, calibration = random_style
    rng = np.random.default_rng(1)
    centre = calibration.references.embedding("clip").mean(0) + 0.3
    true = float(np.square(style.whitened(features_of(centre[None]))).sum())
    draws = [centre + rng.normal(size=(4, 6)) for _ in range(2000)]
    unbiased = np.mean([style(features_of(draw)).mean() for draw in draws])
    plain = np.mean([-np.square(style.whitened(features_of(draw)).mean(0)).sum() for draw in draws])
    assert unbiased == pytest.approx(-true, abs=0.1)
    assert plain < -true - 1


def test_metric_is_well_conditioned_with_fewer_pictures_than_dimensions() -> None:
    rng = np.random.default_rng(2)
    recipes = {name: features_of(0.01 * rng.normal(size=(5, 64))) for name in "ABC"}
    scatter = content_scatter(
        Calibration(recipes=recipes, references=features_of(0.01 * rng.normal(size=(4, 64)))), "clip"
    )
    values = np.linalg.svd(whitening(scatter), compute_uv=False)
    assert np.linalg.matrix_rank(scatter) < 20
    assert (values[0] / values[-1]) ** 2 < 1000


def test_order_does_not_matter(random_style: tuple[Style, Calibration]) -> None:
    style, calibration = random_style
    features = calibration.recipes["B"]
    order = np.random.default_rng(0).permutation(len(features))
    np.testing.assert_allclose(style(features.take(order)), style(features)[order], rtol=1e-9)


def test_one_picture_says_nothing_and_no_scatter_is_refused(random_style: tuple[Style, Calibration]) -> None:
    style, calibration = random_style
    assert np.isnan(style(calibration.recipes["A"].take([0]))).all()
    same = features_of(np.ones((5, 6)))
    with pytest.raises(ScorerError, match="all look the same"):
        Style("clip").fit(Calibration(recipes={"A": same}, references=same))
    with pytest.raises(ScorerError, match="not fitted"):
        Style("clip")(same)


@pytest.mark.parametrize("planted", [0.25, 0.35, 0.5, 0.65])
def test_maximum_is_at_the_references(planted: float, embed: Embed) -> None:
    """References of other contents and seeds than the scenes; the best of 0, .1 ... 1 is within .1 of the planted."""
    recipes = {str(amount): embed(1, 12, amount) for amount in PARENTS_AND_FLATS}
    style = Style("clip")
    style.fit(Calibration(recipes=recipes, references=embed(900, 48, planted)))
    scores = [style(embed(1, 12, amount)).mean() for amount in AMOUNTS]
    assert AMOUNTS[int(np.argmax(scores))] == pytest.approx(planted, abs=0.1)
    assert max(scores[0], scores[-1]) < max(scores) - 0.5


def test_progress_points_at_the_references(embed: Embed) -> None:
    recipes = {amount: embed(1, 12, amount) for amount in PARENTS_AND_FLATS}
    style = Style("clip")
    style.fit(Calibration(recipes={str(k): v for k, v in recipes.items()}, references=embed(900, 48, 1.0)))
    steps = [style.progress(recipes[a], recipes[0.5], list(recipes.values())) for a in PARENTS_AND_FLATS]
    along = [step.along for step in steps]
    assert along[0] < 0 < along[3] < along[4]
    assert along[2] == pytest.approx(0, abs=1e-9)
    assert steps[2].aside == pytest.approx(0, abs=1e-6)
    assert steps[0].target == pytest.approx(along[-1], rel=0.35)
