"""Searches of made-up landscapes in a file, one line each, so that a run goes on where it was stopped.

What a search is worth is worked out when it is read: all methods' trials are judged by the recommendation rule of
today, whenever they were made.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from search.history import Point, TrialRecord, mean_point, top
from search.plan import SURROGATE, SearchPlan
from search.suggester import Suggester
from tests.benchmarks.search.unseen import BLOCK_COUNT, UnseenLandscape, UnseenVariant

TEN = 10
"""Of how many of the best trials the mean is compared."""
STAGED = "ours staged"
"""Our search in the stages of a study, which move blocks, multipliers and Adjust values one after another."""
METHODS: dict[str, str] = {
    "ours": SURROGATE,
    STAGED: SURROGATE,
    "GP": "gp",
    "CMA-ES": "cmaes",
    "TPE": "tpe",
    "random": "random",
}
"""The samplers by the names of the tables; all begin with the same FLAT mixes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchKey:
    """Which search."""

    method: str
    variant: UnseenVariant
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchRun:
    """A search and its trials."""

    key: SearchKey
    trials: tuple[TrialRecord, ...]
    seconds: float = 0.0
    """Processor time of all proposals."""

    @property
    def line(self) -> str:
        """As the file has it."""
        key, names = self.key, [knob.name for knob in UnseenLandscape(self.key.seed, self.key.variant).space.free]
        return json.dumps(
            {
                "method": key.method, "kind": key.variant.kind, "knobs": key.variant.knobs,
                "noise": key.variant.noise, "seed": key.seed, "seconds": round(self.seconds, 3),
                "trials": [[one.stage, one.value, [one.point[name] for name in names]] for one in self.trials],
            }
        )  # fmt: skip

    @classmethod
    def of_line(cls, line: str) -> SearchRun:
        """Return the search that a line of the file holds."""
        held = json.loads(line)
        variant = UnseenVariant(kind=held["kind"], knobs=held["knobs"], noise=held["noise"])
        key = SearchKey(method=held["method"], variant=variant, seed=held["seed"])
        names = [knob.name for knob in UnseenLandscape(key.seed, variant).space.free]
        records = [
            _record(n, stage, dict(zip(names, numbers, strict=True)), value, variant)
            for n, (stage, value, numbers) in enumerate(held["trials"])
        ]
        return cls(key=key, trials=tuple(records), seconds=held["seconds"])


def _record(number: int, stage: str, point: Point, value: float | None, variant: UnseenVariant) -> TrialRecord:
    error = None if value is None else variant.noise
    return TrialRecord(
        number=number, stage=stage, point=point, value=value, standard_error=error, infeasible=value is None
    )


def plan_of(method: str, knobs: int, trials: int) -> SearchPlan:
    """Return a plan that uses all trials: all knobs at once where there are Self and Adjust, but for the staged one."""
    sampler = METHODS[method]
    if method == STAGED:
        return _staged(trials)
    if knobs > BLOCK_COUNT:
        return SearchPlan(groups=0, blocks=0, self_mode=0, adjust=0, refine=trials, patience=0, sampler=sampler)
    groups = 10 if sampler == SURROGATE else 0
    return SearchPlan(groups=groups, blocks=trials, self_mode=0, adjust=0, refine=0, patience=0, sampler=sampler)


def _staged(trials: int) -> SearchPlan:
    """Return the usual plan, every stage as many times longer as there are more trials; the last takes what is left."""
    usual = SearchPlan()
    flat, others = usual.trials("flat"), (usual.groups, usual.blocks, usual.self_mode, usual.adjust)
    groups, blocks, self_mode, adjust = (
        round(count * (trials - flat) / (sum(others) + usual.refine)) for count in others
    )
    counts = {"groups": groups, "blocks": blocks, "self_mode": self_mode, "adjust": adjust, "refine": trials}
    return replace(usual, **counts, patience=0)


def suggester_of(key: SearchKey, trials: int, landscape: UnseenLandscape) -> Suggester:
    """Return who proposes."""
    return Suggester(space=landscape.space, plan=plan_of(key.method, key.variant.knobs, trials), seed=key.seed)


def gone_on(run: SearchRun, trials: int) -> SearchRun:
    """Return a search with so many trials, the first ones being those that it has."""
    landscape = UnseenLandscape(run.key.seed, run.key.variant)
    suggester, told, began = suggester_of(run.key, trials, landscape), list(run.trials), time.process_time()
    while len(told) < trials and (proposal := suggester.next(told)) is not None:
        value = landscape.observed(proposal.point, len(told))
        told.append(_record(len(told), proposal.stage, proposal.point, value, run.key.variant))
    return SearchRun(key=run.key, trials=tuple(told), seconds=run.seconds + time.process_time() - began)


class RunFile:
    """A file with a line for every search; the last one of a key counts, and a torn last line does not."""

    def __init__(self, path: Path) -> None:
        """Read what is there."""
        self.path = path
        self.runs: dict[SearchKey, SearchRun] = {run.key: run for run in self._lines()}

    def _lines(self) -> Iterator[SearchRun]:
        if not self.path.exists():
            return
        for line in self.path.read_bytes().splitlines(keepends=True):
            if line.endswith(b"\n"):
                yield SearchRun.of_line(line.decode())

    def make(self, keys: Iterable[SearchKey], trials: int, after: Callable[[SearchRun], None]) -> None:
        """Make every search that is not there yet, or is shorter, and add it to the file as soon as it has ended.

        Args:
            keys: which searches.
            trials: how long each is.
            after: is called with each new one.
        """
        for key in keys:
            known = self.runs.get(key, SearchRun(key=key, trials=()))
            if key.method == STAGED and len(known.trials) < trials:
                known = SearchRun(key=key, trials=())  # a longer plan is another search
            if len(known.trials) < trials:
                self.add(gone_on(known, trials))
                after(self.runs[key])

    def add(self, run: SearchRun) -> None:
        """Add a search; what a kill left of a line is cut off first."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab+") as file:
            file.seek(0)
            file.truncate(file.read().rfind(b"\n") + 1)
            file.write(run.line.encode() + b"\n")
        self.runs[run.key] = run


@dataclass(frozen=True, slots=True, kw_only=True)
class Regrets:
    """Regrets in percent of what a user might pick after so many trials of a search."""

    recommended: float
    best_flat: float
    """Of the FLAT mix with the highest value."""
    ten_best: float
    """Of the mean of the ten best trials."""
    best_trial: float
    broken: float
    """Part of the trials whose pictures were broken."""


def regrets(run: SearchRun, count: int) -> Regrets:
    """Judge the first trials of a search; our model of them recommends, whoever proposed them."""
    landscape = UnseenLandscape(run.key.seed, run.key.variant)
    told = run.trials[:count]
    ours = replace(run.key, method=STAGED if run.key.method == STAGED else "ours")
    recommended = suggester_of(ours, len(run.trials), landscape).recommended(told)
    flat = [one for one in told if landscape.space.is_flat(one.point)]
    return Regrets(
        recommended=landscape.regret(recommended),
        best_flat=_regret_of_mean(landscape, top(flat, 1)),
        ten_best=_regret_of_mean(landscape, top(told, TEN)),
        best_trial=_regret_of_mean(landscape, top(told, 1)),
        broken=sum(one.infeasible for one in told) / len(told),
    )


def _regret_of_mean(landscape: UnseenLandscape, trials: Sequence[TrialRecord]) -> float:
    return landscape.regret(mean_point([one.point for one in trials])) if trials else 100.0
