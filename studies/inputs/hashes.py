"""SHA-256 of model files, remembered: a file is hashed anew when its size or modification time has changed."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import cast

from engine.checkpoints.checkpoint import file_sha256
from engine.errors import CheckpointError
from engine.files import readable, replaced, user_folder

SHA256 = re.compile(r"[0-9a-f]{64}")
"""What a hash looks like."""
BytesProgress = Callable[[int, int], None]
log = logging.getLogger(__name__)


def user_memory() -> Path:
    """The file where hashes are remembered outside any study, in the user's own folder for this program."""
    return user_folder("XDG_CONFIG_HOME", ".config") / "sd-recipe-search" / "hashes.json"


def hashes_of(
    models: Mapping[str, Path], memory: Path, progress: BytesProgress | None = None, *, afresh: bool = False
) -> dict[str, str]:
    """SHA-256 of every file, by name; two are hashed at a time.

    Args:
        models: path by name.
        memory: a JSON file, made where it is missing; one that cannot be read is ignored, and one that cannot be
            written is skipped.
        progress: called with (bytes hashed, bytes in all) as files are hashed.
        afresh: read every file whole, whatever is remembered: some tools that copy files keep size and time.

    Raises:
        CheckpointError: a file is missing or cannot be read.
    """
    known = _known(memory)
    identities = {name: _identity(path) for name, path in models.items()}
    fresh = {identities[name]: path for name, path in models.items() if afresh or identities[name] not in known}
    found = _hashed(fresh, progress) if fresh else {}
    if not found.items() <= known.items():
        known |= found
        _remember(known, memory)
    return {name: known[identity] for name, identity in identities.items()}


def remember_hash(path: Path, sha256: str, memory: Path) -> None:
    """Keep the hash of a file that was just written, so that nobody reads it again; skipped where it cannot be."""
    _remember(_known(memory) | {_identity(path): sha256}, memory)


def remembered_hash(path: Path, memory: Path) -> str:
    """Return the SHA-256 of a file as it is, where it is known; else "".

    Raises:
        CheckpointError: the file is missing or cannot be read.
    """
    return _known(memory).get(_identity(path), "")


def _remember(known: Mapping[str, str], memory: Path) -> None:
    """Write the memory if possible: without it, files are hashed again the next time."""
    try:
        memory.parent.mkdir(parents=True, exist_ok=True)
        with replaced(memory) as temporary:
            temporary.write_text(json.dumps(known, indent=1), encoding="utf-8")
    except OSError as error:
        log.warning("%s: cannot be written (%s), so hashes are not remembered", memory, error.strerror)


def _hashed(files: Mapping[str, Path], progress: BytesProgress | None) -> dict[str, str]:
    total = sum(path.stat().st_size for path in files.values())
    done = dict.fromkeys(files, 0)

    def reporter(identity: str) -> BytesProgress:
        def report(so_far: int, _size: int) -> None:
            done[identity] = so_far
            if progress:
                progress(sum(done.values()), total)

        return report

    with ThreadPoolExecutor(2) as pool:
        running = {identity: pool.submit(file_sha256, path, reporter(identity)) for identity, path in files.items()}
        return {identity: future.result() for identity, future in running.items()}


def _identity(path: Path) -> str:
    try:
        status = readable(path).stat()
    except OSError as error:
        raise CheckpointError(f"cannot be read ({error.strerror})", place=(path,), remedy="check the path") from error
    return f"{path.resolve()}|{status.st_size}|{status.st_mtime_ns}"


def _known(memory: Path) -> dict[str, str]:
    """The remembered hashes; what is damaged is left out, and hashed again."""
    try:
        found = json.loads(readable(memory).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    entries = cast("dict[str, object]", found).items() if isinstance(found, dict) else ()
    return {name: value for name, value in entries if isinstance(value, str) and SHA256.fullmatch(value)}
