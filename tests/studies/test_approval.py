"""Pins are written once and never change."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.recipe import Recipe
from studies.approval import Pin, latest_pin, pin_recipe, read_pins
from studies.errors import StudyError

MODELS = {"A": "aa" * 32, "B": "bb" * 32}


def pinned(folder: Path, ratio: float, note: str = "clean lines, soft ground") -> Pin:
    return pin_recipe(folder, Recipe.flat(ratio), source="finalist 1", models=MODELS, note=note, by="tofu")


def test_a_pin_says_who_when_why_and_what(tmp_path: Path) -> None:
    pinned(tmp_path, 0.35)
    (pin,) = read_pins(tmp_path)
    assert (pin.number, pin.by, pin.note, pin.source) == (1, "tofu", "clean lines, soft ground", "finalist 1")
    assert pin.at.endswith("+00:00")
    assert Recipe.parse(pin.recipe) == Recipe.flat(0.35)
    assert pin.recipe_key == Recipe.flat(0.35).key
    assert pin.models == MODELS


def test_a_second_pin_leaves_the_first_as_it_is(tmp_path: Path) -> None:
    first = pinned(tmp_path, 0.35)
    second = pinned(tmp_path, 0.35, note="again")
    assert read_pins(tmp_path) == [first, second]
    assert latest_pin(tmp_path) == second
    assert latest_pin(tmp_path, 1) == first


def test_a_changed_pin_is_noticed(tmp_path: Path) -> None:
    pinned(tmp_path, 0.35)
    (path,) = (tmp_path / "pins").iterdir()
    fields = json.loads(path.read_text())
    path.write_text(json.dumps(fields | {"recipe": Recipe.flat(0.5).text}))
    with pytest.raises(StudyError, match="changed after it was approved"):
        read_pins(tmp_path)


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"digest": "0"}'])
def test_a_damaged_pin_names_its_file(tmp_path: Path, content: str) -> None:
    pinned(tmp_path, 0.35)
    (path,) = (tmp_path / "pins").iterdir()
    path.write_text(content)
    with pytest.raises(StudyError, match=path.name):
        read_pins(tmp_path)


def test_missing_pins_name_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="recipe-search approve"):
        latest_pin(tmp_path)
    pinned(tmp_path, 0.35)
    with pytest.raises(StudyError, match="no pin 7; there are 1"):
        latest_pin(tmp_path, 7)
