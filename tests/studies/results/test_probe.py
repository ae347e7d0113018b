"""The file of a probe's result: written and read again, and refused where it is damaged."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from studies.errors import StudyError
from studies.results.probe import (
    ONE,
    SCREEN,
    EffectColumn,
    KnobEffect,
    ProbeBase,
    ProbedKnob,
    ProbedModel,
    ProbedRecipe,
    ProbedShot,
    ProbeResult,
    ProbeRun,
    probe_file,
    read_probe,
    write_probe,
)

BLANK = KnobEffect(
    knob="IN03", column="pixels", method=ONE, low=1.5, high=2.5, effect=3.5, standard_error=0.25, ratio=0.4, p=0.001,
    clear=True,
)  # fmt: skip
RESULT = ProbeResult(
    study="demo",
    family="sd1",
    models=(ProbedModel(letter="A", name="a.safetensors", sha256="ab" * 32),),
    base=ProbeBase(label="FLAT_50", recipe="WS(A, B) 0.5"),
    knobs=(
        ProbedKnob(name="IN03", kind="block", block="IN03", element="", group="IN_EARLY", low=0.0, base=0.5, high=1.0),
        ProbedKnob(
            name="self:OUT05:attn1", kind="self", block="OUT05", element="attn1", group="", low=0.8, base=1.0, high=1.2
        ),
    ),
    columns=(EffectColumn(name="pixels", unit="8-bit steps", signed=False, seeds=40.0, floor={ONE: 0.5}),),
    effects=(
        BLANK,
        replace(BLANK, knob="self:OUT05:attn1", effect=-7.0, clear=False),
        replace(BLANK, method=SCREEN, low=None, high=None, effect=None, standard_error=None, ratio=None, p=None),
    ),
    shots=(ProbedShot(prompt="a cat", seed=3),),
    runs=(ProbeRun(method=ONE, recipes=5, shots=1, pictures=5),),
    recipes=(ProbedRecipe(label="IN03 = 0", recipe="WS(A, B) 0.5", vae="", value=-0.5, standard_error=None),),
    strips={"IN03": "IN03.png"},
    level=0.05,
    drawn=5,
    seconds=1.5,
    broken=("IN03 = 1: black",),
    remarks=("no references",),
)


def test_a_result_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert read_probe(tmp_path) is None
    path = write_probe(tmp_path, RESULT)
    assert path == probe_file(tmp_path)
    assert read_probe(tmp_path) == RESULT


FIRST_ENTRIES = ('"knob":', '"label":', '"name":', '"letter":', '"prompt":', '"method":', '"recipe":')


def test_what_a_later_version_adds_is_left_aside(tmp_path: Path) -> None:
    path = write_probe(tmp_path, RESULT)
    for first in FIRST_ENTRIES:
        path.write_text(path.read_text(encoding="utf-8").replace(first, f'"later": 1, {first}'), encoding="utf-8")
    assert read_probe(tmp_path) == RESULT


def test_effects_are_found_and_ranked() -> None:
    assert RESULT.effect("IN03", "pixels", ONE) == BLANK
    assert RESULT.effect("IN03", "style", ONE) is None
    assert [one.knob for one in RESULT.ranked("pixels", ONE)] == ["self:OUT05:attn1", "IN03"]
    assert RESULT.ranked("pixels", SCREEN) == ()
    assert RESULT.knob("self:OUT05:attn1").label == "OUT05:attn1"


def test_a_damaged_result_is_told_with_the_way_out(tmp_path: Path) -> None:
    path = write_probe(tmp_path, RESULT)
    path.write_text(path.read_text(encoding="utf-8").replace('"seed": 3', '"seed": "x"'), encoding="utf-8")
    with pytest.raises(StudyError, match=r"recipe-search probe"):
        read_probe(tmp_path)
