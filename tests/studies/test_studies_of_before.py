"""A study that version 0.1.0 began, finished and pinned is read, goes on and is exported."""

from __future__ import annotations

import gzip
import json
import shutil
from itertools import takewhile
from pathlib import Path

import pytest
from click.testing import CliRunner
from safetensors import safe_open

from studies.cli.main import main
from studies.sample.world import write_world

KEPT = Path(__file__).parents[1] / "golden" / "study_0_1"
FLAT = 12
"""Trials of stage `flat`: five FLAT mixes, four calibration recipes, three FLAT mixes more."""
PIN = "001-aa8fff82.json"


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """The study file beside the sample world's models; its folder is empty but for the pins."""
    write_world(tmp_path)
    shutil.copy(KEPT / "study.toml", tmp_path)
    (tmp_path / "runs/small/pins").mkdir(parents=True)
    shutil.copy(KEPT / PIN, tmp_path / "runs/small/pins")
    return tmp_path / "study.toml"


def run(*arguments: str | Path) -> str:
    """The output of a command that ends well."""
    done = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.output
    return done.output


def unpack(name: str, study: Path) -> str:
    text = gzip.decompress((KEPT / name).read_bytes()).decode()
    (study.parent / "runs/small/journal.log").write_text(text)
    return text


def values(journal: str) -> list[list[float]]:
    """The values of finished trials in the order they were recorded."""
    records = [json.loads(line) for line in journal.splitlines()]
    return [record["values"] for record in records if record.get("values")]


def flat_recipes(journal: str) -> list[str]:
    """The keys of the recipes of stage `flat`, in the order of the trials."""
    records = [json.loads(line) for line in journal.splitlines()]
    keys = [record["user_attr"]["recipe_key"] for record in records if "recipe_key" in record.get("user_attr", {})]
    return keys[:FLAT]


def agreeing(first: list[list[float]], second: list[list[float]]) -> int:
    """How many values, from the first on, are the same."""
    pairs = zip(first, second, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pytest.approx(pair[1], rel=1e-9, abs=1e-12), pairs))


def test_a_finished_study_is_shown_with_its_outcome_and_pin(study: Path) -> None:
    unpack("done.jsonl.gz", study)
    shutil.copy(KEPT / "outcome.json", study.parent / "runs/small")
    text = run("show", study)
    assert "aa8fff82" in text
    assert "kept from before" in text
    assert "23 trials" in text


def test_a_search_that_was_killed_goes_on_where_it_was(study: Path, caplog: pytest.LogCaptureFixture) -> None:
    before = unpack("begun.jsonl.gz", study)
    done = gzip.decompress((KEPT / "done.jsonl.gz").read_bytes()).decode()
    whole = values(done)
    run("run", study)
    assert "noise levels was float64 when the study began and is float32 now" in caplog.text
    journal = (study.parent / "runs/small/journal.log").read_text()
    assert journal.startswith(before)
    assert len(values(before)) == 8
    assert values(journal)[:8] == values(before)
    assert len(values(journal)) == len(whole)
    # The ninth trial is the last calibration recipe, which is drawn from the study's seed alone: the same on every
    # processor. The FLAT mixes after it depend on the values before, and those on how a processor rounds pictures:
    # they are compared as far as all values before them are the same.
    comparable = 1 + agreeing(values(journal), whole)
    assert comparable >= 9
    assert flat_recipes(journal)[:comparable] == flat_recipes(done)[:comparable]


@pytest.mark.parametrize(
    ("target", "status", "message"),
    [
        ("runs", 2, "is a directory"),
        ("study.toml", 1, "study.toml: is no name of a table; name a file that ends in .csv"),
        ("nowhere/trials.csv", 1, "nowhere: there is no such folder; make it first"),
    ],
)
def test_trials_cannot_be_written_into_a_folder_or_where_there_is_none(
    study: Path, target: str, status: int, message: str
) -> None:
    unpack("done.jsonl.gz", study)
    done = CliRunner().invoke(main, ["show", str(study), "--csv", str(study.parent / target)])
    assert done.exit_code == status, done.output
    assert message in done.output


@pytest.mark.parametrize("number", ["0", "-1", "9"])
def test_a_finalist_that_there_is_not_is_not_approved(study: Path, number: str) -> None:
    unpack("done.jsonl.gz", study)
    shutil.copy(KEPT / "outcome.json", study.parent / "runs/small")
    done = CliRunner().invoke(main, ["approve", str(study), "--finalist", number, "--note", "x"])
    assert done.exit_code == 1
    assert f"no finalist {number}: this study has finalists 1 to" in done.output
    assert [path.name for path in (study.parent / "runs/small/pins").iterdir()] == [PIN]


def test_a_pin_is_exported_as_what_was_approved(study: Path) -> None:
    unpack("done.jsonl.gz", study)
    run("export", study, "--pin", "1")
    (checkpoint,) = (study.parent / "runs/small/exports").glob("*.safetensors")
    pin = json.loads((KEPT / PIN).read_text())
    with safe_open(checkpoint, "pt") as file:
        assert pin["recipe_key"] in "".join(file.metadata().values())
