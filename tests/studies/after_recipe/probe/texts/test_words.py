"""A probe's result in words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from studies.after_recipe.probe.texts.words import agreement, legend_lines, matrix_lines, sentences
from studies.results.probe import (
    ONE,
    SCREEN,
    EffectColumn,
    KnobEffect,
    ProbeBase,
    ProbedKnob,
    ProbedShot,
    ProbeMethod,
    ProbeResult,
    ProbeRun,
)

KNOBS = tuple(
    ProbedKnob(name=name, kind="block", block=name, element="", group="", low=0, base=0.5, high=1)
    for name in ("IN00", "IN01", "OUT05", "OUT11")
)
CONT = ProbedKnob(name="adjust:CONT", kind="adjust", block="", element="CONT", group="", low=-5, base=0, high=5)


def effect(knob: str, column: str, value: float | None, method: ProbeMethod = ONE, *, clear: bool = True) -> KnobEffect:
    ratio = None if value is None else abs(value) / 10
    return KnobEffect(
        knob=knob, column=column, method=method, low=None, high=None, effect=value, standard_error=0.1, ratio=ratio,
        p=0.01, clear=clear,
    )  # fmt: skip


RESULT = ProbeResult(
    study="demo",
    family="sd1",
    models=(),
    base=ProbeBase(label="FLAT_50", recipe=""),
    knobs=(*KNOBS, CONT),
    columns=(
        EffectColumn(name="pixels", unit="8-bit steps", signed=False, seeds=10.0, floor={}),
        EffectColumn(name="contrast", unit="8-bit steps", signed=True, seeds=10.0, floor={}),
        EffectColumn(name="style", unit="objective", signed=True, seeds=None, floor={}),
    ),
    effects=(
        effect("IN00", "pixels", 4.0),
        effect("IN01", "pixels", 8.0),
        effect("OUT05", "pixels", 6.0),
        effect("OUT11", "pixels", 0.0, clear=False),
        effect("adjust:CONT", "pixels", 12.0),
        effect("IN01", "contrast", -3.0),
        effect("OUT05", "contrast", 2.0),
        effect("IN00", "contrast", 2.5, clear=False),
        effect("IN00", "style", None, clear=False),
        *(effect(knob.name, "pixels", float(number), SCREEN) for number, knob in enumerate((*KNOBS, CONT))),
    ),
    shots=tuple(ProbedShot(prompt="a cat", seed=seed) for seed in range(8)),
    runs=tuple(ProbeRun(method=method, recipes=12, shots=8, pictures=96) for method in (ONE, SCREEN)),
    recipes=(),
    strips={},
    level=0.05,
    drawn=0,
    seconds=0.0,
)


def test_the_matrix_has_a_row_for_every_knob_and_marks_noise_with_a_dot() -> None:
    head, *rows, seeds = [line.split() for line in matrix_lines(RESULT, ONE, 80)]
    assert head == ["pixels", "contrast", "style"]
    assert rows == [
        ["IN00", "0.40", "·", "?"],
        ["IN01", "0.80", "-0.30", "?"],
        ["OUT05", "0.60", "0.20", "?"],
        ["OUT11", "·", "?", "?"],
        ["CONT", "1.20", "?", "?"],
    ]
    assert seeds == ["seeds", "10", "10", "?"]


@pytest.mark.parametrize(("room", "parts"), [(120, 1), (80, 2), (60, 2), (40, 4)])
def test_a_matrix_that_is_wider_than_the_terminal_goes_on_below(room: int, parts: int) -> None:
    names = ("pixels", "style", "fidelity", "colour", "warmth", "saturation", "contrast", "brightness", "detail")
    columns = [EffectColumn(name=name, unit="", signed=True, seeds=123.4, floor={}) for name in (*names, "composition")]
    lines = matrix_lines(replace(RESULT, columns=tuple(columns)), ONE, room)
    assert max(map(len, lines)) <= room
    assert [line.split()[0] for line in lines].count("IN00") == parts
    heads = " ".join(line for line in lines if line.startswith(" ")).split()
    assert heads == [*names[:5], "satur.", "contrast", "bright.", "detail", "compos."]


def test_the_strongest_knobs_are_named_in_sentences() -> None:
    assert sentences(RESULT, ONE) == [
        "IN01 moves pixels most: 8 8-bit steps (0.8 times the noise of seeds); then OUT05 (6), IN00 (4)",
        "IN01 moves contrast most: -3 8-bit steps (lowers contrast, 0.3 times the noise of seeds); then OUT05 (+2)",
        "no block is told from noise with 8 shots in style",
        "CONT moves pixels most: 12 8-bit steps (1.2 times the noise of seeds)",
        "no multiplier or Adjust value is told from noise with 8 shots in contrast, style",
        "no pixel changes with OUT11: the models are the same there",
    ]


def test_the_legend_says_what_numbers_dots_and_the_last_row_are() -> None:
    first, second, third = legend_lines(RESULT, ONE)
    assert first.startswith("one at a time: ")
    assert "FLAT_50; 8 shots" in first
    assert "· is not told from noise" in second
    assert third.endswith("in 8-bit steps, style in objective")
    assert "on average" in legend_lines(RESULT, SCREEN)[0]


def test_the_methods_are_compared_by_rank() -> None:
    text = agreement(RESULT)
    assert text.startswith("rank correlation of the two ways to measure: pixels 0.3")
    assert "contrast" not in text
    assert agreement(replace(RESULT, runs=RESULT.runs[:1])) == ""
