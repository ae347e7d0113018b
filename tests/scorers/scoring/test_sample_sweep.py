"""The style score on renders of the sample world: its maximum is at the planted ratio, a linear read-out's is not."""

from __future__ import annotations

import numpy as np
import pytest

from scorers.scoring.readouts import Projection
from scorers.scoring.style import Style
from tests.scorers.sample_sweep import PLANTED, RATIOS, SHOTS, Sweep, kept, reference_shots, seen, shots, studio

ALL = np.arange(SHOTS)
HALVES = {"all 48": ALL, "first 24": ALL[:24], "last 24": ALL[24:]}


@pytest.fixture(scope="module")
def sweep() -> Sweep:
    return kept()


def best(scorer: Style | Projection, sweep: Sweep, planted: float, rows: np.ndarray) -> float:
    """The ratio with the highest score."""
    scorer.fit(sweep.calibration(planted, rows, ALL))
    return RATIOS[int(np.argmax([scorer(sweep.mixes[ratio].take(rows)).mean() for ratio in RATIOS]))]


def test_what_is_kept_is_what_is_rendered(sweep: Sweep) -> None:
    """A few of the pictures again, within what other machines round differently."""
    few, pair = shots()[:2], reference_shots()[:1]
    with studio() as (render, observer):
        mix, reference = seen(observer, render(0.5, few), few), seen(observer, render(0.35, pair), pair)
    assert not mix.lacks(sweep.mixes[0.5].versions)
    for again, whole in ((mix, sweep.mixes[0.5]), (reference, sweep.references[0.35])):
        rows = [whole.slots.index(slot) for slot in again.slots]
        np.testing.assert_allclose(again.embedding("clip"), whole.take(rows).embedding("clip"), atol=0.02)
        np.testing.assert_allclose(again.statistics, whole.take(rows).statistics, rtol=0.05, atol=0.01)


def test_references_show_other_prompts_and_seeds(sweep: Sweep) -> None:
    searched, shown = sweep.mixes[0.5], sweep.references[0.5]
    assert not set(searched.prompts) & set(shown.prompts)
    assert not set(searched.seeds) & set(shown.seeds)


@pytest.mark.parametrize("half", HALVES)
@pytest.mark.parametrize("planted", PLANTED)
def test_score_peaks_at_the_planted_ratio(planted: float, half: str, sweep: Sweep) -> None:
    assert best(Style("clip"), sweep, planted, HALVES[half]) == pytest.approx(planted, abs=0.101)


@pytest.mark.parametrize("planted", [0.2, 0.65, 0.8])
def test_linear_read_out_runs_to_the_corner(planted: float, sweep: Sweep) -> None:
    """Or at least past the plant, towards it: by more than the score may miss it."""
    corner = round(planted)
    assert abs(best(Projection("clip"), sweep, planted, ALL) - corner) <= abs(planted - corner) - 0.101


def test_statistics_beside_the_embedding_make_the_error_smaller(sweep: Sweep) -> None:
    """Over random draws of 16 shots and 16 references."""
    draw, blind = np.random.default_rng(0), sweep.without_statistics()
    errors: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(5):
        rows, references = draw.permutation(SHOTS)[:16], draw.permutation(SHOTS)[:16]
        for planted in PLANTED:
            for whole, what in ((True, sweep), (False, blind)):
                style = Style("clip")
                style.fit(what.calibration(planted, rows, references))
                scores = [style(what.mixes[ratio].take(rows)).mean() for ratio in RATIOS]
                errors[whole].append(RATIOS[int(np.argmax(scores))] - planted)
    with_statistics, without = (float(np.sqrt(np.mean(np.square(errors[k])))) for k in (True, False))
    assert with_statistics < 0.95 * without
