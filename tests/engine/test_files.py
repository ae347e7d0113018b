"""Files are whole or not there, whatever happens while they are written; only files are read, in any encoding."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.errors import RecipeError
from engine.files import (
    LONGEST_TEXT,
    file_kind,
    read_text,
    readable,
    remove_left_behind,
    replaced,
    user_folder,
    user_path,
    write_new_text,
    write_text,
)


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def without_links(*_: object) -> None:
    raise PermissionError(errno.EPERM, "Operation not permitted")


def test_the_new_file_takes_the_place_of_the_old_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "kept.txt"
    path.write_text("old")
    with replaced(path) as temporary:
        temporary.write_text("new, and longer")
        assert path.read_text() == "old"
    assert contents(tmp_path) == {"kept.txt": "new, and longer"}


@pytest.mark.parametrize("before", [{}, {"kept.txt": "old"}], ids=["no file", "an old file"])
def test_a_block_that_fails_leaves_all_as_it_was(tmp_path: Path, before: dict[str, str]) -> None:
    for name, text in before.items():
        (tmp_path / name).write_text(text)

    def fail(temporary: Path) -> None:
        temporary.write_text("half")
        raise RuntimeError("broken off")

    with pytest.raises(RuntimeError, match="broken off"), replaced(tmp_path / "kept.txt") as temporary:
        fail(temporary)
    assert contents(tmp_path) == before


def test_a_block_that_writes_nothing_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "kept.txt").write_text("old")
    with pytest.raises(FileNotFoundError), replaced(tmp_path / "kept.txt"):
        pass
    assert contents(tmp_path) == {"kept.txt": "old"}


@pytest.mark.parametrize("write", [write_text, write_new_text])
def test_a_file_has_its_name_only_once_it_is_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: object
) -> None:
    assert callable(write)
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write(tmp_path / "kept.txt", "new")
    assert contents(tmp_path) == {}


@pytest.mark.parametrize(
    ("name", "suffix", "ending"),
    [("a.webp", None, ".webp"), ("a.b.png", None, ".png"), ("a", None, ".part"), ("a.png", ".tmp", ".tmp")],
)
def test_the_temporary_file_is_hidden_beside_it_and_ends_as_asked(
    tmp_path: Path, name: str, suffix: str | None, ending: str
) -> None:
    with replaced(tmp_path / name, suffix=suffix) as temporary:
        temporary.touch()
        assert (temporary.parent, temporary.name[0], temporary.suffix) == (tmp_path, ".", ending)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_text_is_utf_8(tmp_path: Path) -> None:
    write_text(tmp_path / "kept.txt", "桜の下の少女\n")
    write_new_text(tmp_path / "new.txt", "Straße\n")
    assert contents(tmp_path) == {"kept.txt": "桜の下の少女\n", "new.txt": "Straße\n"}


@pytest.mark.parametrize("links", [True, False], ids=["links", "no links"])
def test_a_new_text_is_never_written_over_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool) -> None:
    if not links:
        monkeypatch.setattr("os.link", without_links)
    write_new_text(tmp_path / "pin.json", "first")
    with pytest.raises(FileExistsError):
        write_new_text(tmp_path / "pin.json", "second")
    assert contents(tmp_path) == {"pin.json": "first"}


KILLED = """
import os, sys; from pathlib import Path; from engine.files import replaced
with replaced(Path(sys.argv[1]), suffix=sys.argv[2]) as part:
    part.write_text("half")
    print(part.name, flush=True)
    sys.stdin.readline()
    os.kill(os.getpid(), 9)
