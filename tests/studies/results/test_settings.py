"""What the search for settings finds: its words, and its files."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from engine.errors import RenderError
from engine.shots.hires import Hires
from engine.shots.infotext import infotext
from engine.shots.shot import Shot
from studies.errors import StudyError
from studies.results.settings import (
    LookBack,
    PictureSettings,
    SettingsDifference,
    SettingsResult,
    SettingsStep,
    TriedValue,
)
from studies.results.settings_file import all_settings, read_settings, result_folder, write_settings

START = PictureSettings(
    sampler="DPM++ 2M", schedule="Karras", vae="merged", cfg=7.0, steps=20, clip_skip=2, width=512, height=768
)
WITH_HIRES = replace(START, hires=Hires(upscaler="Lanczos", resize=(1024, 0), denoise=0.4, cfg=5.0), eta=0.5)
WORSE = SettingsDifference(mean=-0.5, low=-0.8, high=-0.2, pictures=16)


def tried(label: str, state: str, **fields: object) -> TriedValue:
    return replace(TriedValue(label=label, settings=START, state="open", cost=20.0, pictures=16), state=state, **fields)  # pyright: ignore[reportArgumentType]


@pytest.fixture
def step() -> SettingsStep:
    return SettingsStep(
        axis="Steps",
        values=(
            tried("20", "best", is_start=True, cost=22.0, seconds=1.25),
            tried("10", "worse", against_best=WORSE, against_start=WORSE, cost=12.0),
            tried("15", "equal", against_best=replace(WORSE, mean=0.0, low=-0.1, high=0.1), cost=16.5, chosen=True),
            TriedValue(label="1", settings=None, state="skipped", reason="UniPC needs at least 3"),
        ),
        confidence=0.98,
        most_pictures=32,
        asked=True,
    )


@pytest.fixture
def result(step: SettingsStep) -> SettingsResult:
    return SettingsResult(
        study="cats",
        subject="pin 1",
        subject_key="0123456789ab",
        recipe="recipe",
        start=WITH_HIRES,
        final=replace(START, steps=15),
        steps=(step,),
        joint=(tried("all", "best", settings=WITH_HIRES, shortfall=0.125),),
        look_back=(LookBack(step=step, holds=False),),
        margin=0.1,
        pictures=48,
        rendered=40,
        shots="24 of the proof",
        notes=("a note",),
        finished=True,
    )


def test_a_card_and_the_webuis_text_write_a_value_alike() -> None:
    finely = replace(WITH_HIRES, cfg=7.1234567, hires=Hires(upscaler="Lanczos", scale=1.7654321, denoise=0.33333333))
    text = infotext(finely.applied_to(Shot(prompt="a cat", seed=1)), model="m")
    for name, value in finely.rows.items():
        if name not in {"VAE", "Hires steps"}:  # a file's name stands where one is named, and no steps are left out
            assert f", {name}: {value}, " in f", {text.partition(chr(10))[2]}, "
    assert finely.rows["CFG scale"] == finely.texts["CFG Scale"] == "7.1234567"
    assert START.rows["CFG scale"] == "7"


def test_a_result_is_written_and_read(result: SettingsResult, tmp_path: Path) -> None:
    path = write_settings(tmp_path, result)
    assert path == tmp_path / "settings" / "0123456789ab" / "result.json"
    assert read_settings(tmp_path, result.subject_key) == result


def test_what_a_later_version_adds_is_passed_over(result: SettingsResult, tmp_path: Path) -> None:
    path = write_settings(tmp_path, result)
    row = json.loads(path.read_text())
    row |= {"later": 1}
    row["steps"][0]["values"][0]["later"] = {}
    path.write_text(json.dumps(row))
    assert read_settings(tmp_path, result.subject_key) == result


def test_no_result_is_a_sentence_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"no recommended settings yet; `recipe-search settings` finds them"):
        read_settings(tmp_path, "0123456789ab")
    assert all_settings(tmp_path) == []


@pytest.mark.parametrize(
    ("keys", "value", "where"),
    [
        (("mode",), "guess", "mode"),
        (("steps", 0, "values", 1, "state"), "fine", "state"),
        (("final", "steps"), "20", "final.steps"),
        (("final", "steps"), 0, "steps"),
        (("start", "hires", "denoise"), 7.0, "denoise"),
        (("start", "hires", "resize"), [1, 2, 3], "resize"),
        (("look_back", 0, "holds"), None, "holds"),
    ],
)
def test_a_damaged_file_is_told(
    result: SettingsResult, tmp_path: Path, keys: tuple[str | int, ...], value: object, where: str
) -> None:
    path = write_settings(tmp_path, result)
    row = part = json.loads(path.read_text())
    for key in keys[:-1]:
        part = part[key]
    part[keys[-1]] = value
    path.write_text(json.dumps(row))
    with pytest.raises(StudyError, match=where) as caught:
        read_settings(tmp_path, result.subject_key)
    assert "result.json" in str(caught.value)


def test_all_results_come_newest_first(result: SettingsResult, tmp_path: Path) -> None:
    for number, key in enumerate(("older", "newer")):
        path = write_settings(tmp_path, replace(result, subject_key=key))
        os.utime(path, (1000 + number, 1000 + number))
    assert [one.subject_key for one in all_settings(tmp_path)] == ["newer", "older"]
    assert result_folder(tmp_path, "newer").is_dir()


def test_an_unfinished_result_does_not_take_the_place_of_a_finished_one(result: SettingsResult, tmp_path: Path) -> None:
    half = replace(result, finished=False, pictures=4)
    path = write_settings(tmp_path, half)
    assert read_settings(tmp_path, result.name) == half
    whole = replace(result, finished=True)
    write_settings(tmp_path, whole)
    assert write_settings(tmp_path, half) == path
    assert read_settings(tmp_path, result.name) == whole
    again = replace(whole, pictures=99)
    write_settings(tmp_path, again)
    assert read_settings(tmp_path, result.name) == again
    path.write_text("[]")
    write_settings(tmp_path, half)
    assert read_settings(tmp_path, result.name) == half


def test_a_search_by_steps_and_one_of_all_at_once_are_kept_beside_each_other(
    result: SettingsResult, tmp_path: Path
) -> None:
    at_once = replace(result, mode="joint")
    paths = {write_settings(tmp_path, one) for one in (result, at_once)}
    assert len(paths) == 2
    assert read_settings(tmp_path, result.name) == result
    assert read_settings(tmp_path, at_once.name) == at_once
    assert at_once.title == f"{result.title}, all settings at once"


# ----------------------------------------------------------------------------------------------------------- settings


def test_settings_are_put_into_a_shot_and_its_own_prompts_stay() -> None:
    shot = Shot(
        prompt="a cat",
        negative="blurry",
        seed=5,
        ensd=31337,
        hires=Hires(scale=1.5, prompt="a sharp cat", negative="noise"),
    )
    made = WITH_HIRES.applied_to(shot)
    assert (made.prompt, made.negative, made.seed, made.ensd) == ("a cat", "blurry", 5, 31337)
    assert made.hires == Hires(
        upscaler="Lanczos", resize=(1024, 0), denoise=0.4, cfg=5.0, prompt="a sharp cat", negative="noise"
    )
    assert START.applied_to(shot).hires is None
    assert PictureSettings.of_shot(made, "merged") == WITH_HIRES


def test_settings_that_do_not_fit_each_other_are_refused() -> None:
    with pytest.raises(RenderError, match="UniPC needs at least 3"):
        replace(START, sampler="UniPC", schedule="Automatic", steps=2).applied_to(Shot(prompt="a cat", seed=1))


def test_the_name_of_a_sampler_holds_its_schedule_once() -> None:
    assert START.sampler_name == "DPM++ 2M Karras"
    assert replace(START, schedule="Automatic").sampler_name == "DPM++ 2M"
    assert replace(START, sampler="DDIM", schedule="Automatic").sampler_name == "DDIM"


def test_rows_stand_in_the_order_of_the_search() -> None:
    assert list(WITH_HIRES.rows) == [
        "Sampler",
        "Schedule type",
        "VAE",
        "Hires upscaler",
        "CFG scale",
        "Denoising strength",
        "Steps",
        "Hires steps",
        "Clip skip",
        "Hires upscale",
        "Size",
    ]
    assert WITH_HIRES.rows["Hires upscale"] == "1024x0"
    assert "VAE" not in replace(START, vae="").rows


# -------------------------------------------------------------------------------------------------------------- words


def test_the_cheapest_that_comes_up_to_the_best(step: SettingsStep) -> None:
    assert step.sentence == "Steps: 15 is the cheapest of 2 that come up to the best (20), 25% less work"
    assert not step.cannot_be_told


def test_values_that_are_all_alike_cannot_be_told(step: SettingsStep) -> None:
    values = tuple(value for value in step.values if value.state != "worse")
    alike = replace(step, values=values)
    assert alike.cannot_be_told
    assert alike.sentence.startswith("Steps: the values cannot be told from each other with 16 pictures each; 15 is")
    stays = [replace(value, chosen=value.is_start) for value in values]
    assert replace(step, values=tuple(stays)).sentence.endswith("20 stays")


def test_the_best_that_nothing_comes_up_to(step: SettingsStep) -> None:
    values = (replace(step.values[0], chosen=True), step.values[1])
    assert replace(step, values=values).sentence == "Steps: 20 is the best, and no other comes up to it"


def test_a_step_in_which_nothing_was_tried_says_why(step: SettingsStep) -> None:
    none = replace(step, values=(step.values[3],), reason="the model is SDXL")
    assert none.sentence == "Steps: nothing was tried (the model is SDXL)"
    assert none.chosen is None


def test_what_no_longer_holds_is_said(result: SettingsResult) -> None:
    lines = result.sentences
    assert lines[-1] == "looked back, Steps: 20 no longer holds, 15 takes its place"
    held = replace(result, look_back=(replace(result.look_back[0], holds=True),))
    assert held.sentences[-1] == "looked back: every choice still holds with those that came after it"
    assert held.look_back[0].sentence == "Steps: 20 still holds"


def test_a_value_that_is_told_by_less_than_the_margin_is_told_and_not_lost(step: SettingsStep) -> None:
    slight = replace(WORSE, mean=-0.05, low=-0.09, high=-0.01)
    values = (step.values[0], replace(step.values[2], against_best=slight))
    told = replace(step, values=values)
    assert [(value.is_told, value.is_lost) for value in told.values] == [(False, False), (True, False)]
    assert not told.cannot_be_told
    assert told.sentence == "Steps: 15 is the cheapest of 2 that come up to the best (20), 25% less work"


def test_an_answer_that_more_pictures_might_tell_from_the_best_says_so(step: SettingsStep) -> None:
    values = (*step.values[:2], replace(step.values[2], state="open", shortfall=0.42))
    text = replace(step, values=values).sentence
    assert "the cheapest of 2 that come up to the best (20), though another may be better by up to 0.42, 25%" in text
