"""Everything that pages show of one study, as it was at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from engine.shots.shot import Shot
from search.history import TrialRecord
from search.plan import STAGES, Stage
from studies.pages.reading.glance import shown_state
from studies.pages.reading.trials import ShownTrial
from studies.status.state import StudyState
from studies.store.judged.outcome import Outcome
from studies.store.judged.pins import Pin
from studies.store.renders import shots_key
from studies.studyfile.spec import StudySpec


@dataclass(frozen=True, slots=True, kw_only=True)
class StageProgress:
    """How far a stage is."""

    stage: Stage
    done: int
    planned: int
    """The most trials that it gets."""


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """A study at one moment."""

    spec: StudySpec
    state: StudyState
    trials: tuple[ShownTrial, ...]
    """In order."""
    history: tuple[TrialRecord, ...]
    """The search's view of the same."""
    planned: Mapping[Stage, int]
    """The most trials of each stage."""
    workers: tuple[str, ...]
    """Names of the workers at work."""
    notes: Mapping[str, Any]
    """The notes of the study: calibration, noise, what was switched off."""
    rescored: int
    """How often the trials were judged anew."""
    outcome: Outcome | None
    pins: tuple[Pin, ...]
    problems: tuple[str, ...] = ()
    """What of the study cannot be read, for people."""
    measured: tuple[str, ...] = ()
    """Which of `studies.pages.reading.measured_files.MEASURES` have a result, readable or not."""
    mark: str = ""
    """Changes with whatever the snapshot was made of."""

    @cached_property
    def by_number(self) -> Mapping[int, ShownTrial]:
        """The trials by their numbers."""
        return {trial.number: trial for trial in self.trials}

    @cached_property
    def shot_sets(self) -> Mapping[str, tuple[Shot, ...]]:
        """Every set of shots that a night renders, by its key: the trials', what its stages draw, the proof's."""
        shots = self.spec.shots
        slots = {trial.slots for trial in self.trials}
        slots |= {fresh for one in slots if (fresh := shots.fresh(one))}
        return {shots_key(one): one for one in (shots.trials, shots.proof, *map(shots.drawn, sorted(slots)))}

    @cached_property
    def scored(self) -> tuple[ShownTrial, ...]:
        """The trials with a score, the best first."""
        return tuple(sorted((t for t in self.trials if t.score is not None), key=lambda t: -(t.score or 0.0)))

    @cached_property
    def without_score(self) -> tuple[ShownTrial, ...]:
        """The trials that failed or have broken pictures, the newest first."""
        return tuple(t for t in reversed(self.trials) if t.status in ("failed", "broken"))

    @cached_property
    def running(self) -> tuple[ShownTrial, ...]:
        """The trials in work."""
        return tuple(t for t in self.trials if t.status == "running")

    @cached_property
    def ended(self) -> int:
        """How many trials have ended."""
        return len(self.trials) - len(self.running)

    @property
    def total(self) -> int:
        """The most trials of the whole plan."""
        return sum(self.planned.values())

    @cached_property
    def stages(self) -> tuple[StageProgress, ...]:
        """How far every stage is that has trials."""
        done = dict.fromkeys(STAGES, 0)
        for trial in self.trials:
            if trial.status != "running":
                done[trial.stage] += 1
        return tuple(
            StageProgress(stage=stage, done=done[stage], planned=max(self.planned.get(stage, 0), done[stage]))
            for stage in STAGES
            if self.planned.get(stage) or done[stage]
        )

    @property
    def shown_state(self) -> str:
        """How the study stands, in one word of the pages: as `state`, or ``approved`` where a recipe is."""
        return shown_state(self.state, self.pins, is_at_work=self.is_at_work)

    @property
    def is_at_work(self) -> bool:
        """Whether a night is at work."""
        return bool(self.workers)
