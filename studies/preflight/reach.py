"""What a night will and will not be able to tell with a study's pictures, in plain words."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from engine.errors import Named, counted
from search.shots import ObservationNoise, shots_per_trial
from studies.preflight.findings import Finding
from studies.studyfile.spec import SearchSettings, StudyShots

USUAL_NOISE = ObservationNoise(paired=1.84, common=0.0, between=1.18)
"""The noise before calibration has measured a study's own: that of the demo's 16 pictures, on which a score has a
standard error of 0.46, 39 % of the spread between the calibration recipes."""
SINGLE = 0.95
"""The level at which two single trials are called different."""
MORE = 4
"""So many times the pictures halve what a proof can tell."""


def reach_findings(
    search: SearchSettings, shots: StudyShots, noise: ObservationNoise | None, *, drawn: int = 0, confidence: float
) -> Iterator[Finding]:
    """Yield notes on the smallest difference that trials, and that the proof, can tell from none.

    A difference of two recipes has the root of 2 times the standard error of one, and stands out where it exceeds the
    half width of its interval (Student's t).

    Args:
        search: of the study.
        shots: of the study.
        noise: of one shot, as calibration measured it; None before that.
        drawn: pictures of a trial, where a night has decided that; 0: as the study file has it.
        confidence: level of the intervals of the study's next proof.
    """
    used = noise or USUAL_NOISE
    available = len(shots.trials)
    asked = drawn or search.shots_per_trial or shots_per_trial(used, available)
    pictures = min(asked, available)
    error, least = _least(used, _weights(shots.trial_weights, pictures), SINGLE)
    spread = f"; the first recipes differ by about {used.between:.1f}" if used.between > 0 else ""
    yield Finding.of(
        "note",
        (Named("what the search can tell"),),
        f"with {counted(pictures, 'picture')} a trial a score has a standard error of about {error:.1f}, so two single "
        f"trials are told apart from a difference of about {least:.1f} on{spread}. Its model pools all trials and "
        f"sees smaller ones, but the top scores are lucky ones in part: believe the proof. {_source(noise)}",
    )
    _, lead = _least(used, _weights(shots.proof_weights, len(shots.proof)), confidence)
    yield Finding.of(
        "note",
        (Named("what the proof can tell"),),
        f"with {counted(len(shots.proof), 'held-out picture')} a lead from about {lead:.1f} on stands out from none "
        f"({100 * confidence:.4g} % intervals); a smaller one may be there, but is not told from luck and not "
        f"recommended. {MORE} times the pictures halve that. {_source(noise)}",
    )


def _weights(weights: Sequence[float], count: int) -> list[float]:
    """What each of so many pictures counts; of fewer than all, a mix as the rotation draws it."""
    return [1.0] * count if len(set(weights)) < 2 else sorted(weights)[:: max(1, len(weights) // count)][:count]


def _least(noise: ObservationNoise, weights: Sequence[float], confidence: float) -> tuple[float, float]:
    """The standard error of a recipe's score, and the least difference of two that an interval tells from none."""
    import numpy as np

    from scorers.panel.verdict import degrees_of_freedom, paired_difference

    freedom = degrees_of_freedom(len(weights), np.asarray(weights))
    error = noise.paired / math.sqrt(freedom + 1)
    return error, paired_difference(0.0, math.sqrt(2) * error, freedom, confidence).high


def _source(noise: ObservationNoise | None) -> str:
    if noise is not None:
        return "Measured by this study's calibration"
    return "An estimate, with the demo's noise: the first night measures yours"
