"""The course of a search: every trial's score, and what the model expected of its best recipe so far.

The running maximum is not drawn: it only rises, and much of it is luck.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby, pairwise

from markupsafe import Markup

from search.importance import CoursePoint
from studies.pages.charts.plot import LINE, PlotFrame, drawing, number_text
from studies.pages.reading.trials import ShownTrial

WIDTHS = {"wide": 760, "narrow": 360}
"""Widths of the drawing for screens and for phones, of which a page shows one; by the class that says which."""
HEIGHT = 260
WIDEST = 3.0
"""How far below the lowest tenth of the scores the axis goes at most, in spans from that to the highest."""
LETTER = 7
"""About the width of a letter."""


def course_chart(
    trials: Sequence[ShownTrial], course: Sequence[CoursePoint], stage_names: Mapping[str, str], label: str
) -> Markup:
    """Return the chart, wide and narrow.

    Args:
        trials: with a score, by number; at least one.
        course: what the model expected, by trial; may be empty.
        stage_names: by stage, for people.
        label: what it shows, in words.
    """
    return Markup("").join(
        _drawn(trials, course, stage_names, f"{label}. {_numbers(trials, course)}", name, width)
        for name, width in WIDTHS.items()
    )


def score_of(trial: ShownTrial) -> float:
    """Return the score of a trial that has one."""
    return trial.score or 0.0


def lowest_shown(trials: Sequence[ShownTrial]) -> float:
    """Return the score below which dots are drawn at the lower edge, so that a few very bad ones do not flatten all."""
    scores = sorted(score_of(trial) for trial in trials)
    tenth = scores[len(scores) // 10]
    return max(scores[0], tenth - WIDEST * (scores[-1] - tenth)) if scores[-1] > tenth else scores[0]


def _numbers(trials: Sequence[ShownTrial], course: Sequence[CoursePoint]) -> str:
    scores = [score_of(trial) for trial in trials]
    texts = [f"{len(trials)}: {number_text(min(scores))} … {number_text(max(scores))}"]
    return "; ".join(texts + [f"{one.trial}: {number_text(one.expected)}" for one in course])


def _drawn(
    trials: Sequence[ShownTrial],
    course: Sequence[CoursePoint],
    stage_names: Mapping[str, str],
    label: str,
    name: str,
    width: int,
) -> Markup:
    frame = _frame(trials, course, width)
    parts = [frame.axes(), _stages(trials, stage_names, frame)]
    for stage in dict.fromkeys(trial.stage for trial in trials):
        own = [trial for trial in trials if trial.stage == stage]
        parts.append(frame.dots(((one.number, score_of(one)) for one in own), f"dots stage-{stage}"))
    if course:
        lower = [(one.trial, one.expected - 2 * one.deviation) for one in course]
        upper = [(one.trial, one.expected + 2 * one.deviation) for one in course]
        parts += [frame.band(lower, upper), frame.line([(one.trial, one.expected) for one in course], "expected")]
    return drawing(width, HEIGHT, Markup("").join(parts), label, f"course {name}")


def _frame(trials: Sequence[ShownTrial], course: Sequence[CoursePoint], width: int) -> PlotFrame:
    low = min([lowest_shown(trials), *(one.expected for one in course)])
    high = max([*(score_of(trial) for trial in trials), *(one.expected for one in course)])
    room = 0.05 * (high - low) or 1.0
    last = max(trial.number for trial in trials)
    return PlotFrame(
        width=width, height=HEIGHT, x=(0, max(last, 1)), y=(low - room, high + room), top=LINE + 10, right=10
    )


def _stages(trials: Sequence[ShownTrial], stage_names: Mapping[str, str], frame: PlotFrame) -> Markup:
    """Where the stages begin, with their names where there is room."""
    runs = [(stage, list(own)) for stage, own in groupby(trials, key=lambda trial: trial.stage)]
    starts = [frame.across(own[0].number) for _, own in runs]
    ends = [*starts[1:], float(frame.width)]
    texts = [
        Markup('<text class="start" x="{x:.1f}" y="{y}">{name}</text>').format(
            x=start + 3, y=LINE, name=stage_names.get(stage, stage)
        )
        for (stage, _), start, end in zip(runs, starts, ends, strict=True)
        if end - start > LETTER * len(stage_names.get(stage, stage)) + 6
    ]
    lines = [
        Markup('<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="4" y2="{end}"/>').format(
            x=start, end=frame.height - frame.bottom
        )
        for before, start in pairwise(starts)
        if start - before > 2
    ]
    return Markup("").join([*lines, *texts])