"""


def test_what_a_killed_process_left_is_deleted_and_what_a_living_one_writes_stays(tmp_path: Path) -> None:
    command = [sys.executable, "-c", KILLED, str(tmp_path / "big.safetensors"), ""]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        part = writer.stdout.readline().strip()
        remove_left_behind(tmp_path)
        assert list(contents(tmp_path)) == [part]
        writer.communicate("\n")
    assert list(contents(tmp_path)) == [part]
    remove_left_behind(tmp_path)
    assert contents(tmp_path) == {}


@pytest.mark.parametrize(
    ("name", "goes"),
    [
        (".kept.{dead}.part.txt", True),
        (".kept.{dead}.part", True),
        (".kept.{dead}-0000beef.part.txt", False),
        (".kept.{alive}.part.txt", False),
        (".other.{dead}.part.txt", False),
        ("kept.{dead}.part.txt", False),
        (".kept.part", False),
    ],
)
def test_the_next_writer_of_a_file_deletes_what_was_left_of_it(tmp_path: Path, name: str, goes: bool) -> None:
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    left = tmp_path / name.format(dead=done.pid, alive=os.getppid())
    left.touch()
    with replaced(tmp_path / "kept.txt", suffix="") as part:
        part.write_text("new")
    assert left.exists() is not goes
    (tmp_path / "below").mkdir()
    left = left.replace(tmp_path / "below" / left.name) if left.exists() else left
    remove_left_behind(tmp_path)
    assert left.exists() is not goes
    remove_left_behind(tmp_path, below=True)
    assert left.exists() is (not goes and not name.startswith(".other"))


# ------------------------------------------------------------------------------------------------------------- reading


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (Path.mkdir, "this is a folder, not a file"),
        (os.mkfifo, "this is a pipe, not a file"),
        (lambda path: path.symlink_to("/dev/zero"), "this is a device, not a file"),
        (lambda path: socket.socket(socket.AF_UNIX).bind(str(path)), "this is a socket, not a file"),
    ],
    ids=["folder", "pipe", "device", "socket"],
)
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_only_files_are_readable(tmp_path: Path, make: Callable[[Path], object], what: str) -> None:
    path = tmp_path / "x"
    make(path)
    with pytest.raises(OSError, match=what):
        readable(path)
    with pytest.raises(RecipeError, match=f"cannot be read .{what}"):
        read_text(path, RecipeError)


@pytest.mark.parametrize("name", ["a\0b", "\ud800", "x" * 5000])
def test_names_that_no_file_can_have_lead_nowhere(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    assert file_kind(path) == ""
    with pytest.raises(RecipeError, match=r"cannot be read \((no file can have this name|File name too long)\)"):
        read_text(path, RecipeError)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_texts_are_read_in_the_encodings_of_windows(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.toml"
    path.write_bytes('a = "日本 é"\r\nb = 2\r'.encode(encoding))
    assert read_text(path, RecipeError) == 'a = "日本 é"\nb = 2\n'


def test_an_encoding_that_cannot_be_told_is_named_with_the_place(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_bytes('x = 1\r\na = "é"'.encode("cp1252"))
    with pytest.raises(RecipeError, match=r"a\.toml: line 2 is not UTF-8 text \(byte 12\); save it as UTF-8"):
        read_text(path, RecipeError)


def test_what_is_far_too_long_for_a_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    with path.open("wb") as file:
        file.truncate(LONGEST_TEXT + 1)
    with pytest.raises(RecipeError, match="this is no text, it has more than"):
        read_text(path, RecipeError)


@pytest.mark.parametrize(
    ("text", "what"), [("~nosuchuser/a", "no such home folder"), ("a\0b", r"'a\\x00b': no file can have this name")]
)
def test_paths_that_nothing_can_have_are_refused(text: str, what: str) -> None:
    with pytest.raises(RecipeError, match=what):
        user_path(text, RecipeError)


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="these folders are those of Linux and the like")
@pytest.mark.parametrize("named", ["", "cache", "./cache", "~/cache"])
def test_a_folder_of_the_user_is_never_within_the_current_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, named: str
) -> None:
    """Programs and lists of what is trusted lie there: the current folder may be somebody else's."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", named)
    assert user_folder("XDG_CACHE_HOME", ".cache") == tmp_path / ".cache"
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert user_folder("XDG_CACHE_HOME", ".cache") == Path("/somewhere")
