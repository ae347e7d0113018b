"""How studies stand in the text format of Prometheus, for monitoring that asks now and then.

Names and units follow its conventions: base units, ``_total`` for what only grows, a time as seconds since 1970. The
format: https://prometheus.io/docs/instrumenting/exposition_formats/ (version 0.0.4).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

from studies.status.status import StudyStatus, WatchedState

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""What an answer in this format is declared as."""
PREFIX = "recipe_search_"
"""What every name begins with."""
RESULTS = ("scored", "broken", "failed")
"""How a trial can end: with a score, with broken pictures, for another reason."""

Labels = Mapping[str, str]
Sample = tuple[Labels, float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """All samples of one name."""

    name: str
    kind: Literal["counter", "gauge"]
    about: str
    samples: tuple[Sample, ...]

    def lines(self) -> Iterator[str]:
        """Yield its lines; nothing where it has no sample."""
        known = [(labels, value) for labels, value in self.samples if value is not None]
        if known:
            yield f"# HELP {PREFIX}{self.name} {self.about}"
            yield f"# TYPE {PREFIX}{self.name} {self.kind}"
        for labels, value in known:
            inside = ",".join(f'{name}="{_escaped(text)}"' for name, text in labels.items())
            yield f"{PREFIX}{self.name}{{{inside}}} {value!r}"


def metrics_text(studies: Sequence[StudyStatus]) -> str:
    """Return how studies stand; of two of one name, the second is called ``name-2``."""
    named = dict[str, StudyStatus]()
    for study in studies:
        numbered = (f"{study.place.name}-{n}" if n > 1 else study.place.name for n in range(1, len(studies) + 1))
        named[next(name for name in numbered if name not in named)] = study
    return "".join(f"{line}\n" for metric in _metrics(named) for line in metric.lines())


def _metrics(studies: Mapping[str, StudyStatus]) -> Iterator[Metric]:
    yield Metric(
        name="study_state",
        kind="gauge",
        about="1 for the state that the study is in, 0 for all others.",
        samples=tuple(
            ({"study": name, "state": state}, int(study.state == state))
            for name, study in studies.items()
            for state in get_args(WatchedState)
        ),
    )
    yield Metric(
        name="trials_total",
        kind="counter",
        about="Trials that ended, by stage and result.",
        samples=tuple(
            ({"study": name, "stage": stage.stage, "result": result}, study.results.get((stage.stage, result), 0))
            for name, study in studies.items()
            for stage in study.stages
            for result in RESULTS
        ),
    )
    yield Metric(
        name="trials_planned",
        kind="gauge",
        about="The most trials of a stage.",
        samples=tuple(
            ({"study": name, "stage": stage.stage}, stage.planned)
            for name, study in studies.items()
            for stage in study.stages
        ),
    )
    for name, kind, about, value in SINGLE:
        samples = tuple(({"study": label}, value(study)) for label, study in studies.items())
        yield Metric(name=name, kind=kind, about=about, samples=samples)


def _seconds(at: datetime | None) -> float | None:
    return None if at is None else at.timestamp()


SINGLE: tuple[tuple[str, Literal["counter", "gauge"], str, Callable[[StudyStatus], float | None]], ...] = (
    ("trials_running", "gauge", "Trials in work.", lambda one: sum(work.trial is not None for work in one.workers)),
    ("pictures_total", "counter", "Pictures of trials that ended.", lambda one: one.pictures),
    ("best_score", "gauge", "The highest score; 0 is FLAT_50.", lambda one: one.best.score if one.best else None),
    ("workers", "gauge", "Workers that live.", lambda one: len(one.workers)),
    (
        "trial_interval_seconds",
        "gauge",
        "Mean time between the ends of the last trials.",
        lambda one: one.seconds_per_trial,
    ),
    ("last_trial_timestamp_seconds", "gauge", "When the last trial ended.", lambda one: _seconds(one.last_end)),
    ("done_timestamp_seconds", "gauge", "When the night is done at this pace.", lambda one: _seconds(one.done_at)),
    ("deadline_timestamp_seconds", "gauge", "When the night is to end.", lambda one: _seconds(one.deadline)),
    ("study_size_bytes", "gauge", "Size of the study's folder.", lambda one: one.size_bytes or None),
    ("study_problems", "gauge", "How many things of the study cannot be read.", lambda one: len(one.problems)),
)
"""The metrics that have one value a study: name, kind, meaning, value."""


def _escaped(text: str) -> str:
    return re.sub(r'[\\"\n]', lambda found: {"\\": r"\\", '"': r"\"", "\n": r"\n"}[found[0]], text)
