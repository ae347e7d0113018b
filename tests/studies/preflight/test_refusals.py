"""Whatever a night would refuse, the check refuses, by the same code, before a picture is rendered."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from studies.cli.main import main
from studies.store.backends.locks import Machine, lock_file
from studies.store.storage import StudyStore
from tests.studies.sample_study import write_small_study

WEIGHTS = '[scorers]\nweights = { style = 1.0, "mine.py" = 0.5 }'


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The study file of a small study that nobody has run."""
    return write_small_study(tmp_path_factory.mktemp("world"))


def refused(study: Path, text: str, command: str = "check", *options: str) -> str:
    """What the check says of a study file's text; nothing is made of it."""
    study.write_text(text, encoding="utf-8")
    before = sorted(study.parent.rglob("*"))
    done = CliRunner().invoke(main, [command, str(study), *options])
    assert done.exit_code == 1, done.output
    assert "Traceback" not in done.output
    assert "\nready: " not in f"\n{done.output}"
    new = [path for path in set(study.parent.rglob("*")) - set(before) if "__pycache__" not in path.parts]
    assert new == []
    return done.output


def with_line(study: Path, old: str, new: str) -> str:
    text = study.read_text(encoding="utf-8")
    assert old in text
    return text.replace(old, new)


@pytest.fixture
def study(world: Path) -> Path:
    """A study file of its own in the world's folder."""
    path = world.with_name("mine.toml")
    path.write_text(world.read_text(encoding="utf-8"), encoding="utf-8")
    return path


@pytest.mark.parametrize("command", ["check", "run"])
def test_three_pictures_are_too_few(study: Path, command: str) -> None:
    said = refused(study, with_line(study, "seeds = [3, 4]", "seeds = [3]"), command)
    assert "prompts: the seeds of all prompts give 3 pictures a recipe, and noise is measured from 4 or more" in said
    assert "slot" not in said


def test_a_clip_skip_beyond_the_text_encoder(study: Path) -> None:
    said = refused(study, with_line(study, "cfg = 2.0", "cfg = 2.0\nclip_skip = 9"))
    assert "render.clip_skip: clip_skip = 9: the text encoder has" in said


def test_words_that_a_scorer_lacks(study: Path) -> None:
    said = refused(study, with_line(study, "[scorers]", "[scorers]\nweights = { style = 1.0, text = 0.5 }"))
    assert "scorer 'text' has a weight but no words; give like, the target style in words" in said


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("raise RuntimeError('at import')", "RuntimeError: at import"),
        ("def score(image, prompt=''):\n    raise RuntimeError('at work')", "RuntimeError: at work"),
        ("def score(image, prompt=''):\n    return 'seven'", "instead of a number"),
    ],
    ids=["at import", "at work", "no number"],
)
def test_a_scorer_that_does_not_work(study: Path, code: str, words: str) -> None:
    (study.parent / "mine.py").write_text(code)
    assert words in refused(study, with_line(study, "[scorers]", WEIGHTS), "check", "--trust")


def test_a_reference_that_shows_nothing_and_too_few_of_them(study: Path, tmp_path: Path) -> None:
    from PIL import Image

    names = [f"'{path}'" for path in sorted((study.parent / "references").glob("*.png"))[:7]]
    Image.new("RGB", (64, 64), (9, 9, 9)).save(tmp_path / "grey.png")
    line = f"references = [{', '.join([*names, repr(str(tmp_path / 'grey.png'))])}]"
    said = refused(study, with_line(study, 'references = "references"', line))
    assert "target.references: " in said
    assert "grey.png: shows nothing" in said
    assert "3 pictures, 4 are needed" in refused(
        study, study.read_text().replace(line, f"references = [{', '.join(names[:3])}]")
    )


def test_a_proof_of_too_few_pictures(study: Path) -> None:
    assert "comparing recipes takes at least 3" in refused(study, with_line(study, "seeds = [11, 12]", "seeds = [11]"))


def test_a_folder_of_another_study(study: Path, tmp_path: Path) -> None:
    StudyStore(tmp_path / "runs", "first")
    text = with_line(study, 'name = "small"', f"name = \"small\"\nfolder = '{tmp_path / 'runs'}'")
    said = refused(study, text)
    assert 'this folder holds the study "first", and this one is called "small"' in said
    (tmp_path / "runs/journal.log").write_text("{}\n")
    assert "`recipe-search run --repair`" in refused(study, text)


def test_a_file_system_without_locks_and_another_machine(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = with_line(study, 'name = "small"', f"name = \"small\"\nfolder = '{tmp_path / 'runs'}'")
    other = lock_file(tmp_path / "runs", f"worker-1-ab-{Machine(boot='1' * 8, card='2' * 8, host='there')}")
    other.parent.mkdir(parents=True)
    other.touch()
    assert "the machine there works on this study too, or did when it was stopped" in refused(study, text)
    other.unlink()

    def flock(_fd: int, _operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", flock)
    for command in ("check", "run"):
        assert "put [study] folder on a local disk" in refused(study, text, command)


def test_a_changed_study_file_is_refused_by_what_changed(copied: Path) -> None:
    text = copied.read_text(encoding="utf-8").replace("cfg = 2.0", "cfg = 3.0").replace("steps = 2", "steps = 3")
    said = refused(copied, text)
    assert "  cfg: was 2.0, is 3.0 (shots 1, 2, 3, 4)" in said
    assert "  steps: was 2, is 3 (shots 1, 2, 3, 4)" in said
    assert "{" not in said
    weights = text.replace("cfg = 3.0", "cfg = 2.0").replace("steps = 3", "steps = 2")
    assert "recipe-search rescore" in refused(copied, weights.replace("[scorers]", "[scorers]\nkeep = ['clip']"))


def test_a_copied_and_renamed_study_folder_is_as_good_as_the_first(copied: Path, tmp_path: Path) -> None:
    moved = copied.parent.rename(tmp_path / "elsewhere")
    (moved / "runs").rename(moved / "nights")
    study = moved / "study.toml"
    text = with_line(study, 'name = "small"', 'name = "small"\nfolder = "nights/small"')
    study.write_text(text, encoding="utf-8")
    for arguments in (["check"], ["show"], ["approve", "--note", "x"], ["export"]):
        done = CliRunner().invoke(main, [arguments[0], str(study), *arguments[1:]])
        assert done.exit_code == 0, done.output
        assert str(copied.parent) not in done.output
    shown = CliRunner().invoke(main, ["show", str(study)]).output
    assert f"contact sheet: {moved / 'nights/small/finalists.png'}\n" in shown


@pytest.mark.parametrize("prompt", [f"a (cat:{'9' * 44})", "(" * 1200 + "a cat", f"[a cat:(dog:{'9' * 44}):0.5]"])
def test_weights_that_overflow_are_found_before_the_night(tmp_path: Path, prompt: str) -> None:
    study = write_small_study(tmp_path)
    text = with_line(study, "a green tree in the forest", prompt)
    assert refused(study, text).count("which overflows; write a weight such as 1.2") == 1
