"""The style score: an exact unbiased form, with its maximum at the references, also between the parents."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from torch import Tensor

from scorers.base import Calibration
from scorers.errors import ScorerError
from scorers.extraction.observer import Observer
from scorers.features import Features
from scorers.panel.verdict import influence
from scorers.reporting.leak import agreement
from scorers.scoring.metric import scatter, unbiased_square, whitening
from scorers.scoring.readouts import Projection
from scorers.scoring.style import COLUMNS, Style, StyleFeatures, pseudo_huber
from studies.sample.scenery.contents import Content
from tests.scorers.conftest import Scene, painted, scenes
from tests.scorers.plain_features import features_of

See = Callable[..., Features]
AMOUNTS = [round(0.1 * i, 1) for i in range(11)]
QUARTERS = (0.0, 0.25, 0.5, 0.75, 1.0)
EARLY = (0.0, 0.1, 0.2, 0.3, 0.4)


def seen(observer: Observer, pictures: Tensor) -> Features:
    return observer.see(pictures, [""] * len(pictures), range(len(pictures)))


@pytest.fixture(scope="module")
def see(observer: Observer, paint: Callable[..., Tensor]) -> See:
    """Features of ``paint``'s scenes."""
    return functools.cache(lambda *what: seen(observer, paint(*what)))


@pytest.fixture
def random_style() -> tuple[Style, Calibration]:
    rng = np.random.default_rng(0)
    recipes = {name: features_of(rng.normal(size=(9, 6)) + rng.normal(size=6)) for name in "ABC"}
    calibration = Calibration(recipes=recipes, references=features_of(rng.normal(size=(7, 6))))
    style = Style("clip")
    style.fit(calibration)
    return style, calibration


def test_mean_contribution_is_of_the_unbiased_form_by_brute_force(random_style: tuple[Style, Calibration]) -> None:
    """Statistics that never change have no part in it."""
    style, calibration = random_style
    recipes = [f.embedding("clip").astype(float) for f in calibration.recipes.values()]
    references = calibration.references.embedding("clip").astype(float)
    within = np.concatenate([recipe - recipe.mean(0) for recipe in recipes])
    around = references - references.mean(0)
    content = 0.5 * np.cov(within.T, bias=True) + 0.5 * np.cov(around.T, bias=True)
    metric = np.linalg.inv(0.9 * content + 0.1 * np.trace(content) / 6 * np.eye(6))
    x = recipes[0] - references.mean(0)
    pairs = [x[i] @ metric @ x[j] for i in range(9) for j in range(9) if i != j]
    assert style(calibration.recipes["A"]).mean() == pytest.approx(1 - np.sqrt(1 + np.mean(pairs)), rel=1e-5)


def test_form_is_unbiased_where_the_plain_one_is_not(random_style: tuple[Style, Calibration]) -> None:
    style, calibration = random_style
    rng = np.random.default_rng(1)
    centre = calibration.references.embedding("clip").mean(0) + 0.3
    true = float(np.square(style.relative(features_of(centre[None]))).sum())
    draws = [style.relative(features_of(centre + rng.normal(size=(4, 6)))) for _ in range(2000)]
    assert np.mean([unbiased_square(draw) for draw in draws]) == pytest.approx(true, abs=0.1)
    assert np.mean([np.square(draw.mean(0)).sum() for draw in draws]) > true + 1


def test_value_goes_with_the_square_nearby_and_with_the_distance_far_away() -> None:
    assert pseudo_huber(1e-3)[0] == pytest.approx(0.5e-3, rel=1e-3)
    assert pseudo_huber(1e8)[0] == pytest.approx(1e4, rel=1e-3)
    assert pseudo_huber(-0.3)[0] == pytest.approx(-0.15)
    for squared in (-0.5, 0.2, 3.0, 50.0):
        rise = (pseudo_huber(squared + 1e-6)[0] - pseudo_huber(squared - 1e-6)[0]) / 2e-6
        assert pseudo_huber(squared)[1] == pytest.approx(rise, rel=1e-4)


