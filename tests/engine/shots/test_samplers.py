from __future__ import annotations

import subprocess
import sys
from itertools import product

import pytest

from engine.errors import RenderError, did_you_mean
from engine.shots.samplers import (
    AUTOMATIC,
    OLD_NAMES,
    SAMPLERS,
    SCHEDULES,
    normalised,
    resolved,
    split_name,
    unet_calls,
)


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        # the list of WebUI 1.8, in its order, with the schedule that the name says
        ("DPM++ 2M Karras", ("DPM++ 2M", "Karras")),
        ("DPM++ SDE Karras", ("DPM++ SDE", "Karras")),
        ("DPM++ 2M SDE Exponential", ("DPM++ 2M SDE", "Exponential")),
        ("DPM++ 2M SDE Karras", ("DPM++ 2M SDE", "Karras")),
        ("Euler a", ("Euler a", AUTOMATIC)),
        ("Euler", ("Euler", AUTOMATIC)),
        ("LMS", ("LMS", AUTOMATIC)),
        ("Heun", ("Heun", AUTOMATIC)),
        ("DPM2", ("DPM2", AUTOMATIC)),
        ("DPM2 a", ("DPM2 a", AUTOMATIC)),
        ("DPM++ 2S a", ("DPM++ 2S a", AUTOMATIC)),
        ("DPM++ 2M", ("DPM++ 2M", AUTOMATIC)),
        ("DPM++ SDE", ("DPM++ SDE", AUTOMATIC)),
        ("DPM++ 2M SDE", ("DPM++ 2M SDE", AUTOMATIC)),
        ("DPM++ 2M SDE Heun", ("DPM++ 2M SDE Heun", AUTOMATIC)),
        ("DPM++ 2M SDE Heun Karras", ("DPM++ 2M SDE Heun", "Karras")),
        ("DPM++ 2M SDE Heun Exponential", ("DPM++ 2M SDE Heun", "Exponential")),
        ("DPM++ 3M SDE", ("DPM++ 3M SDE", AUTOMATIC)),
        ("DPM++ 3M SDE Karras", ("DPM++ 3M SDE", "Karras")),
        ("DPM++ 3M SDE Exponential", ("DPM++ 3M SDE", "Exponential")),
        ("LMS Karras", ("LMS", "Karras")),
        ("DPM2 Karras", ("DPM2", "Karras")),
        ("DPM2 a Karras", ("DPM2 a", "Karras")),
        ("DPM++ 2S a Karras", ("DPM++ 2S a", "Karras")),
        ("DPM fast", ("DPM fast", AUTOMATIC)),
        ("DPM adaptive", ("DPM adaptive", AUTOMATIC)),
        ("Restart", ("Restart", AUTOMATIC)),
        ("DDIM", ("DDIM", AUTOMATIC)),
        ("DDIM CFG++", ("DDIM CFG++", AUTOMATIC)),
        ("PLMS", ("PLMS", AUTOMATIC)),
        ("LCM", ("LCM", AUTOMATIC)),
        ("UniPC", ("UniPC", AUTOMATIC)),
        # and what people type
        ("dpm++ 2m karras", ("DPM++ 2M", "Karras")),
        ("  Euler   A ", ("Euler a", AUTOMATIC)),
        ("Euler SGM Uniform", ("Euler", "SGM Uniform")),
        ("Euler a Automatic", ("Euler a", AUTOMATIC)),
        ("Euler DDIM", ("Euler", "DDIM")),
    ],
)
def test_names_of_the_webui_are_read(name: str, parts: tuple[str, str]):
    assert split_name(name) == parts


def test_every_pair_of_sampler_and_schedule_has_one_name():
    for sampler, schedule in product(SAMPLERS, SCHEDULES):
        if SAMPLERS[sampler].automatic:
            assert split_name(f"{sampler} {schedule}") == (sampler, schedule)
            assert normalised(sampler, schedule) == (sampler, schedule)
    assert all(split_name(name) for name in OLD_NAMES)


