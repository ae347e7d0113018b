"""The plan of a search: which stages it has, at most how many trials each, and how a stage stands."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from engine.errors import Problems, counted
from search.errors import SearchError
from search.history import TrialRecord

Stage = Literal["flat", "groups", "blocks", "self", "adjust", "refine"]
"""One part of a search, which moves knobs of some kinds."""
STAGES: tuple[Stage, ...] = ("flat", "groups", "blocks", "self", "adjust", "refine")
"""All stages, in the order of a search."""
SINGLE: tuple[Stage, ...] = ("blocks", "self", "adjust")
"""The stages that move knobs one by one, each of them knobs of other kinds."""
FLAT_RATIOS = (0.0, 1.0, 0.25, 0.5, 0.75)
"""A, B and the three FLAT mixes of a first X/Y/Z plot."""

SURROGATE = "surrogate"
"""The sampler that proposes from our own surrogate model."""
SAMPLERS = (SURROGATE, "gp", "tpe", "cmaes", "nsga2", "qmc", "random")
"""Our own surrogate model, then Optuna's and `cmaes`' optimisers by their usual names."""
FORMER_SAMPLERS: Mapping[str, str] = {"hill": SURROGATE}
"""Names that samplers had in earlier study files, with those of today."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InitialRecipe:
    """A labelled point to begin with: a FLAT mix, a preset, a recipe that somebody made."""

    label: str
    point: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierStudy:
    """A finished study of the same models or of siblings, which guides a new one: see `search.transfer`."""

    label: str
    """What messages call it."""
    trials: tuple[TrialRecord, ...]
    """Its trials, as points of the new study's space."""

    def __hash__(self) -> int:
        """Return a hash without the trials, which would take longest."""
        return hash((self.label, len(self.trials)))


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchPlan:
    """At most how many trials each stage gets, and what ends it earlier.

    The defaults were measured on made-up landscapes (`tests/benchmarks/search/bench_search.py`, figures in `RESULTS.md`
    beside it).

    Raises:
        SearchError: negative counts, an unknown sampler, a tolerance that is no number.
    """

    groups: int = 10
    """Trials with one ratio per group."""
    blocks: int = 60
    """Trials with one ratio per block."""
    self_mode: int = 16
    """Trials with the multipliers, on the best blocks so far."""
    adjust: int = 16
    """Trials with the Adjust values, on the best recipe so far."""
    refine: int = 20
    """Trials with all knobs that matter."""
    flat: tuple[float, ...] = FLAT_RATIOS
    """Ratios of stage `flat`."""
    line: int = 3
    """FLAT mixes more, where the posterior mean of the first ones is highest."""
    calibration: int = 0
    """Random recipes round FLAT_50 after the flat ones, to calibrate scorers with."""
    beginnings: tuple[InitialRecipe, ...] = ()
    """Recipes to try in stage `flat`: presets, or where somebody else's search ended."""
    start: InitialRecipe | None = None
    """Where the stage after `flat` starts, whatever `flat` found; tried in `flat` too."""
    earlier: EarlierStudy | None = None
    """A finished study whose trials guide the surrogate."""
    patience: int = 24
    """A stage ends when so many trials have not made the recommended recipe better; 0: it uses all its trials."""
    gain: float = 0.1
    """What counts as better, in standard errors of a trial, or standard deviations of its noise where that is more."""
    sampler: str = SURROGATE
    """Who proposes, one of `SAMPLERS` or a former name; recommendations come from the surrogate in any case."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Options of the sampler, as Optuna or `cmaes` names them."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "sampler", sampler_of_today(self.sampler))
        counts = {
            "groups": self.groups, "blocks": self.blocks, "self_mode": self.self_mode, "adjust": self.adjust,
            "refine": self.refine, "line": self.line, "calibration": self.calibration, "patience": self.patience,
        }  # fmt: skip
        problems = Problems()
        for name, count in counts.items():
            if count < 0:
                problems.add((), f"{name} = {count} is negative", "0 leaves it out")
        for ratio in self.flat:
            if not 0 <= ratio <= 1:
                problems.add((), f"flat ratio {ratio:g} is outside 0..1")
        if not 0 <= self.gain < 100:
            problems.add((), f"gain = {self.gain:g} is outside 0..100")
        if self.sampler not in SAMPLERS:
            problems.add((), f"there is no sampler {self.sampler!r}", f"write one of {', '.join(SAMPLERS)}")
        if self.sampler == SURROGATE and self.options:
            problems.add((), f"sampler {SURROGATE} takes no options ({', '.join(self.options)})", "leave them out")
        problems.raise_as(SearchError, "the plan")

    def trials(self, stage: Stage) -> int:
        """Return the most trials of a stage, before points that fall together are dropped."""
        first = len(self.flat) + self.calibration + len(self.initial_recipes) + self.line
        return (first, self.groups, self.blocks, self.self_mode, self.adjust, self.refine)[STAGES.index(stage)]

    @property
    def initial_recipes(self) -> tuple[InitialRecipe, ...]:
        """All recipes to try in stage `flat` beside the FLAT mixes."""
        return self.beginnings + ((self.start,) if self.start else ())

    def just(self, stages: Collection[Stage]) -> SearchPlan:
        """Return the plan with no trials but those of some stages, and of `flat`, which all others build on."""
        return replace(
            self,
            groups=self.groups if "groups" in stages else 0,
            blocks=self.blocks if "blocks" in stages else 0,
            self_mode=self.self_mode if "self" in stages else 0,
            adjust=self.adjust if "adjust" in stages else 0,
            refine=self.refine if "refine" in stages else 0,
        )


def sampler_of_today(name: str) -> str:
    """Return a sampler's name of today, for one that an earlier study file may have."""
    return FORMER_SAMPLERS.get(name, name)


def flat_label(ratio: float) -> str:
    """Return the name a merger gives a flat ratio: A, B or FLAT_25."""
    return {0.0: "A", 1.0: "B"}.get(ratio, mix_label(ratio))


def mix_label(ratio: float) -> str:
    """Return the name of a mix at a flat ratio, FLAT_25, also where it is a model alone."""
    return f"FLAT_{100 * ratio:02g}"


Status = Literal["open", "skipped", "used up", "exhausted", "converged", "no effect", "constant"]
"""Whether a stage is over, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageStatus:
    """How a stage stands: its trials so far, whether it is over and why; as text, for people."""

    stage: Stage
    trials: int
    status: Status

    @property
    def is_open(self) -> bool:
        """Whether the stage goes on."""
        return self.status == "open"

    @property
    def is_without_effect(self) -> bool:
        """Whether nothing that the stage moves makes a difference."""
        return self.status in ("no effect", "constant")

    def __str__(self) -> str:
        return f"{self.stage}: {counted(self.trials, 'trial')}, {_IN_WORDS[self.status]}"


_IN_WORDS: dict[Status, str] = {
    "open": "not over yet",
    "skipped": "left out",
    "used up": "all that were planned",
    "exhausted": "over: every recipe that the steps of its knobs allow was tried",
    "converged": "over: the last ones no longer made the recommended recipe better",
    "no effect": "over: what it moves has no effect that stands out from the noise",
    "constant": "over: every FLAT mix has the same value, as if both models were one",
}
