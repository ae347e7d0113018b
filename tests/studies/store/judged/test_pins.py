"""Pins are written once and never change."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from pathlib import Path

import pytest

from engine.recipes.recipe import Recipe
from studies.errors import StudyError
from studies.store.judged.pins import Pin, latest_pin, pin_recipe, read_pins

MODELS = {"A": "aa" * 32, "B": "bb" * 32}


def pinned(folder: Path, ratio: float, note: str = "clean lines, soft ground") -> Pin:
    return pin_recipe(folder, Recipe.flat(ratio), source="finalist 1", models=MODELS, note=note, by="tofu")


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


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


def test_a_pin_that_could_not_be_written_leaves_the_others_readable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = pinned(tmp_path, 0.35)
    with monkeypatch.context() as patched:
        patched.setattr("os.fsync", full)
        with pytest.raises(OSError, match="No space left"):
            pinned(tmp_path, 0.5)
    assert read_pins(tmp_path) == [first]
    assert [path.suffix for path in (tmp_path / "pins").iterdir()] == [".json"]
    assert pinned(tmp_path, 0.5).number == 2


def test_what_a_power_cut_left_is_no_pin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = pinned(tmp_path, 0.35)
    monkeypatch.setattr("os.fsync", full)
    monkeypatch.setattr(Path, "unlink", lambda *_, **__: None)  # nobody tidied up
    with pytest.raises(OSError, match="No space left"):
        pinned(tmp_path, 0.5)
    assert len(list((tmp_path / "pins").iterdir())) == 2
    assert read_pins(tmp_path) == [first]


def test_a_number_that_another_process_took_is_told(tmp_path: Path) -> None:
    """Both counted the pins before either wrote: here the other's file is hidden while this one counts."""
    pinned(tmp_path, 0.35)
    (taken,) = (tmp_path / "pins").iterdir()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Path, "glob", lambda *_: iter(()))
        with pytest.raises(StudyError, match="another process approved this recipe at the same moment; approve again"):
            pinned(tmp_path, 0.35, note="too late")
    assert [path.name for path in (tmp_path / "pins").iterdir()] == [taken.name]
    assert read_pins(tmp_path)[0].note == "clean lines, soft ground"


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
    with pytest.raises(StudyError, match="there is no pin 7; the pins of this study: 1"):
        latest_pin(tmp_path, 7)


def test_pins_of_earlier_versions_say_nothing_of_a_vae_and_are_read(tmp_path: Path) -> None:
    (tmp_path / "pins").mkdir()
    recipe = Recipe.flat(0.25)
    fields = {
        "number": 1,
        "source": "finalist 1",
        "recipe": recipe.text,
        "recipe_key": recipe.key,
        "models": MODELS,
        "by": "tofu",
        "at": "2025-11-20T08:00:00+00:00",
        "note": "soft",
    }
    digest = hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()
    (tmp_path / "pins" / "001-old.json").write_text(json.dumps(fields | {"digest": digest}))
    (old,) = read_pins(tmp_path)
    assert (old.vae, old.vae_sha256, old.note) == ("", "", "soft")
    new = pin_recipe(tmp_path, recipe, source="trial 3", models=MODELS, note="", vae="x.pt", vae_sha256="ab")
    assert read_pins(tmp_path)[1] == new
    path = next((tmp_path / "pins").glob("002-*.json"))
    path.write_text(path.read_text().replace('"x.pt"', '"y.pt"'))
    with pytest.raises(StudyError, match="was changed after it was approved"):
        read_pins(tmp_path)


def test_a_pipe_among_pins_is_not_waited_for(tmp_path: Path) -> None:
    pinned(tmp_path, 0.35)
    os.mkfifo(tmp_path / "pins" / "0099.json")
    with pytest.raises(StudyError, match=r"0099\.json: cannot be read \(this is a pipe, not a file\)"):
        read_pins(tmp_path)


def test_a_note_that_is_no_text_is_refused_and_nothing_is_left(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="the note of an approval has bytes that are no text"):
        pinned(tmp_path, 0.35, note="\udcff")
    assert not (tmp_path / "pins").exists()
