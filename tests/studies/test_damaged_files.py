"""Every file that a small finished study holds may be damaged: values or our own errors, and nothing is lost."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from studies.cli.main import main
from studies.review.judging.rejections import reject
from studies.store.judged.outcome import read_outcome
from studies.store.storage import StudyStore
from studies.studyfile.read import read_study_file
from studies.studyfile.spec import StudySpec

KINDS = {
    "empty": lambda _: b"",
    "half": lambda data: data[: len(data) // 2],
    "garbage": lambda data: bytes((7 * n + 131) % 256 for n in range(max(len(data), 64))),
    "bytes turned over": lambda data: (
        data[: len(data) // 2] + bytes(255 - b for b in data[len(data) // 2 :][:64]) + b"\n"
    ),
    "{}": lambda _: b"{}\n",
    "null": lambda _: b"null\n",
    "[]": lambda _: b"[]\n",
    "nested": lambda _: b"[" * 100_000,
}
"""Ways to damage a file."""
SHOW = ["show", "{}", "--csv", "{}.csv"]
CHECK = ["check", "{}"]
EXPORT = ["export", "{}", "--overwrite"]
APPROVE = ["approve", "{}", "--note", "x"]
APPROVE_TRIAL = [*APPROVE, "--trial", "3"]
PICK = ["pick", "{}", "--count", "1", "--no-view"]
RESCORE = ["rescore", "{}"]
READERS = {
    "journal.log": (SHOW, EXPORT, APPROVE_TRIAL, RESCORE),
    "outcome.json": (SHOW, APPROVE),
    "picks.jsonl": (SHOW,),
    "rejections.jsonl": (SHOW,),
    "hashes.json": (EXPORT,),
    "pins": (SHOW, EXPORT, APPROVE),
}
"""The commands that read a file, by a part of its path; any other file is in the way of `show` at most."""
SLOW_READERS = {
    "journal.log": (CHECK, PICK),
    "outcome.json": (PICK,),
    "picks.jsonl": (PICK,),
    "rejections.jsonl": (PICK,),
    "renders": (PICK, RESCORE),
}
"""Further ones, which open the scorers."""
SLOW_KINDS = ("half", "{}")
"""How files are damaged for these."""


def call(arguments: list[str], study: Path) -> Result:
    """A command that ends by itself, or with one of our own errors."""
    done = CliRunner().invoke(main, [text.format(study) for text in arguments], input="left\n")
    assert done.exception is None or isinstance(done.exception, SystemExit), (arguments, done.output, done.exc_info)
    assert "Traceback" not in done.output
    assert done.exit_code in (0, 1), (arguments, done.output)
    return done


@pytest.fixture(scope="module")
def whole(finished_once: StudySpec, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the finished study, with a pin, an export and a pick; leave it as it is."""
    folder = tmp_path_factory.mktemp("whole") / "study"
    shutil.copytree(finished_once.storage.file.parent, folder)
    for arguments in (["approve", "{}", "--note", "x"], ["export", "{}"], ["pick", "{}", "--count", "1", "--no-view"]):
        assert call(arguments, folder / "study.toml").exit_code == 0
    storage = read_study_file(folder / "study.toml").storage
    label, candidate = read_outcome(storage.folder).finalist(2)
    reject(storage.folder, label, candidate, reason="looks wrong", by="tester")
    return folder


def kept_files(folder: Path) -> Iterator[Path]:
    """One file of every kind that the study's folder holds, relative to it."""
    seen = set[tuple[str, ...]]()
    for path in sorted((folder / "runs/small").rglob("*")):
        kind = (path.parent.name if path.parent.name in ("pins", "picks", "exports", "locks") else "", path.suffix)
        kind = (*kind, path.name if path.parent.name == "small" or path.name.startswith("features") else "")
        if path.is_file() and kind not in seen:
            seen.add(kind)
            yield path.relative_to(folder)


@pytest.fixture
def study(whole: Path, tmp_path: Path) -> Path:
    """The study file of a copy."""
    shutil.copytree(whole, tmp_path / "copy")
    return tmp_path / "copy" / "study.toml"


def trial_values(study: Path) -> dict[int, float | None]:
    spec = read_study_file(study)
    return {trial.number: trial.value for trial in StudyStore(spec.storage.folder, spec.storage.name).trials()}


@pytest.mark.parametrize("kind", KINDS)
def test_commands_read_damaged_files_or_say_so_and_a_run_loses_nothing(study: Path, kind: str) -> None:
    folder = study.parent
    before = trial_values(study)
    for name in list(kept_files(folder)):
        kept = (folder / name).read_bytes()
        (folder / name).write_bytes(KINDS[kind](kept))
        pins = sorted((folder / "runs/small/pins").iterdir())
        for readers in (READERS, SLOW_READERS) if kind in SLOW_KINDS else (READERS,):
            for arguments in next((readers[part] for part in name.parts if part in readers), [SHOW]):
                call(arguments, study)
        (folder / name).write_bytes(kept)
        for pin in set((folder / "runs/small/pins").iterdir()) - set(pins):
            pin.unlink()
        assert trial_values(study) == before, name


@pytest.mark.parametrize("kind", ["garbage", "half", "null"])
def test_a_run_makes_again_what_is_damaged(study: Path, kind: str) -> None:
    before, outcome = trial_values(study), read_outcome(study.parent / "runs/small")
    names = [name for name in kept_files(study.parent) if name.name != "journal.log"]
    for name in names:
        path = study.parent / name
        path.write_bytes(KINDS[kind](path.read_bytes()))
    done = call(["run", "{}"], study)
    assert done.exit_code == 0, done.output
    assert trial_values(study) == before
    assert read_outcome(study.parent / "runs/small") == outcome


def paths_in(value: object, place: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The places of a JSON value; of a list only the first one."""
    yield place
    if isinstance(value, dict):
        for key, one in value.items():
            yield from paths_in(one, (*place, key))
    if isinstance(value, list):
        for number, one in enumerate(value[:1]):
            yield from paths_in(one, (*place, number))


def changed(value: object, place: tuple[str | int, ...], new: object) -> object:
    """A JSON value with another one at a place."""
    if not place:
        return new
    copy = json.loads(json.dumps(value))
    copy[place[0]] = changed(copy[place[0]], place[1:], new)
    return copy


@pytest.mark.parametrize("new", ["null", '"x"', "-5", "1e400", "[]", '"\\ud800"', "9" * 400])
@pytest.mark.parametrize("name", ["outcome.json", "pins/*.json", "hashes.json"])
def test_wrong_values_in_a_file_are_values_or_an_error(study: Path, name: str, new: str) -> None:
    (path,) = (study.parent / "runs/small").glob(name)
    kept = path.read_text()
    for place in paths_in(json.loads(kept)):
        text = json.dumps(changed(json.loads(kept), place, "PLACE")).replace('"PLACE"', new)
        path.write_text(text + "\n")
        for arguments in READERS[name.partition("/")[0]]:
            call(arguments, study)
        for pin in list((study.parent / "runs/small/pins").glob("00[2-9]*")):
            pin.unlink()
