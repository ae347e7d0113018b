"""`recipe-search check` for another card and for several workers."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from studies.cli.main import main
from tests.studies.sample_study import write_small_study


def check(study: Path, *options: str) -> Result:
    return CliRunner().invoke(main, ["check", str(study), *options])


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_small_study(tmp_path_factory.mktemp("check"))


def line_of(result: Result, start: str) -> str:
    return next(line for line in result.output.splitlines() if line.startswith(start))


def test_a_card_that_is_not_here_is_planned_for(study: Path) -> None:
    found = check(study, "--vram", "8")
    assert found.exit_code == 0, found.output
    assert line_of(found, "note: memory:").startswith("note: memory: a card of 8 GB (8 GiB, 8.6 GB): about ")
    plan = line_of(found, "note: memory plan: ")
    assert 'parents = "device"' in plan
    assert plan.endswith("a trial moves nothing")


def test_workers_share_the_card(study: Path) -> None:
    assert "4.3 GB are free for each of 2 workers" in check(study, "--vram", "8", "--workers", "2").output
    crowded = check(study, "--vram", "1", "--workers", "4")
    assert crowded.exit_code == 1
    assert "and the GPU has 268 MB for each of 4 workers" in line_of(crowded, "error: memory:")


def test_a_study_for_a_gpu_is_planned_without_one(study: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(study.parent, tmp_path / "copy")
    path = folder / study.name
    path.write_text(path.read_text() + '\n[device]\ndevice = "cuda:77"\n')
    found = check(path, "--vram", "12")
    assert found.exit_code == 1
    assert "error: device.device" in found.output
    assert "memory: a card of 12 GB" in found.output


def test_numbers_that_are_no_card_are_refused(study: Path) -> None:
    for words in (["--vram", "0"], ["--vram", "nan"], ["--vram", "inf"], ["--vram", "lots"], ["--workers", "0"]):
        assert check(study, *words).exit_code == 2


def test_what_is_made_already_is_said_beside_the_costs_of_the_whole_plan(study: Path, copied: Path) -> None:
    assert "made already" not in check(study).output
    made = line_of(check(copied), "note: made already: ")
    assert made == "note: made already: 13 trials, and a proof after 13; time is of the whole plan"