def test_leaving_a_picture_out_moves_the_value_as_the_contributions_say(
    random_style: tuple[Style, Calibration],
) -> None:
    """To first order: the jackknife reads its standard errors from this."""
    style, calibration = random_style
    rng = np.random.default_rng(3)
    many = features_of(calibration.recipes["A"].embedding("clip").mean(0) + rng.normal(size=(200, 6)))
    contributions = style(many)
    influences = influence(contributions, style.degree)
    for left_out in range(5):
        rest = style(many.take(np.delete(np.arange(200), left_out))).mean()
        assert contributions.mean() - rest == pytest.approx(influences[left_out], rel=0.05, abs=1e-4)


def test_metric_is_well_conditioned_with_fewer_pictures_than_dimensions() -> None:
    rng = np.random.default_rng(2)
    recipes, references = [0.01 * rng.normal(size=(5, 64)) for _ in "ABC"], 0.01 * rng.normal(size=(4, 64))
    content = scatter(recipes, references)
    values = np.linalg.svd(whitening(content), compute_uv=False)
    assert np.linalg.matrix_rank(content) < 20
    assert (values[0] / values[-1]) ** 2 < 1000


def test_statistics_vary_like_an_average_coordinate_of_the_embedding(see: See) -> None:
    recipes = {str(amount): see(1, 12, amount) for amount in QUARTERS}
    calibration = Calibration(recipes=recipes, references=see(900, 24, 1.0))
    style_features = StyleFeatures("clip", calibration)
    variances = np.concatenate([style_features(f) for f in (*recipes.values(), calibration.references)]).var(0)
    np.testing.assert_allclose(variances[64:], variances[:64].mean(), rtol=1e-4)
    assert len(variances) == 64 + len(COLUMNS)


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


@pytest.mark.parametrize("planted", [0.35, 0.65])
def test_maximum_is_at_the_references(planted: float, see: See) -> None:
    """References of other contents and seeds than the scenes; the best of 0, .1 ... 1 is within .1 of the planted."""
    recipes = {str(amount): see(1, 12, amount) for amount in QUARTERS}
    style = Style("clip")
    style.fit(Calibration(recipes=recipes, references=see(900, 32, planted)))
    scores = [style(see(1, 12, amount)).mean() for amount in AMOUNTS]
    assert AMOUNTS[int(np.argmax(scores))] == pytest.approx(planted, abs=0.1)
    assert max(scores[0], scores[-1]) < max(scores) - 0.5


@pytest.mark.parametrize("shown", [1, 77])
def test_known_amounts_are_ordered_on_seen_and_unseen_prompts(shown: int, see: See) -> None:
    """Calibrated on amounts up to .4 of scenes 1; references with the whole of the look, of other contents."""
    style = Style("clip")
    calibration = Calibration(recipes={str(a): see(1, 12, a) for a in EARLY}, references=see(900, 24, 1.0))
    style.fit(calibration)
    scores = [style(see(shown, 12, amount)).mean() for amount in QUARTERS]
    assert agreement(QUARTERS, scores) > 0.95


def pulled(drawn: list[Scene], share: float) -> list[Scene]:
    """Scenes of which a share shows what most references show."""
    shown = [(i + 0.5) / len(drawn) < share for i in range(len(drawn))]
    most = Content(subject="house", place="beach", colour="red")
    return [replace(s, content=most) if w else s for s, w in zip(drawn, shown, strict=True)]


def test_contents_that_move_towards_the_references_do_not_fool_the_score(observer: Observer, see: See) -> None:
    """The more of the look, the less of the references' subjects: raw cosine follows the subjects."""
    references = seen(observer, painted(pulled(scenes(900, 24), 0.75), 1.0))
    style, along = Style("clip"), Projection("clip")
    for scorer in (style, along):
        scorer.fit(Calibration(recipes={str(a): see(1, 12, a) for a in EARLY}, references=references))
    leaking = [seen(observer, painted(pulled(scenes(1, 12), 0.8 * (1 - amount)), amount)) for amount in QUARTERS]
    mean = references.embedding("clip").mean(0)
    cosines = [float((features.embedding("clip") @ mean).mean()) for features in leaking]
    assert agreement(QUARTERS, cosines) < 0
    assert agreement(QUARTERS, [style(features).mean() for features in leaking]) > 0.95
    assert agreement(QUARTERS, [along(features).mean() for features in leaking]) > 0.85
