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
    name = f"{source.stem}-{hashlib.sha256(made_of.encode()).hexdigest()[:16]}.so"
    command = [compiler, *OPTIONS, *options, str(source)]
    try:
        with tempfile.TemporaryDirectory() as own:
            kept = (_kept_folder() or Path(own)) / name
            if not kept.exists():
                _compile(command, kept)
            return ctypes.CDLL(str(kept))
    except (OSError, subprocess.SubprocessError) as error:
        log.warning("%s could not be compiled (%s), so models are built in several passes", source.name, _reason(error))
        return None


def _compile(command: list[str], path: Path) -> None:
    with replaced(path) as temporary:
        run = [*command, "-o", str(temporary)]
        subprocess.run(run, check=True, capture_output=True, text=True, timeout=_TIME_LIMIT_S, stdin=subprocess.DEVNULL)


def _reason(error: Exception) -> str:
    if isinstance(error, subprocess.CalledProcessError) and error.stderr:
        return str(error.stderr).strip().splitlines()[0]
    return str(error)


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
    folder = user_folder("XDG_CACHE_HOME", ".cache") / "sd-recipe-search" / "kernels"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.stat()
    except OSError:
        return None
    own = found.st_uid == os.getuid() and not found.st_mode & 0o022
    return folder if own and os.access(folder, os.W_OK) else None
