"""A study that version 0.1.0 began, finished and pinned is read, goes on and is exported.

It was of the former sample world. Where models are compared, the hashes in its files are replaced by those of today's.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
from itertools import takewhile
from pathlib import Path

import pytest
from click.testing import CliRunner
from safetensors import safe_open

from engine.checkpoints.checkpoint import file_sha256
from scorers.panel.panel import Panel
from studies.cli.main import main
from studies.sample.former import CHANGED, FILES, MODELS
from studies.sample.world import write_world
from studies.studyfile.read import read_study_file

KEPT = Path(__file__).parents[1] / "golden" / "study_0_1"
FLAT = 12
"""Trials of stage `flat`: five FLAT mixes, four calibration recipes, three FLAT mixes more."""
PIN = "001-aa8fff82.json"
PINNED = json.loads((KEPT / PIN).read_text())
OLD_PANEL = "ebc57fdab759161575521b69d63d8dd5bd5428d6b425372967ccbade7e7ca310"
"""The version of its panel, in which the former references and CLIP are."""


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """The study file beside the sample world's models under former names; its folder is empty but for the pins."""
    first, second = (Path(name).stem for name in FILES)
    write_world(tmp_path, names=(first, second))
    shutil.copy(KEPT / "study.toml", tmp_path)
    (tmp_path / "runs/small/pins").mkdir(parents=True)
    shutil.copy(KEPT / PIN, tmp_path / "runs/small/pins")
    return tmp_path / "study.toml"


def run(*arguments: str | Path) -> str:
    """The output of a command that ends well."""
    done = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.output
    return done.output


def kept(name: str) -> str:
    """A journal as it was kept."""
    return gzip.decompress((KEPT / name).read_bytes()).decode()


def unpack(name: str, study: Path) -> None:
    (study.parent / "runs/small/journal.log").write_text(kept(name))


def model_hashes(study: Path) -> dict[str, str]:
    """SHA-256 of the models beside the study file, by letter."""
    return {letter: file_sha256(study.parent / name) for letter, name in zip("AB", FILES, strict=True)}


def unpack_as_of_today(name: str, study: Path) -> str:
    """Unpack a journal as if the search had been of the models, references and CLIP of today."""
    text = kept(name)
    now = {PINNED["models"][letter]: digest for letter, digest in model_hashes(study).items()}
    for old, new in (now | {OLD_PANEL: Panel.open(read_study_file(study).panel_settings()).version}).items():
        assert old in text
        text = text.replace(old, new)
    (study.parent / "runs/small/journal.log").write_text(text)
    return text


def pin_as_of_today(study: Path) -> None:
    """Replace the pin by one whose models are those of today."""
    fields = {key: value for key, value in PINNED.items() if key != "digest"}
    assert digest_of(fields) == PINNED["digest"]
    fields["models"] = model_hashes(study)
    text = json.dumps(fields | {"digest": digest_of(fields)})
    (study.parent / "runs/small/pins" / PIN).write_text(text)


def digest_of(fields: dict[str, object]) -> str:
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()


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
    before, done = unpack_as_of_today("begun.jsonl.gz", study), kept("done.jsonl.gz")
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
    pin_as_of_today(study)
    run("export", study, "--pin", "1")
    (checkpoint,) = (study.parent / "runs/small/exports").glob("*.safetensors")
    with safe_open(checkpoint, "pt") as file:
        assert PINNED["recipe_key"] in "".join(file.metadata().values())


@pytest.mark.parametrize(
    "command", [("run",), ("approve", "--note", "x"), ("export", "--pin", "1")], ids=lambda c: c[0]
)
def test_a_study_of_the_former_sample_world_is_refused_with_what_to_do(command: tuple[str, ...], study: Path) -> None:
    assert set(PINNED["models"].values()) == MODELS
    unpack("done.jsonl.gz", study)
    shutil.copy(KEPT / "outcome.json", study.parent / "runs/small")
    name, *options = command
    done = CliRunner().invoke(main, [name, str(study), *options])
    assert done.exit_code == 1
    assert done.output.count(CHANGED) >= 1


def test_the_demo_writes_nothing_into_a_folder_with_the_former_sample_world(tmp_path: Path) -> None:
    (tmp_path / FILES[0]).write_bytes(b"as it was")
    done = CliRunner().invoke(main, ["demo", "--folder", str(tmp_path)])
    assert done.exit_code == 1
    assert f"{tmp_path}: holds the sample world of an earlier version" in done.output
    assert [path.name for path in tmp_path.iterdir()] == [FILES[0]]
