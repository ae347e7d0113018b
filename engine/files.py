"""Files: what a path leads to, texts in any encoding that can be told, and files that are whole or not there.

Everything that is read goes through ``readable``: a pipe or a device in place of a file would keep the program waiting
for ever. ``tests/test_architecture.py`` looks for readers that leave it out.
"""

from __future__ import annotations

import codecs
import errno
import hashlib
import os
import platform
import re
import stat
import struct
import sys
import zipfile
from collections.abc import Generator
from contextlib import contextmanager, suppress
from functools import cache
from glob import escape
from pathlib import Path

from engine.errors import ProblemError

TEMPORARY = re.compile(r"\..+\.(?P<process>\d{1,10})(-(?P<host>[0-9a-f]{8}))?\.part(\.[^.]*)?")
"""Names of temporary files; older versions wrote no machine."""
LONGEST_TEXT = 1 << 28
"""The most bytes of a text file, 256 MiB: what is longer was named by mistake."""

DAMAGED_TENSORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    ImportError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
    zipfile.BadZipFile,
)
"""The errors that torch raises for damaged or foreign files, beside pickle's for those that need code."""

_KINDS = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "folder",
    stat.S_IFIFO: "pipe",
    stat.S_IFSOCK: "socket",
    stat.S_IFCHR: "device",
    stat.S_IFBLK: "device",
}
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""Byte order marks and the encodings that they stand for; that of UTF-32 begins with that of UTF-16."""


# ------------------------------------------------------------------------------------------------------------- reading


def file_kind(path: Path) -> str:
    """Return what a path leads to, file, folder, pipe, socket or device; "" where there is nothing to be seen."""
    try:
        return _kind(path)
    except OSError:
        return ""


def readable(path: Path) -> Path:
    """Return the path itself where it leads to a file; whatever is read is opened by what this returns.

    Raises:
        OSError: there is no such file, no file can have this name, or it is a folder, a pipe, a socket or a device;
            ``strerror`` says which, in words for people.
    """
    if (kind := _kind(path)) != "file":
        code = errno.EISDIR if kind == "folder" else errno.EINVAL
        raise OSError(code, f"this is a {kind}, not a file", str(path))
    return path


def _kind(path: Path) -> str:
    try:
        mode = path.stat().st_mode
    except ValueError:  # a zero byte, or half a letter
        raise OSError(errno.EINVAL, "no file can have this name", str(path)) from None
    return _KINDS.get(stat.S_IFMT(mode), "device")


def user_folder(variable: str, usual: str) -> Path:
    """The folder in which the programs of this system keep what belongs to the user.

    Args:
        variable: of the environment, which names it on Linux and the like (XDG base directories).
        usual: the folder there, within the user's home, where the variable is not set, or names no whole path: the
            folder would be another one from every place that programs are started in.
    """
    home = os.path.expanduser("~")  # noqa: PTH111 - Path.home() raises where a user has no home
    if sys.platform.startswith("win"):
        return Path(os.environ.get("APPDATA", home))
    if sys.platform == "darwin":
        return Path(home, "Library", "Application Support")
    named = Path(os.environ.get(variable, ""))
    return named if named.is_absolute() else Path(f"{home}/{usual}")


def user_path(text: str, kind: type[ProblemError]) -> Path:
    """Return a path as a person writes it, ``~`` for a home folder.

    Args:
        text: the path.
        kind: the error to raise.

    Raises:
        ProblemError: of that kind: there is no such home folder, or no file can have such a name.
    """
    if not is_text(text) or "\0" in text:
        raise kind(f"{text!r:.80}: no file can have this name", remedy="check the path")
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise kind(f"{text}: there is no such home folder", remedy="write the whole path") from None


def read_text(path: Path, kind: type[ProblemError]) -> str:
    """Read a text file, every line ending in one newline.

    A byte order mark says the encoding; without one it is UTF-8, or UTF-16 where every other byte of the first letter
    is zero, as in what PowerShell and old editors write.

    Args:
        path: the file.
        kind: the error to raise.

    Raises:
        ProblemError: of that kind: there is no such file, it cannot be read, or its encoding cannot be told.
    """
    try:
        content = _content(path)
    except OSError as error:
        raise kind(f"cannot be read ({error.strerror})", place=(path,), remedy="check the path") from error
    try:
        return decoded(content)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise kind(
            f"line {line} is not UTF-8 text (byte {error.start})",
            place=(path,),
            remedy="save it as UTF-8, in Notepad with Save as, Encoding",
        ) from error


def decoded(content: bytes) -> str:
    """Return the text of a file's bytes, every line ending in one newline; see ``read_text`` for the encodings.

    Raises:
        UnicodeDecodeError: it is in no encoding that can be told.
    """
    marked = (name for mark, name in _MARKS if content.startswith(mark) and len(content) > len(mark))
    encoding = next(marked, None) or _unmarked(content[:2])
    return content.decode(encoding).replace("\r\n", "\n").replace("\r", "\n")


def _unmarked(start: bytes) -> str:
    """The encoding of a text without a byte order mark, by its first letter: no text begins with a zero."""
    if len(start) == 2 and start.count(0) == 1:
        return "utf-16-be" if start[0] == 0 else "utf-16-le"
    return "utf-8"


def _content(path: Path) -> bytes:
    with readable(path).open("rb") as file:
        content = file.read(LONGEST_TEXT + 1)
    if len(content) > LONGEST_TEXT:
        raise OSError(errno.EFBIG, f"this is no text, it has more than {LONGEST_TEXT:,} bytes", str(path))
    return content


def is_text(text: str) -> bool:
    """Return whether a text can be written: it has no lone surrogates, halves of letters that no encoding knows."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


