"""Writing a merged checkpoint: tensor by tensor, hashed as it is written, one file or none.

The file has the key names and shapes of the first model; what goes into it is ``engine.merging.output``'s affair.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections import deque
from collections.abc import Callable, Generator, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from io import FileIO
from pathlib import Path

import torch
from torch import Tensor

from engine.checkpoints.checkpoint import BytesRead, Checkpoint, open_checkpoint
from engine.checkpoints.header import header_bytes
from engine.errors import CheckpointError, Problems, RecipeError
from engine.files import file_kind, replaced
from engine.merging.output import MergedTensors, Output
from engine.merging.sources import SCRATCH_TURNS
from engine.recipes.recipe import Recipe

ByteConsumer = Callable[[memoryview], object]

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenCheckpoint:
    """A finished file and its hashes.

    Attributes:
        path: where it is.
        sha256: of the whole file.
        autov2: the first ten digits of that: the WebUI's and Civitai's short hash.
        autov3: SHA-256 of the tensors without the header, 64 digits; the same whatever the metadata.
        bytes: its size.
    """

    path: Path
    sha256: str
    autov2: str
    autov3: str
    bytes: int


def write_checkpoint(
    recipe: Recipe,
    models: Mapping[str, Path],
    out: Path | str,
    *,
    output: Output | None = None,
    metadata: Mapping[str, str],
    progress: BytesRead | None = None,
    overwrite: bool = False,
) -> WrittenCheckpoint:
    """Build the checkpoint of a recipe on disk. It appears under its name only when it is whole.

    Args:
        recipe: what to merge.
        models: paths by the names the recipe uses.
        out: the new file, ``.safetensors``.
        output: the options of the file; fp16, exact, everything kept where not given.
        metadata: for the header; ``format`` is added.
        progress: called with (bytes written, bytes in all).
        overwrite: whether an existing file may be replaced; a parent never is.

    Raises:
        CheckpointError: unusable parents, an existing or impossible output, a full disk, weights beyond the dtype.
        RecipeError: the recipe takes a model that is not among ``models``, or the models do not fit each other.
    """
    out, output = Path(out), output or Output()
    parents = open_parents(recipe, models)
    _check_out(out, [*(parent.path for parent in parents.values()), *filter(None, [output.vae])], overwrite=overwrite)
    tensors = MergedTensors(recipe, parents, output)
    head = header_bytes(tensors.layout, {"format": "pt", **metadata})
    size = len(head) + sum(info.size for info in tensors.layout.values())
    return _write(out, head, tensors, size, progress, overwrite=overwrite)


def open_parents(recipe: Recipe, models: Mapping[str, Path]) -> dict[str, Checkpoint]:
    """The models that a recipe takes, by name.

    Raises:
        CheckpointError: a file cannot be used, or is of another family than the recipe; all of them at once.
        RecipeError: the recipe takes a model that is not among ``models``.
    """
    if unknown := sorted({*recipe.models} - {*models}):
        raise RecipeError(f"the recipe takes {', '.join(unknown)}; the models at hand are {', '.join(models)}")
    found: dict[str, Checkpoint] = {}
    problems = Problems()
    for name in recipe.models:
        with problems.collecting():
            found[name] = open_checkpoint(models[name])
            if found[name].family != recipe.family:
                problems.add(
                    (models[name],),
                    f"this is a model of the family {found[name].family}, and the recipe is for {recipe.family}",
                    f'write family = "{found[name].family}" in the recipe, or take other models',
                )
    problems.raise_as(CheckpointError)
    return found


def _check_out(out: Path, parents: list[Path], *, overwrite: bool) -> None:
    if out.suffix != ".safetensors":
        raise CheckpointError(f"{out}: the name of a checkpoint ends in .safetensors")
    if file_kind(out.parent) != "folder":
        raise CheckpointError(f"{out}: there is no folder {out.parent}; make it first")
    if file_kind(out) == "folder":
        raise CheckpointError(f"{out}: this is a folder; name a file")
    if any(file_kind(out) and file_kind(parent) and out.samefile(parent) for parent in parents):
        raise CheckpointError(f"{out}: this is one of the parents, which are never replaced; choose another name")
    if file_kind(out) and not overwrite:
        raise CheckpointError(f"{out}: exists already; choose another name, or ask for it to be overwritten")


# ------------------------------------------------------------------------------------------------------ how to write


def _write(
    out: Path, head: bytes, tensors: Iterable[Tensor], size: int, progress: BytesRead | None, *, overwrite: bool
) -> WrittenCheckpoint:
    """Write under a temporary name in the same folder, make it durable, then give it its name."""
    free = shutil.disk_usage(out.parent).free
    if free < size:
        raise _no_room(out, size, free)
    try:
        with replaced(out, suffix="") as part:  # a program that lists checkpoints does not see half a one
            whole, data = _stream(part, head, tensors, _reporter(progress, size))
            if file_kind(out) and not overwrite:
                raise CheckpointError(f"{out}: appeared while its checkpoint was being built; choose another name")
    except OSError as error:
        raise _failed(out, size, error) from error
    _sync_folder(out.parent)
    return WrittenCheckpoint(path=out, sha256=whole, autov2=whole[:10], autov3=data, bytes=size)


def _stream(part: Path, head: bytes, tensors: Iterable[Tensor], report: Callable[[int], None]) -> tuple[str, str]:
    """Write the file; returns the hashes of all of it and of its data.

    While tensors are hashed and written, the next ones are made: each of these takes about as long.
    """
    whole, data, done = hashlib.sha256(head), hashlib.sha256(), len(head)
    with part.open("xb", buffering=0) as file, ExitStack() as stack:
        file.write(head)
        works: list[ByteConsumer] = [whole.update, data.update, partial(_write_all, file)]
        lanes: list[tuple[ThreadPoolExecutor, ByteConsumer]] = [
            (stack.enter_context(ThreadPoolExecutor(1)), work) for work in works
        ]
        stack.enter_context(_one_thread())
        running: deque[tuple[int, list[Future[object]]]] = deque()
        for tensor in tensors:
            content = bytes_of(tensor)
            running.append((len(content), [pool.submit(work, content) for pool, work in lanes]))
            done += _wait_for(running, leave=SCRATCH_TURNS - 2)  # one more is being made
            report(done)
        report(done + _wait_for(running, leave=0))
    return whole.hexdigest(), data.hexdigest()


@contextmanager
def _one_thread() -> Generator[None]:
    """Keep torch to one thread: more wait for each other longer than they work, and hashing wants the other cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _write_all(file: FileIO, content: memoryview, /) -> None:
    """Write all of it; a single write may stop early, at a limit of the system or of the disk."""
    while content:
        content = content[file.write(content) :]


