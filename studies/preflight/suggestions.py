"""What to write in a study file that takes too long, worked out by the same estimate."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count

from engine.architecture.widths import FamilyName
from engine.shots.shot import Shot
from search.plan import Stage
from search.shots import FEWEST_SHOTS, MOST_SHOTS
from studies.amounts import time_text
from studies.preflight.estimate import StudyEstimate, counted
from studies.studyfile.spec import SearchSettings, StudyShots

NIGHT_S = 12 * 3600
"""The longest time in seconds that is not warned of."""
FEWEST_TRIALS = 40
"""The fewest trials that are suggested: about as many as find more than chance does (tests/benchmarks/RESULTS.md)."""
FEWEST_STEPS = 12
"""The fewest sampling steps that are suggested."""
SMALLEST_SIDE: Mapping[FamilyName, int] = {"sd1": 512, "sd2": 512, "sdxl": 768}
"""The least shorter side in pixels that is suggested, by family: below it the models draw badly."""
STAGE_KEYS: Mapping[str, Stage] = {
    "groups": "groups",
    "blocks": "blocks",
    "self_mode": "self",
    "adjust": "adjust",
    "refine": "refine",
}
"""The stages, which are also keys of `[search]`, by the fields of a plan."""
SIDE_STEP = 8
"""Sides of pictures are multiples of so many pixels."""

PictureSeconds = Callable[[Shot], float]
"""The seconds that a shot takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortened:
    """A study with fewer trials, fewer or smaller pictures, and what to write for it."""

    search: SearchSettings
    shots: StudyShots
    keys: tuple[str, ...] = ()
    """As in a study file: `[search] shots = 4`."""


def shorter(search: SearchSettings, shots: StudyShots, need: StudyEstimate, per_picture: PictureSeconds) -> str:
    """Return what would bring a study's time down to a night, for people.

    Args:
        search: of the study.
        shots: of the study.
        need: the study's estimate, of more than a night.
        per_picture: the seconds that a shot takes.

    Returns:
        Single changes that are enough; where none is, as many together as are needed, and the time that they leave.
    """
    study = Shortened(search=search, shots=shots)

    def seconds(one: Shortened) -> float:
        return counted(one.search, one.shots).pictures * per_picture(one.shots.trials[0])

    def enough(options: Sequence[Shortened]) -> Shortened | None:
        return next((one for one in options if seconds(one) <= NIGHT_S), None)

    levers = (_fewer_trials, _fewer_shots, _fewer_steps, lambda one: _smaller_pictures(one, need.family))
    single = [found for lever in levers if (found := enough(list(lever(study))))]
    if single:
        return f"for {time_text(NIGHT_S)} at most, write " + "; or ".join(", ".join(one.keys) for one in single)
    for lever in levers:
        options = list(lever(study))
        study = enough(options) or (options[-1] if options else study)
        if seconds(study) <= NIGHT_S:
            break
    several = "a GPU, or several with --workers, takes less time"
    if not study.keys:
        return several
    left = f"{', '.join(study.keys)} together take about {time_text(seconds(study))}"
    return left if seconds(study) <= NIGHT_S else f"{left}; {several}"


def _fewer_trials(study: Shortened) -> Iterator[Shortened]:
    """All stages shortened alike, by a tenth of what is left each time."""
    suggester, plan = study.search.suggester(), study.search.plan
    planned = {field: getattr(plan, field) for field, stage in STAGE_KEYS.items() if suggester.trials(stage)}
    for number in count(1):
        counts = {field: max(1, round(trials * 0.9**number)) for field, trials in planned.items()}
        search = replace(study.search, plan=replace(plan, **counts))
        if set(counts.values()) <= {1} or search.suggester().total < FEWEST_TRIALS:
            return
        keys = ", ".join(f"{STAGE_KEYS[field]} = {count}" for field, count in counts.items())
        yield replace(study, search=search, keys=(*study.keys, f"[search] {keys}"))


def _fewer_shots(study: Shortened) -> Iterator[Shortened]:
    """Down to the fewest that a trial may draw."""
    most = min(study.search.shots_per_trial or MOST_SHOTS, len(study.shots.trials))
    for drawn in range(most - 1, FEWEST_SHOTS - 1, -1):
        search = replace(study.search, shots_per_trial=drawn)
        yield replace(study, search=search, keys=(*study.keys, f"[search] shots = {drawn}"))


def _fewer_steps(study: Shortened) -> Iterator[Shortened]:
    """Down to the fewest that draw well."""
    for steps in range(study.shots.trials[0].steps - 1, FEWEST_STEPS - 1, -1):
        shots = _changed(study.shots, steps=steps)
        yield replace(study, shots=shots, keys=(*study.keys, f"[render] steps = {steps}"))


def _smaller_pictures(study: Shortened, family: FamilyName) -> Iterator[Shortened]:
    """Smaller pictures of nearly the same proportions; none where hires fix enlarges to a size of its own."""
    shot = study.shots.trials[0]
    if shot.hires is not None and any(shot.hires.resize):
        return
    short = min(shot.width, shot.height)
    for side in range(short - SIDE_STEP, SMALLEST_SIDE[family] - 1, -SIDE_STEP):
        width, height = (round(one * side / short / SIDE_STEP) * SIDE_STEP for one in (shot.width, shot.height))
        shots = _changed(study.shots, width=width, height=height)
        yield replace(study, shots=shots, keys=(*study.keys, f"[render] width = {width}, height = {height}"))


def _changed(shots: StudyShots, **settings: int) -> StudyShots:
    """The same shots with other settings."""
    trials, proof = (tuple(replace(shot, **settings) for shot in some) for some in (shots.trials, shots.proof))
    return replace(shots, trials=trials, proof=proof)
