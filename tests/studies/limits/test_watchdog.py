"""Work that hangs is noticed, written down, and begun again by a new process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from studies.limits.watchdog import FIRST_S, SHORTEST_S, Watchdog, do_in_time, keep_stacks
from studies.store.storage import LOST, StudyStore
from studies.studyfile.read import read_study_file
from tests.studies.sample_study import write_small_study

NIGHT = """
import os, sys, time
from pathlib import Path
from engine.engine import Engine
from rich.console import Console
from studies.limits.deadline import NightLimits
from studies.night.night import Night
from studies.studyfile.read import read_study_file
from tests.studies.simulated_night import SimulatedDevice

file, hung = Path(sys.argv[1]), Path(sys.argv[2])
device = SimulatedDevice(speed=lambda device, shots: 0.0)

def render(engine, shots):
    if device.rendered == 44 and not hung.exists():  # 36 of calibration, then the third trial that draws
        hung.touch()
        time.sleep(3600)
    return device.render(shots)

Engine.build = lambda engine, recipe: device.build(recipe)
Engine.render = render
def again():
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
Night(read_study_file(file), Console(), proof=False, begin_again=again).run()
"""

LIMITED = """
import os, sys, time
from pathlib import Path
from engine.engine import Engine
from studies.cli.main import main
from tests.studies.simulated_night import SimulatedDevice

calls, hangs = Path(sys.argv[1]), {*map(int, sys.argv[2].split(","))}
device = SimulatedDevice(speed=lambda device, shots: 0.0)

def render(engine, shots):
    with calls.open("a") as file:
        file.write(f"{len(shots)}\\n")
    if len(calls.read_text().split()) in hangs:
        time.sleep(3600)
    return device.render(shots)

Engine.build = lambda engine, recipe: device.build(recipe)
Engine.render = render
execv, script = os.execv, [sys.executable, *sys.orig_argv[1:5]]
os.execv = lambda _, command: execv(sys.executable, [*script, *command[3:]])
main(sys.argv[3:])
"""

COMMAND = """
import sys, time
from engine.engine import Engine
from studies.cli.main import main

render, calls = Engine.render, []

def hang_once(engine, shots):
    calls.append(shots)
    if len(calls) == 12:  # of a trial
        time.sleep(3600)
    return render(engine, shots)