def _wait_for(running: deque[tuple[int, list[Future[object]]]], *, leave: int) -> int:
    """Wait until no more than ``leave`` tensors are under way; returns the bytes of those that are done."""
    done = 0
    while len(running) > leave:
        size, futures = running.popleft()
        for future in futures:
            future.result()
        done += size
    return done


def bytes_of(tensor: Tensor) -> memoryview:
    """The bytes of a tensor on the CPU, in reading order; no copy where it lies that way already."""
    return tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data


def _reporter(progress: BytesRead | None, size: int) -> Callable[[int], None]:
    return lambda done: progress(done, size) if progress else None


def _failed(out: Path, size: int, error: OSError) -> CheckpointError:
    if error.errno in _FULL:
        return _no_room(out, size, shutil.disk_usage(out.parent).free)
    return CheckpointError(f"{out}: cannot be written ({error.strerror}); nothing was left there; check the folder")


def _no_room(out: Path, size: int, free: int) -> CheckpointError:
    return CheckpointError(
        f"{out}: no room: the checkpoint needs {size} bytes, {free} bytes are free on this disk (a quota or file size "
        "limit may allow less); nothing was left there; make room or choose another disk"
    )


def _sync_folder(folder: Path) -> None:
    """Make the new name durable, where the system can (Windows cannot open folders)."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
