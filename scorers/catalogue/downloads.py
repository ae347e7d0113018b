"""Downloading a published file: asked for by the user, checked by its hash, whole or not there at all."""

from __future__ import annotations

import hashlib
import os
import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from typing import IO

from scorers.catalogue.published import PublishedFile
from scorers.errors import ScorerError

PART = 1 << 20
SILENCE_S = 60.0
"""How long a server may say nothing."""
Progress = Callable[[int, int], None]


def download(file: PublishedFile, folder: Path, progress: Progress | None = None) -> str:
    """Fetch a file into a folder, under a temporary name until it is whole and its hash is right.

    Args:
        file: what to fetch; its ``name`` is the place in the folder.
        folder: made where it is missing.
        progress: called with (bytes so far, bytes in all); the latter is 0 where the server does not say.

    Returns:
        SHA-256 of what was fetched.

    Raises:
        ScorerError: the server cannot be reached or refuses, the file came short or with another hash, or the folder
            cannot be written. Nothing is left behind.
    """
    path = folder / file.name
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as target:
            sha256 = _fetched(file, target, progress)
        if file.is_file_of(sha256) is False:
            raise ScorerError(
                f"{file.source}: came with SHA-256 {sha256}, not {file.sha256}",
                remedy="it is another file than is known here, and was thrown away",
            )
        temporary.replace(path)
    except urllib.error.HTTPError as error:
        error.close()
        raise ScorerError(
            f"{file.source}: the server says {error.code} {error.reason}", remedy=f"fetch it by hand into {path}"
        ) from error
    except (urllib.error.URLError, HTTPException, TimeoutError, ConnectionError) as error:
        reason = getattr(error, "reason", error)
        raise ScorerError(
            f"{file.source}: cannot be fetched ({reason})", remedy=f"fetch it by hand into {path}"
        ) from error
    except OSError as error:
        raise ScorerError(
            f"cannot be written ({error.strerror})", place=(path,), remedy="name a folder where you may write"
        ) from error
    finally:
        if temporary.exists():  # where the folder is a file, even asking to remove it would fail
            temporary.unlink()
    return sha256


def _fetched(file: PublishedFile, target: IO[bytes], progress: Progress | None) -> str:
    """Copy the answer to the target, and hash it on the way."""
    if not file.source.startswith(("https://", "http://")):
        raise ScorerError(f"{file.source}: not a web address")
    request = urllib.request.Request(file.source, headers={"User-Agent": "sd-recipe-search"})  # noqa: S310  # checked above
    digest, done = hashlib.sha256(), 0
    with urllib.request.urlopen(request, timeout=SILENCE_S) as answer:  # noqa: S310  # checked above
        total = int(answer.headers.get("Content-Length") or 0)
        while part := answer.read(PART):
            target.write(part)
            digest.update(part)
            done += len(part)
            if progress:
                progress(done, total)
    target.flush()
    os.fsync(target.fileno())
    if total and done != total:
        raise ScorerError(f"{file.source}: {done} of {total} bytes came", remedy="try again")
    return digest.hexdigest()
