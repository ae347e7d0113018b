from __future__ import annotations

import json
import os
from pathlib import Path

import click
import pytest

from engine.checkpoints.checkpoint import file_sha256
from engine.errors import CheckpointError
from studies.inputs.hashes import hashes_of, user_memory


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    found = {name: tmp_path / name for name in ("a", "b")}
    for name, path in found.items():
        path.write_bytes(name.encode() * 10_000_000)
    return found


def test_hashes_are_remembered(tmp_path: Path, files: dict[str, Path]) -> None:
    memory = tmp_path / "deep" / "hashes.json"
    seen: list[tuple[int, int]] = []
    found = hashes_of(files, memory, lambda *now: seen.append(now))
    assert found == {name: file_sha256(path) for name, path in files.items()}
    assert max(done for done, _ in seen) == 20_000_000
    assert seen[0][1] == 20_000_000
    seen.clear()
    assert hashes_of(files, memory, lambda *now: seen.append(now)) == found
    assert not seen


def test_a_changed_file_is_hashed_anew(tmp_path: Path, files: dict[str, Path]) -> None:
    memory = tmp_path / "hashes.json"
    before = hashes_of(files, memory)
    files["a"].write_bytes(b"c" * 10_000_000)
    os.utime(files["a"], ns=(1, 1))
    after = hashes_of(files, memory)
    assert after["a"] == file_sha256(files["a"]) != before["a"]
    assert after["b"] == before["b"]


@pytest.mark.parametrize("content", ["", "{", "[1]"])
def test_a_broken_memory_is_begun_anew(tmp_path: Path, files: dict[str, Path], content: str) -> None:
    memory = tmp_path / "hashes.json"
    memory.write_text(content)
    assert hashes_of(files, memory)["a"] == file_sha256(files["a"])
    assert len(json.loads(memory.read_text())) == 2


def test_hashes_that_cannot_be_remembered_are_there_all_the_same(
    tmp_path: Path, files: dict[str, Path], caplog: pytest.LogCaptureFixture
) -> None:
    """The home of a container may be read-only."""
    (tmp_path / "file").write_text("no folder")
    found = hashes_of(files, tmp_path / "file" / "deep" / "hashes.json")
    assert found["a"] == file_sha256(files["a"])
    assert "hashes are not remembered" in caplog.text


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="none: cannot be read"):
        hashes_of({"a": tmp_path / "none"}, tmp_path / "hashes.json")


@pytest.mark.parametrize("system", ["linux", "darwin", "win32"])
def test_the_hashes_of_a_user_stay_where_they_were(monkeypatch: pytest.MonkeyPatch, system: str) -> None:
    """The folder is the one that click has for this program, which remembered them before."""
    monkeypatch.setattr("sys.platform", system)
    monkeypatch.setattr("click.utils.WIN", system == "win32")
    for settings in (None, "/somewhere/else"):
        for name in ("APPDATA", "XDG_CONFIG_HOME"):
            if settings is None:
                monkeypatch.delenv(name, raising=False)
            else:
                monkeypatch.setenv(name, settings)
        assert user_memory() == Path(click.get_app_dir("sd-recipe-search"), "hashes.json")
