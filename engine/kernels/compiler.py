"""Makes a shared library of a C source with the compiler of this machine, and keeps it for the next process.

It lies in the user's cache folder, under a name that says what it was made of. A folder that others may write to is not
used: a library runs with all rights of the user.
"""

from __future__ import annotations

import ctypes
import hashlib
import logging
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

from engine.errors import first_line
from engine.files import readable, replaced, user_folder

log = logging.getLogger(__name__)

OPTIONS = ("-std=gnu11", "-O3", "-ffp-contract=off", "-fPIC", "-shared")
"""Options of every compilation: products and sums must round one by one."""
PROCESSORS: dict[tuple[str, str], tuple[str, ...]] = {
    ("x86_64", "AVX2"): ("-mavx2", "-mf16c"),
    ("x86_64", "AVX512"): ("-mavx2", "-mf16c", "-mavx512f", "-mavx512vl", "-mavx512bw", "-mavx512dq"),
    ("aarch64", ""): (),
    ("arm64", ""): (),
}
"""Options by processor and by what torch says of its instruction set (``""``: any)."""
COMPILERS = ("cc", "gcc", "clang")
"""The names under which a C compiler is looked for, in this order."""
_TIME_LIMIT_S = 120.0


def library(source: Path) -> ctypes.CDLL | None:
    """The library of a source, compiled if it is not kept yet; None where that cannot be done here.

    Args:
        source: one C file.
    """
    compiler, options = _compiler(), _processor_options()
    if compiler is None or options is None:
        log.info("no C compiler is used here, so models are built in several passes")
        return None
    text = readable(source).read_text(encoding="utf-8")
    made_of = "\n".join((text, compiler, *OPTIONS, *options))
    name = f"{source.stem}-{_digest(made_of.encode())}"
    folder = _kept_folder()
    try:
        if kept := _kept(folder, name):
            return ctypes.CDLL(str(kept))
        with tempfile.TemporaryDirectory() as own:
            made = Path(own, f"{source.stem}.so")
            _compile([compiler, *OPTIONS, *options, str(source)], made)
            loaded = ctypes.CDLL(str(made))  # before it is kept: what cannot be loaded is compiled again next time
            _keep(made, folder, name)
            return loaded
    except (OSError, subprocess.SubprocessError) as error:
        log.warning("%s could not be compiled (%s), so models are built in several passes", source.name, _reason(error))
        return None


def _compile(command: list[str], path: Path) -> None:
    subprocess.run(
        [*command, "-o", str(path)],
        check=True, capture_output=True, text=True, errors="replace", timeout=_TIME_LIMIT_S, stdin=subprocess.DEVNULL,
    )  # fmt: skip


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def _kept(folder: Path | None, name: str) -> Path | None:
    """The kept library of a name, if its content is that of which its name ends with the hash.

    A process that loads half a library is ended by the system, with no word.
    """
    if folder is None:
        return None
    return next((path for path in folder.glob(f"{name}-*.so") if _is_whole(path)), None)


def _is_whole(path: Path) -> bool:
    try:
        return path.stem.endswith("-" + _digest(readable(path).read_bytes()))
    except OSError:
        return False


def _keep(made: Path, folder: Path | None, name: str) -> None:
    """Keep a library for the next process; where that fails, it compiles its own."""
    if folder is None:
        return
    content = readable(made).read_bytes()
    try:
        with replaced(folder / f"{name}-{_digest(content)}.so") as temporary:
            temporary.write_bytes(content)
    except OSError as error:
        log.info("%s: what was compiled cannot be kept (%s)", folder, error.strerror)


def _reason(error: Exception) -> str:
    """Why there is no library, in one line."""
    if isinstance(error, subprocess.CalledProcessError):
        lines = str(error.stderr or "").split("\n")
        ended = f"the compiler ended with status {error.returncode}, and said nothing"
        return next((line.strip() for line in lines if line.strip()), ended)
    if isinstance(error, subprocess.TimeoutExpired):
        return f"the compiler took more than {error.timeout:g} seconds"
    return first_line(error)


@cache
def _compiler() -> str | None:
    """The compiler to run. On a Mac without developer tools ``cc`` would open a window that offers to install them."""
    if sys.platform.startswith("win"):
        return None
    if sys.platform == "darwin":
        asked = subprocess.run(["/usr/bin/xcode-select", "-p"], check=False, capture_output=True)
        if asked.returncode:
            return None
    return next((found for name in COMPILERS if (found := shutil.which(name))), None)


def _processor_options() -> tuple[str, ...] | None:
    import torch

    machine, instructions = platform.machine(), torch.backends.cpu.get_cpu_capability()
    return PROCESSORS.get((machine, instructions), PROCESSORS.get((machine, "")))


def _kept_folder() -> Path | None:
    """The folder for libraries in the user's cache; None where there is none that only the user can write to."""
    shared = user_folder("XDG_CACHE_HOME", ".cache") / "sd-recipe-search"
    folder = shared / "kernels"
    try:
        shared.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        # whoever can write to the folder around it can put another one in its place
        own = all(_is_own(path.stat()) for path in (shared, folder))
    except OSError:
        return None
    return folder if own and os.access(folder, os.W_OK) else None


def _is_own(found: os.stat_result) -> bool:
    return found.st_uid == os.getuid() and not found.st_mode & 0o022
