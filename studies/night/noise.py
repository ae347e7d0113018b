"""The noise of a study's shots, measured on its calibration recipes, and how many of them a trial draws.

Decided in the first night and kept: trials on different numbers of shots would be known to different errors.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from rich.console import Console

from search.shots import ObservationNoise, ShotRotation, measure_noise, shots_per_trial
from search.suggester import Suggester
from studies.store.storage import StudyStore
from studies.studyfile.read import StudySpec

if TYPE_CHECKING:
    from scorers.panel.panel import Panel

NOISE = "noise"
"""Key of the study's note of the measured noise."""


NOTHING_STANDS_OUT = "what the calibration recipes differ by does not stand out of the noise of their pictures"
REMEDY = "The search has little to go by: give more prompts, more references of one look, or a wider [space]."


def doubts(store: StudyStore) -> tuple[str, ...]:
    """Return what the measured noise says against a study's scores as a whole, for people."""
    known: dict[str, Any] = store.noted(NOISE) or {"between": 1}
    return (f"{NOTHING_STANDS_OUT[0].upper()}{NOTHING_STANDS_OUT[1:]}. {REMEDY}",) if known["between"] <= 0 else ()


def suggester_of(spec: StudySpec, store: StudyStore) -> Suggester:
    """Return the study's suggester; which shots its stages draw was decided in the first night."""
    known: dict[str, Any] = store.noted(NOISE) or {}
    rotation = ShotRotation(shots=len(spec.shots), per_trial=known.get("shots", 0), fresh=known.get("fresh", False))
    return Suggester(space=spec.space, plan=spec.plan, seed=spec.seed, rotation=rotation)


def measure(spec: StudySpec, panel: Panel, store: StudyStore, console: Console) -> None:
    """Measure the noise of a calibrated panel, decide which shots trials draw, note both and say so.

    What an earlier night decided stays.

    Raises:
        ScorerError: the panel is not calibrated, or a scorer failed.
    """
    noise = measure_noise([row.tolist() for row in panel.pseudo_values().values()])
    known: dict[str, Any] = store.noted(NOISE) or {}
    wanted = spec.shots_per_trial or shots_per_trial(noise, len(spec.shots))
    shots = known.get("shots", min(wanted, len(spec.shots)))
    fresh = known.get("fresh", False) if known else spec.fresh_seeds and len(panel.bases) == 1
    store.note(
        NOISE,
        {
            "shots": shots,
            "fresh": fresh,
            "paired": noise.paired,
            "common": noise.common,
            "between": noise.between,
        },
    )
    console.print(_said(noise, shots, len(spec.shots), fresh=fresh), highlight=False, markup=False)
    if spec.fresh_seeds and not fresh:
        console.print(_why_not_fresh(panel), highlight=False, markup=False)


def _why_not_fresh(panel: Panel) -> str:
    """Why stages do not draw fresh seeds, for people."""
    if len(panel.bases) == 1:
        return "fresh_seeds is not followed: this study began without it; give it another name to start a new one"
    return (
        "fresh_seeds is not followed: scores are measured from FLAT_50, which bounds or frozen blocks exclude here, so "
        f"that all {len(panel.bases)} calibration recipes would have to be rendered with every new set of seeds"
    )


def _said(noise: ObservationNoise, shots: int, available: int, *, fresh: bool) -> str:
    """What was found, for people."""
    error = noise.standard_error(shots)
    of = "all shots" if shots == available else f"{shots} of {available} shots, others in every stage"
    of += ", with new seeds when all were drawn" if fresh else ""
    if noise.between <= 0:
        return f"noise: a trial draws {of}, and {NOTHING_STANDS_OUT}. {REMEDY}"
    share = error / noise.between
    line = f"noise: a trial draws {of}; its score strays by {error:.2f}, {share:.0%} of what recipes differ by"
    if share > 0.5:
        more = math.ceil(4 * share**2 * shots)
        line += f". That is much: {more} shots would halve what recipes differ by, so add prompts or seeds"
    return line