@pytest.mark.parametrize(
    "name", ["", "DPM", "DDIM Karras", "Karras", "Euler b", "DPM slow", "PLMS Karras", "Euler aKarras"]
)
def test_other_names_are_not(name: str):
    assert split_name(name) is None


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("DPM++2M Karas", "DPM++ 2M Karras"),
        ("DPM++ SDE Heun", "DPM++ 2M SDE Heun"),
        ("euler b", "Euler a"),
        ("dpmpp_2m_sde", "DPM++ 2M SDE"),
        ("uni pc", "UniPC"),
        ("k_lms", "LMS"),
        ("zzz", None),
    ],
)
def test_the_nearest_name(name: str, near: str | None):
    remedy = did_you_mean(name, SAMPLERS, also=OLD_NAMES)
    assert remedy == (f"did you mean {near}?" if near else f"known here: {', '.join(SAMPLERS)}")


@pytest.mark.parametrize(
    ("sampler", "schedule", "said"),
    [
        ("Euler b", "Karras", 'sampler: unknown sampler ("Euler b"); did you mean Euler a?'),
        ("zzz", "Karras", 'sampler: unknown sampler ("zzz"); known here: DPM++ 2M, '),
        ("Euler", "karas", 'schedule: unknown schedule ("karas"); did you mean Karras?'),
        ("Euler", "zzz", 'schedule: unknown schedule ("zzz"); known here: Automatic, '),
        ("DPM++ 2M Karras", "Exponential", 'says Karras already ("Exponential"); write sampler = '),
        ("DDIM", "Karras", 'DDIM has noise levels of its own ("Karras"); leave schedule out'),
    ],
)
def test_a_problem_says_what_and_the_way_out(sampler: str, schedule: str, said: str):
    with pytest.raises(RenderError) as caught:
        normalised(sampler, schedule)
    assert said in str(caught.value)


def test_automatic_is_what_webui_1_9_made_it():
    karras = {"DPM++ 2M", "DPM++ SDE", "DPM++ 2S a", "DPM2", "DPM2 a", "Restart"}
    exponential = {"DPM++ 2M SDE", "DPM++ 2M SDE Heun", "DPM++ 3M SDE"}
    uniform = {"Euler a", "Euler", "LMS", "Heun", "DPM fast", "DPM adaptive", "LCM"}
    for names, schedule in ((karras, "Karras"), (exponential, "Exponential"), (uniform, "Uniform")):
        assert {resolved(name, AUTOMATIC) for name in names} == {schedule}
        assert {resolved(name, "Simple") for name in names} == {"Simple"}
    assert {resolved(name, AUTOMATIC) for name in ("DDIM", "DDIM CFG++", "PLMS", "UniPC")} == {""}


def test_one_level_more_is_planned_and_left_out_by_three():
    assert {name for name, facts in SAMPLERS.items() if facts.discards} == {"DPM2", "DPM2 a", "DPM++ 3M SDE"}


@pytest.mark.parametrize(
    ("sampler", "schedule", "steps", "calls"),
    [
        ("Euler a", AUTOMATIC, 20, 20),
        ("Heun", AUTOMATIC, 20, 39),  # the step to 0 asks once
        ("Heun", "KL Optimal", 20, 40),  # and is not there
        ("DPM2", AUTOMATIC, 20, 39),
        ("DPM++ 2S a", AUTOMATIC, 20, 39),
        ("DPM++ SDE", AUTOMATIC, 20, 39),
        ("DPM++ 2M SDE", AUTOMATIC, 20, 20),
        ("DPM++ 3M SDE", AUTOMATIC, 20, 20),
        ("DDIM", AUTOMATIC, 20, 19),
        ("DDIM", AUTOMATIC, 28, 28),
        ("UniPC", AUTOMATIC, 20, 20),
        ("UniPC", AUTOMATIC, 28, 29),
        ("Euler", "DDIM", 28, 29),
        ("DDIM CFG++", AUTOMATIC, 20, 19),
        ("PLMS", AUTOMATIC, 20, 20),  # the first step asks twice
        ("DPM fast", AUTOMATIC, 20, 20),
        ("Restart", AUTOMATIC, 19, 37),
        ("Restart", AUTOMATIC, 20, 39),
        ("Restart", "KL Optimal", 19, 38),
        ("Restart", "KL Optimal", 20, 39),  # with restarts its levels end at 0
        ("LCM", AUTOMATIC, 8, 8),
        ("LCM", "DDIM", 8, 9),  # 50 levels, every sixth
    ],
)
def test_calls_are_counted_without_sampling(sampler: str, schedule: str, steps: int, calls: int):
    assert unet_calls(sampler, schedule, steps) == calls


def test_names_need_no_torch():
    code = "import sys, engine.shots.samplers; print(sorted({'torch', 'numpy', 'scipy'} & set(sys.modules)))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
