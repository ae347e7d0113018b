"""Writing a merged checkpoint: tensor by tensor, the same arithmetic as the live weights, one file or none.

The file has the key names and shapes of the first model. Weights that take part in the merge are in the export
dtype, and so are weights that the second model lacks; everything else (``position_ids``, noise tables) is copied as
it is. Tensors lie in the order that the safetensors library uses, so equal recipes give equal AutoV3 hashes.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from engine.arithmetic import DTYPES, Arithmetic, all_finite
from engine.blocks import is_merged
from engine.checkpoint import FLOATS, Checkpoint, Progress, check_pair, open_checkpoint
from engine.errors import CheckpointError, RecipeError
from engine.header import SIZES, TensorInfo, header_bytes
from engine.plan import Row, plan_for
from engine.recipe import Recipe

_STORED = {"fp16": "F16", "bf16": "BF16", "fp32": "F32"}
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
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
    dtype: str = "fp16",
    metadata: Mapping[str, str],
    progress: Progress | None = None,
    overwrite: bool = False,
) -> Written:
    """Build the checkpoint of a recipe on disk. It appears under its name only when it is whole.

    Args:
        recipe: what to merge.
        models: paths by the names the recipe uses.
        out: the new file, ``.safetensors``.
        dtype: fp16, bf16 or fp32.
        metadata: for the header; ``format`` is added.
        progress: called with (bytes written, bytes in all).
        overwrite: whether an existing file may be replaced; a parent never is.

    Raises:
        CheckpointError: unusable parents, an existing or impossible output, a full disk, weights beyond the dtype.
        RecipeError: the recipe takes a model that is not among ``models``.
    """
    out = Path(out)
    _check_dtype(dtype)
    first, second = _parents(recipe, models)
    _check_out(out, [first.path, second.path], overwrite=overwrite)
    merge = _Merge(recipe, first, second, dtype)
    head = header_bytes(merge.layout, {"format": "pt", **metadata})
    size = len(head) + sum(info.size for info in merge.layout.values())
    return _write(out, head, merge.tensors(), size, progress, overwrite=overwrite)


def _check_dtype(dtype: str) -> None:
    if dtype not in DTYPES:
        raise CheckpointError(f"cannot write {dtype!r}; the dtypes are {', '.join(DTYPES)}")


def _parents(recipe: Recipe, models: Mapping[str, Path]) -> tuple[Checkpoint, Checkpoint]:
    unknown = sorted({*recipe.merge.models} - {*models})
    if unknown:
        raise RecipeError(f"the recipe takes {', '.join(unknown)}; the models at hand are {', '.join(models)}")
    first, second = (open_checkpoint(models[name]) for name in recipe.merge.models)
    check_pair(first, second)
    return first, second


def _check_out(out: Path, parents: list[Path], *, overwrite: bool) -> None:
    if out.suffix != ".safetensors":
        raise CheckpointError(f"{out}: the name of a checkpoint ends in .safetensors")
    if not out.parent.is_dir():
        raise CheckpointError(f"{out}: there is no folder {out.parent}; make it first")
    if out.is_dir():
        raise CheckpointError(f"{out}: this is a folder; name a file")
    if any(out.exists() and out.samefile(parent) for parent in parents):
        raise CheckpointError(f"{out}: this is one of the parents, which are never replaced; choose another name")
    if out.exists() and not overwrite:
        raise CheckpointError(f"{out}: exists already; choose another name, or ask for it to be overwritten")


# ----------------------------------------------------------------------------------------------------- what to write


class _Merge:
    """The tensors of the new file, in order."""

    def __init__(self, recipe: Recipe, first: Checkpoint, second: Checkpoint, dtype: str) -> None:
        self._first, self._second, self._dtype = first, second, dtype
        self._rows = plan_for(recipe, (key for key in first.tensors if key in second.tensors)).rows
        self._arithmetic = Arithmetic(torch.device("cpu"), DTYPES[dtype])
        infos = {key: self._info(key) for key in first.tensors}
        self._order = sorted(infos, key=lambda key: (-SIZES[infos[key].dtype], first.stored_name(key)))
        self.layout = {first.stored_name(key): infos[key] for key in self._order}

    def _info(self, key: str) -> TensorInfo:
        info = self._first.tensors[key]
        weight = is_merged(key) and info.dtype in FLOATS
        return TensorInfo(shape=info.shape, dtype=_STORED[self._dtype] if weight else info.dtype)

    def tensors(self) -> Iterator[Tensor]:
        for key in self._order:
            stored = self._first.read(key)
            if not (is_merged(key) and self._first.tensors[key].dtype in FLOATS):
                yield stored
            elif row := self._rows.get(key):
                yield self._merged(key, row, stored)
            else:
                yield stored.to(DTYPES[self._dtype])

    def _merged(self, key: str, row: Row, first: Tensor) -> Tensor:
        result = torch.empty(first.numel(), dtype=DTYPES[self._dtype])
        self._arithmetic.evaluate(row, first.reshape(-1), self._second.read(key).reshape(-1), result)
        if not all_finite(result):
            raise CheckpointError(
                f"{key}: the merge gives weights that {self._dtype} cannot hold, or a parent has NaN weights; "
                "check the parents, and the ratios and factors of the recipe"
            )
        return result


# ------------------------------------------------------------------------------------------------------ how to write


def _write(
    out: Path, head: bytes, tensors: Iterator[Tensor], size: int, progress: Progress | None, *, overwrite: bool
) -> Written:
    """Write under a temporary name in the same folder, make it durable, then give it its name."""
    free = shutil.disk_usage(out.parent).free
    if free < size:
        raise _no_room(out, size, free)
    part = out.with_name(f".{out.name}.{os.getpid()}.part")
    try:
        whole, data = _stream(part, head, tensors, _reporter(progress, size))
        if out.exists() and not overwrite:
            raise CheckpointError(f"{out}: appeared while its checkpoint was being built; choose another name")
        part.replace(out)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise _failed(out, size, error) from error
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    _sync_folder(out.parent)
    return Written(path=out, sha256=whole, autov2=whole[:10], autov3=data, bytes=size)


def _stream(part: Path, head: bytes, tensors: Iterator[Tensor], report: Callable[[int], None]) -> tuple[str, str]:
    """Write the file; returns the hashes of all of it and of its data."""
    whole, data = hashlib.sha256(head), hashlib.sha256()
    with part.open("xb") as file:
        file.write(head)
        for tensor in tensors:
            content = bytes_of(tensor)
            file.write(content)
            whole.update(content)
            data.update(content)
            report(file.tell())
        file.flush()
        os.fsync(file.fileno())
    return whole.hexdigest(), data.hexdigest()


def bytes_of(tensor: Tensor) -> memoryview:
    """The bytes of a tensor on the CPU, in reading order; no copy where it lies that way already."""
    return tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data


def _reporter(progress: Progress | None, size: int) -> Callable[[int], None]:
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