# ------------------------------------------------------------------------------------------------------------- writing


@contextmanager
def replaced(path: Path, *, suffix: str | None = None) -> Generator[Path]:
    """A temporary path beside ``path`` that takes its place when the block ends well, and vanishes when it does not.

    Args:
        path: the file to write; one that is there already stays as it was until then.
        suffix: of the temporary name; that of ``path`` by default, since some writers choose the format by it. With
            "", what killed writers of the same file left is deleted first: it may be as large as a checkpoint.

    Raises:
        OSError: the folder is missing or not writable, or the disk is full.
    """
    if suffix == "" and path.parent.is_dir():
        remove_left_behind(path.parent, path.stem)
    with _temporary(path, path.suffix if suffix is None else suffix) as temporary:
        yield temporary
        _flush(temporary)
        temporary.replace(path)


def write_text(path: Path, text: str) -> None:
    """Write a whole text file or none."""
    with replaced(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_new_text(path: Path, text: str) -> None:
    """Write a whole text file or none, and never over a file that is there.

    Raises:
        FileExistsError: there is a file of this name; it is left as it is.
        OSError: the folder is missing or not writable, or the disk is full.
    """
    with _temporary(path, "") as temporary:
        temporary.write_text(text, encoding="utf-8")
        _flush(temporary)
        try:
            os.link(temporary, path)
        except FileExistsError:
            raise
        except OSError:  # file systems such as FAT have no hard links: take the name first, then fill it at once
            path.touch(exist_ok=False)
            temporary.replace(path)


@contextmanager
def _temporary(path: Path, ending: str) -> Generator[Path]:
    """A hidden path beside ``path``, of this process alone; nothing is left there, unless the process is killed."""
    temporary = path.with_name(f".{path.stem}.{os.getpid()}-{_this_host()}.part{ending}")
    temporary.unlink(missing_ok=True)  # of a process that had our number
    try:
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def remove_left_behind(folder: Path, stem: str = "*", *, below: bool = False) -> None:
    """Delete the temporary files of processes that were killed: of this machine, and not running any more.

    Args:
        folder: to look in.
        stem: of the names of the files that they were to become; default: any.
        below: look in its folders too.
    """
    pattern = f".{escape(stem) if stem != '*' else stem}.*.part*"
    with suppress(OSError):
        for path in folder.rglob(pattern) if below else folder.glob(pattern):
            found = TEMPORARY.fullmatch(path.name)
            if found and found["host"] in (None, _this_host()) and not _runs(int(found["process"])):
                with suppress(OSError):
                    path.unlink()


def _runs(process: int) -> bool:
    import psutil

    return psutil.pid_exists(process)


@cache
def _this_host() -> str:
    """Eight hex digits of this machine's name: another machine's processes have numbers of their own."""
    return hashlib.sha256(platform.node().encode()).hexdigest()[:8]


def _flush(path: Path) -> None:
    """Wait until a file is on the disk."""
    with path.open("r+b") as file:  # Windows makes only files durable that are open for writing
        os.fsync(file.fileno())