Engine.render = hang_once
main(sys.argv[1:])
"""


def watched(limit_s: float, work: list[float], *, beats: bool) -> str:
    """Sleep for some times under a watchdog, with or without a beat after each; returns what it says, or ""."""
    said, heard = list[str](), threading.Event()

    def hung(reason: str) -> None:
        said.append(reason)
        heard.set()

    dog = Watchdog(hung, limit_s)
    with dog.watching("trial 3"):
        for seconds in work:
            if heard.wait(seconds):
                break
            if beats:
                dog.beat()
    dog.close()
    return "".join(said)


def test_silence_is_noticed() -> None:
    assert watched(0.3, [5.0], beats=False).startswith("trial 3 hangs: nothing has happened for ")


def test_work_that_beats_is_let_be() -> None:
    assert watched(0.6, [0.1] * 15, beats=True) == ""


def test_silence_outside_of_work_is_none() -> None:
    said = list[str]()
    dog = Watchdog(said.append, 0.2)
    with dog.watching("the proof"):
        dog.beat()
        with dog.resting():
            time.sleep(0.6)
    time.sleep(0.6)
    dog.close()
    assert said == []


def test_0_watches_nothing() -> None:
    assert watched(0.0, [0.3], beats=False) == ""


def test_the_limit_follows_what_is_usual() -> None:
    dog = Watchdog(lambda _: None)
    assert dog.limit_s == FIRST_S
    with dog.watching("calibration"):
        pass
    assert dog.limit_s == SHORTEST_S
    dog._longest_s = 300.0
    assert dog.limit_s == 3000.0
    dog.close()


def test_stacks_and_the_reason_are_kept(tmp_path: Path) -> None:
    path = keep_stacks(tmp_path, "trial 3 hangs")
    lines = path.read_text().splitlines()
    assert lines[0] == "trial 3 hangs"
    assert any("test_stacks_and_the_reason_are_kept" in line for line in lines)


def test_last_words_that_hang_too_are_not_waited_for() -> None:
    never, began = threading.Event(), time.monotonic()

    def hanging() -> None:
        never.wait()

    do_in_time(hanging, 0.2)
    assert time.monotonic() - began < 5
    never.set()


@pytest.mark.skipif(sys.platform == "win32", reason="a process cannot put another one in its place there")
def test_a_night_whose_device_hangs_begins_again_and_tries_the_candidate_anew(tmp_path: Path) -> None:
    file = write_small_study(tmp_path, groups=1)
    text = file.read_text() + "\n[device]\nhung_after = 0.2\n"
    for stage in ("blocks", "self", "adjust", "refine"):
        text = text.replace(f"{stage} = 2", f"{stage} = 0")
    file.write_text(text)
    command = [sys.executable, "-c", NIGHT, str(file), str(tmp_path / "hung")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=500)
    assert done.returncode == 0, done.stdout + done.stderr
    spec = read_study_file(file)
    store = StudyStore(spec.storage.folder, spec.storage.name)
    (lost,) = [trial for trial in store.study.get_trials() if LOST in trial.user_attrs]
    reason = lost.user_attrs["hung"]
    assert reason.startswith(f"trial {lost.number} hangs: nothing has happened for ")
    assert [trial.params for trial in store.trials()].count(lost.params) == 1
    assert len(store.trials()) == 13
    (stacks,) = spec.storage.folder.glob("hung-*.txt")
    assert stacks.read_text().startswith(reason)
    assert "in render" in stacks.read_text()
    assert reason in " ".join(done.stdout.split())
    assert json.dumps(store.in_work()) == "[]"


@pytest.mark.skipif(sys.platform == "win32", reason="a process cannot put another one in its place there")
def test_the_end_of_a_night_that_began_again_has_a_report_and_is_told(tmp_path: Path) -> None:
    file = write_small_study(tmp_path, groups=0)
    tell = json.dumps([sys.executable, "-c", "import sys; open('told.json', 'w').write(sys.stdin.read())"])
    text = file.read_text().replace("[study]", f"[study]\nnotify = {tell}") + "\n[device]\nhung_after = 0.2\n"
    for stage in ("blocks", "self", "adjust", "refine"):
        text = text.replace(f"{stage} = 2", f"{stage} = 0")
    file.write_text(text)
    command = [sys.executable, "-c", COMMAND, "run", str(file), "--no-proof", "--trust"]
    environment = os.environ | {"XDG_STATE_HOME": str(tmp_path / "state")}
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=500, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    folder = tmp_path / "runs/small"
    assert "beginning again in a new process" in done.stdout
    assert len(StudyStore(folder, "small").trials()) == 12
    assert f"report: {folder / 'report.html'}" in done.stdout
    told = json.loads((tmp_path / "told.json").read_text())
    assert (told["result"], told["trials"]["done"]) == ("finished", 12)


@pytest.mark.skipif(sys.platform == "win32", reason="a process cannot put another one in its place there")
def test_a_night_that_begins_again_twice_goes_on_counting(tmp_path: Path) -> None:
    """Nine recipes calibrate, with 36 pictures; then every trial draws four. It hangs in calibration and in a trial."""
    file, calls = write_small_study(tmp_path), tmp_path / "calls"
    file.write_text(file.read_text() + "\n[device]\nhung_after = 0.15\n")
    command = [sys.executable, "-c", LIMITED, str(calls), "5,14", "run", str(file), "--no-proof", "--pictures=61"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=500)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("beginning again in a new process") == 2
    spec = read_study_file(file)
    assert len(StudyStore(spec.storage.folder, spec.storage.name).trials()) == 9 + 6
    drawn = [int(line) for line in calls.read_text().split()]
    assert sum(drawn) - 2 * 4 == 36 + 6 * 4, "those of the two renderings that hung were never made"
