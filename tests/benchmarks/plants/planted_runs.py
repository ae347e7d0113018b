"""Searches on planted recipes, kept trial by trial: what was killed goes on, and a newer search can judge it again."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from search.history import Point, Slots, TrialRecord
from search.plan import SURROGATE, SearchPlan
from search.suggester import Suggester
from tests.benchmarks.plants.planted import CALIBRATION, SPACE

OURS, OURS_AT_ONCE = "ours", "ours, all knobs at once"
METHODS: Mapping[str, str] = {
    OURS: SURROGATE,
    OURS_AT_ONCE: SURROGATE,
    "TPE": "tpe",
    "CMA-ES": "cmaes",
    "GP": "gp",
    "random": "random",
}
"""Names of searches, with the sampler that proposes. All begin with the same recipes, and our model recommends."""
LINE = 5
"""FLAT mixes near the best one, after those that every study begins with."""
FIRST = len(SearchPlan().flat) + CALIBRATION + LINE
"""Trials that all methods have in common."""
SHARES = {"groups": 0.26, "blocks": 0.32, "self_mode": 0.1, "adjust": 0.13}
"""Parts of the other trials that stages of our search get, as in the demo's study; `refine` has the rest."""


def plan_of(method: str, trials: int) -> SearchPlan:
    """Return a plan that uses so many trials; all but ours move every knob from the end of the line on."""
    left = trials - FIRST
    stages: dict[str, Any] = {name: round(share * left) if method == OURS else 0 for name, share in SHARES.items()}
    return SearchPlan(
        line=LINE, calibration=CALIBRATION, **stages, refine=left - sum(stages.values()), patience=0,
        sampler=METHODS[method],
    )  # fmt: skip


def _as_it_is(plan: SearchPlan) -> SearchPlan:
    return plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One search on one planted recipe, whose trials are kept in a file, one line each."""

    folder: Path
    plant: str
    """What is searched: the names of the pair and of the plant."""
    tell: Callable[[Point, int, str, Slots], TrialRecord]
    """Makes a trial of a point, with its number, its stage and its slots."""
    method: str
    seed: int
    version: str = ""
    """Which state of our search proposed."""
    begun: Callable[[SearchPlan], SearchPlan] = _as_it_is
    """Puts what the search begins with into its plan; such a run has a version of its own."""

    def trials(self, count: int) -> list[TrialRecord]:
        """Return the first trials of the search, after making those that are not kept yet.

        Stages depend on how many trials there will be, so runs of ours are apart by that number.
        """
        path = self._path(count)
        path.parent.mkdir(parents=True, exist_ok=True)
        told = [as_trial(json.loads(line)) for line in path.read_text().splitlines()] if path.exists() else []
        plan = self.begun(plan_of(self.method, max(count, len(told))))
        suggester = Suggester(space=SPACE, plan=plan, seed=self.seed)
        with path.open("a", encoding="utf-8") as lines:
            while len(told) < count and (proposal := suggester.next(told)) is not None:
                told.append(self.tell(proposal.point, len(told), proposal.stage, proposal.slots))
                lines.write(json.dumps(as_values(told[-1])) + "\n")
                lines.flush()
        return told[:count]

    def _path(self, count: int) -> Path:
        parts = (self.plant, self.method, count if self.method == OURS else "", self.seed, self.version)
        name = "-".join(str(part) for part in parts if part != "")
        return self.folder / "runs" / f"{name.replace(', ', '-').replace(' ', '_')}.jsonl"


def as_values(trial: TrialRecord) -> dict[str, Any]:
    """Return a trial as JSON values."""
    return {
        "number": trial.number, "stage": trial.stage, "point": dict(trial.point), "value": trial.value,
        "standard_error": trial.standard_error, "infeasible": trial.infeasible, "slots": list(trial.slots),
    }  # fmt: skip


def as_trial(values: Mapping[str, Any]) -> TrialRecord:
    """Return the trial that ``as_values`` wrote."""
    known: dict[str, Any] = {**values, "slots": tuple(values["slots"])}
    return TrialRecord(**known)
