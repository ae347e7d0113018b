"""Downloading a published file: asked for by the user, checked by its hash, whole or not there under its name.

Proxies are those that the environment or the system names. A download that was cut short is gone on with where the
file's hash is known beforehand: only then can bytes of two answers be trusted to be one file. For that a download has
a ``.part`` file of its own that stays behind, where ``engine.files.replaced`` leaves nothing.
"""

from __future__ import annotations

import hashlib
import os
import urllib.error
import urllib.request
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from ssl import SSLError
from typing import IO

from engine.errors import Named
from scorers.catalogue.published import PublishedFile
from scorers.errors import ScorerError

PART = 1 << 20
SILENCE_S = 60.0
"""How long a server may say nothing."""
HUB = "https://huggingface.co/"
"""Where a person's token for the Hugging Face Hub is sent, and nowhere else."""
NOTHING_MORE = 416
"""What a server answers when it is asked for bytes behind the last."""
GO_ON = "ask for it again to go on from there"
"""The way out where a download was cut short."""
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
            cannot be written. What came of a file whose hash is known waits for the next call, under a hidden
            name; nothing else is left behind.
    """
    path = folder / file.name
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _unfinished(path, keep=bool(file.sha256)) as part:
            sha256 = _fetched(file, part, progress)
            if file.is_file_of(sha256) is False:
                part.unlink()
                raise ScorerError(
                    f"came with SHA-256 {sha256}, not {file.sha256}",
                    place=(Named(file.source),),
                    remedy="it is another file than is known here, and was thrown away",
                )
            part.replace(path)
    except urllib.error.HTTPError as error:
        error.close()
        raise ScorerError(
            f"the server says {error.code} {error.reason}",
            place=(Named(file.source),),
            remedy=f"fetch it by hand into {path}",
        ) from error
    except (urllib.error.URLError, HTTPException, TimeoutError, ConnectionError, SSLError) as error:
        reason = getattr(error, "reason", error)
        remedy = f"{GO_ON}, or fetch" if file.sha256 and _left(path).exists() else "fetch"
        raise ScorerError(
            f"cannot be fetched ({reason})", place=(Named(file.source),), remedy=f"{remedy} it by hand into {path}"
        ) from error
    except OSError as error:
        raise ScorerError(
            f"cannot be written ({error.strerror})", place=(path,), remedy="name a folder where you may write"
        ) from error
    return sha256


def _left(path: Path) -> Path:
    """Where an unfinished file waits for the next call."""
    return path.with_name(f".{path.name}.part")


@contextmanager
def _unfinished(path: Path, *, keep: bool) -> Generator[Path]:
    """A temporary path of this process alone.

    Args:
        path: of the whole file.
        keep: whether what an earlier call left is there, and what this one leaves is kept.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    if keep:
        with suppress(FileNotFoundError):
            _left(path).replace(part)
    try:
        yield part
    finally:
        if part.exists():
            part.replace(_left(path)) if keep else part.unlink()


def _fetched(file: PublishedFile, part: Path, progress: Progress | None) -> str:
    """Bring the rest of a file to where it is kept meanwhile; returns the hash of all of it."""
    start = part.stat().st_size if part.exists() else 0
    try:
        with (
            urllib.request.urlopen(_request(file, start), timeout=SILENCE_S) as answer,  # noqa: S310  # checked there
            part.open("r+b" if start else "wb") as target,
        ):
            return _copied(file, answer, target, progress)
    except urllib.error.HTTPError as error:
        if error.code != NOTHING_MORE or not start:
            raise
        error.close()
    with part.open("rb") as whole:
        return hashlib.file_digest(whole, "sha256").hexdigest()


def _request(file: PublishedFile, start: int) -> urllib.request.Request:
    """The question for a file from byte ``start`` on."""
    if not file.source.startswith(("https://", "http://")):
        raise ScorerError("not a web address", place=(Named(file.source),))
    request = urllib.request.Request(file.source, headers={"User-Agent": "sd-recipe-search"})  # noqa: S310  # checked above
    if start:
        request.add_header("Range", f"bytes={start}-")
    if file.source.startswith(HUB):
        from huggingface_hub import get_token

        if token := get_token():
            request.add_unredirected_header("Authorization", f"Bearer {token}")
    return request


def _copied(file: PublishedFile, answer: HTTPResponse, target: IO[bytes], progress: Progress | None) -> str:
    """Write an answer behind what is there, or over it where all of the file came; returns the hash of all."""
    digest, done = hashlib.sha256(), 0
    if answer.status == 206:
        while part := target.read(PART):
            digest.update(part)
            done += len(part)
    else:
        target.truncate()
    left = int(answer.headers.get("Content-Length") or 0)
    total = done + left if left else 0
    while part := answer.read(PART):
        target.write(part)
        digest.update(part)
        done += len(part)
        if progress:
            progress(done, total)
    target.flush()
    os.fsync(target.fileno())
    if total and done != total:
        remedy = GO_ON if file.sha256 else "try again"
        raise ScorerError(f"{done} of {total} bytes came", place=(Named(file.source),), remedy=remedy)
    return digest.hexdigest()
