"""The noise of a study's shots, measured on its calibration recipes, and how many of them a trial draws.

Decided in the first night and kept. In a study of before, all trials of a stage draw the same shots, and they go on so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.console import Console

from search.plan import SURROGATE
from search.shots import (
    FEWEST_SHOTS,
    ObservationNoise,
    ShotRotation,
    measure_noise,
    shots_per_trial,
    spread_order,
)
from search.suggester import Suggester
from studies.store.note_keys import NOISE
from studies.store.storage import StudyStore
from studies.studyfile.spec import SearchSettings, StudyShots

if TYPE_CHECKING:
    from scorers.panel.panel import Panel

NOTHING_STANDS_OUT = "the differences between the calibration recipes are no larger than the noise of their pictures"
REMEDY = "The search can hardly tell recipes apart: give more prompts, more references of one look, or a wider [space]."


def doubts(store: StudyStore) -> tuple[str, ...]:
    """Return why the measured noise makes a study's scores doubtful as a whole, for people."""
    known: dict[str, Any] = store.noted(NOISE) or {"between": 1}
    return (f"{NOTHING_STANDS_OUT[0].upper()}{NOTHING_STANDS_OUT[1:]}. {REMEDY}",) if known["between"] <= 0 else ()


def suggester_of(search: SearchSettings, shots: StudyShots, store: StudyStore) -> Suggester:
    """Return the study's suggester; which shots its stages draw was decided in the first night."""
    known: dict[str, Any] = store.noted(NOISE) or {}
    rotation = ShotRotation(
        shots=len(shots.trials),
        per_trial=known.get("shots", 0),
        fresh=known.get("fresh", False),
        order=tuple(known.get("order", ())),
        moving=known.get("moving", False),
        fewest=known.get("fewest", 0),
    )
    return search.suggester(rotation)


def measure(search: SearchSettings, shots: StudyShots, panel: Panel, store: StudyStore, console: Console) -> None:
    """Measure the noise of a calibrated panel, decide which shots trials draw, note both and print them.

    What an earlier night decided stays.

    Raises:
        ScorerError: the panel is not calibrated, or a scorer failed.
    """
    noise = measure_noise([row.tolist() for row in panel.pseudo_values().values()])
    known: dict[str, Any] = store.noted(NOISE) or {}
    available = len(shots.trials)
    shots_asked = search.shots_per_trial or shots_per_trial(noise, available)
    drawn = known.get("shots", min(shots_asked, available))
    fresh = known.get("fresh", False) if known else search.fresh_seeds and len(panel.bases) == 1
    order = known.get("order", []) if known else spread_order(shots.trial_weights)
    windows = _kept_windows(known) if known else _windows(search, drawn, available, fresh=fresh)
    store.note(
        NOISE,
        {
            "shots": drawn,
            "fresh": fresh,
            "paired": noise.paired,
            "common": noise.common,
            "between": noise.between,
            **({"order": list(order)} if order else {}),
            **windows,
        },
    )
    line = _noise_line(noise, drawn, available, fresh=fresh, windows=windows)
    console.print(line, highlight=False, markup=False)
    if search.fresh_seeds and not fresh:
        console.print(_why_not_fresh(panel), highlight=False, markup=False)


def _kept_windows(known: Mapping[str, Any]) -> dict[str, Any]:
    """What an earlier night decided of the trials' windows; nothing where they stay for a whole stage."""
    return {key: known[key] for key in ("moving", "fewest") if key in known}


def _windows(search: SearchSettings, drawn: int, available: int, *, fresh: bool) -> dict[str, Any]:
    """Decide whether every trial draws others of the shots, and how few the first ones of a stage draw.

    A race is with a trial of the same shots, and other samplers than ours take values as they come; fresh seeds would
    have to be rendered of FLAT_50 as well.
    """
    if fresh or drawn == available or search.racing or search.plan.sampler != SURROGATE:
        return {}
    fewest = {"fewest": max(drawn // 2, FEWEST_SHOTS)} if not search.shots_per_trial else {}
    return {"moving": True, **fewest}


def _why_not_fresh(panel: Panel) -> str:
    """Why stages do not draw fresh seeds, for people."""
    if len(panel.bases) == 1:
        return "fresh_seeds has no effect: this study began without it; give it another name to start a new one"
    return (
        "fresh_seeds has no effect: scores are measured from FLAT_50, which bounds or frozen blocks exclude here, so "
        f"that all {len(panel.bases)} calibration recipes would have to be rendered with every new set of seeds"
    )


def _noise_line(noise: ObservationNoise, shots: int, available: int, *, fresh: bool, windows: Mapping[str, Any]) -> str:
    """The noise and what follows from it, for people."""
    error = noise.standard_error(shots)
    others = "trial" if windows else "stage"
    few = f"{fewest} to " if (fewest := windows.get("fewest", shots)) < shots else ""
    of = "all shots" if shots == available else f"{few}{shots} of {available} shots, others in every {others}"
    of += ", with new seeds when all were drawn" if fresh else ""
    if noise.between <= 0:
        return f"noise: a trial draws {of}; {NOTHING_STANDS_OUT}. {REMEDY}"
    share = error / noise.between
    spread = f"{share:.0%} of the spread between recipes"
    line = f"noise: a trial draws {of}; its score has a standard error of {error:.2f}, {spread}"
    if share > 0.5:
        more = math.ceil(4 * share**2 * shots)
        line += f". That is a lot: {more} shots would bring it down to half of that spread, so add prompts or seeds"
    return line
