"""The header of a safetensors file: names, shapes, dtypes and metadata, read and written without any library.

A file is eight bytes (little-endian length of the header), the header (JSON), the data. It is read here so that errors
can say what a file really is.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from engine.errors import CheckpointError
from engine.files import readable

MAX_HEADER = 100_000_000
"""The format's own limit, in bytes."""
SIZES: dict[str, int] = {
    "U64": 8, "I64": 8, "F64": 8, "F32": 4, "U32": 4, "I32": 4, "BF16": 2, "F16": 2, "U16": 2, "I16": 2,
    "F8_E4M3": 1, "F8_E5M2": 1, "I8": 1, "U8": 1, "BOOL": 1,
}  # fmt: skip
"""Bytes of one number, by dtype, in the order in which the safetensors library writes tensors of several dtypes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorInfo:
    """One tensor of a file; ``dtype`` is the format's name (F16, F32, BF16, I64, ...)."""

    shape: tuple[int, ...]
    dtype: str

    @property
    def elements(self) -> int:
        """How many numbers it has."""
        count = 1
        for size in self.shape:
            count *= size
        return count

    @property
    def size(self) -> int:
        """Bytes."""
        return self.elements * SIZES[self.dtype]


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """A file's header: its tensors by name, its metadata, and where things are in the file, in bytes.

    Attributes:
        tensors: shape and dtype by name, in the order of the header.
        metadata: the file's own, by name.
        start: where the data starts.
        offsets: where each tensor starts, by name, from the beginning of the file.
    """

    tensors: dict[str, TensorInfo]
    metadata: dict[str, str]
    start: int
    offsets: dict[str, int]


def read_header(path: Path) -> Header:
    """Read and check the header of ``path``.

    Raises:
        CheckpointError: missing, a folder, unreadable, cut short, damaged, or something else than safetensors.
    """
    try:
        return _read(path)
    except FileNotFoundError:
        raise CheckpointError("there is no such file", place=(path,), remedy="check the path") from None
    except IsADirectoryError:
        raise CheckpointError("this is a folder", place=(path,), remedy="name the .safetensors file itself") from None
    except OSError as error:
        raise CheckpointError(
            f"cannot be read ({error.strerror})", place=(path,), remedy="check the path and its permissions"
        ) from error


def _read(path: Path) -> Header:
    size = readable(path).stat().st_size
    with readable(path).open("rb") as file:
        first = file.read(64)
        length = struct.unpack("<Q", first[:8])[0] if len(first) > 8 else 0
        if not 2 <= length <= MAX_HEADER or first[8:9] != b"{":
            what, remedy = _foreign(first)
            raise CheckpointError(what, place=(path,), remedy=remedy)
        file.seek(8)
        raw = file.read(length)
    if len(raw) < length:
        raise _cut(path, 8 + length, size, "at least ")
    return _parsed(path, raw, size)


def _parsed(path: Path, raw: bytes, size: int) -> Header:
    start = 8 + len(raw)
    try:
        content = cast("dict[str, Any]", json.loads(raw.decode()))
        metadata = {str(name): str(value) for name, value in content.pop("__metadata__", {}).items()}
        tensors = {
            name: TensorInfo(shape=tuple(map(_side, info["shape"])), dtype=str(info["dtype"]))
            for name, info in content.items()
        }
        places = {name: tuple(map(int, info["data_offsets"])) for name, info in content.items()}
        offsets = {name: start + begin for name, (begin, _) in places.items()}
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise CheckpointError(
            f"the safetensors header is damaged ({error})", place=(path,), remedy="fetch the file again"
        ) from error
    if (end := start + max((end for _, end in places.values()), default=0)) > size:
        raise _cut(path, end, size)
    return Header(tensors=tensors, metadata=metadata, start=start, offsets=offsets)


def _side(number: object) -> int:
    """One number of a shape."""
    if not isinstance(number, int) or number < 0:
        raise ValueError(f"a shape has {number!r}")
    return number


def _cut(path: Path, needed: int, size: int, more: str = "") -> CheckpointError:
    what = f"cut short: the header speaks of {more}{needed:,} bytes, the file has {size:,}"
    return CheckpointError(what, place=(path,), remedy="fetch it again")


def _foreign(first: bytes) -> tuple[str, str]:
    """What a file that is no safetensors file seems to be, and the way out."""
    remedy = "convert it to safetensors with a tool you trust, or fetch the .safetensors version"
    if first[:2] == b"PK" or (first[:1] == b"\x80" and first[1:2] in {b"\x02", b"\x03", b"\x04", b"\x05"}):
        pickle = "this is a PyTorch pickle (.ckpt, .pt), which can run code when it is opened, whatever its name says"
        return pickle, remedy
    if first.startswith(b"version https://git-lfs"):
        return "this is a Git LFS pointer, not the file it stands for", "run git lfs pull"
    if first.lstrip()[:1] == b"<":
        return "this is a web page, not a checkpoint; the download asked for a login or failed", "fetch it again"
    if len(first) <= 8:
        return f"the file has only {len(first)} bytes", "fetch it again"
    if first[:8].isascii() and first[:8].decode().isprintable():
        return f'this is not a safetensors file (it begins with "{first[:8].decode()}")', remedy
    return f"this is not a safetensors file (it begins with the bytes {first[:8].hex(' ')})", remedy


def header_bytes(tensors: Mapping[str, TensorInfo], metadata: Mapping[str, str]) -> bytes:
    """Return the beginning of a new file whose data follow in the order of ``tensors``, padded to eight bytes."""
    content: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    offset = 0
    for name, info in tensors.items():
        content[name] = {"dtype": info.dtype, "shape": info.shape, "data_offsets": (offset, offset + info.size)}
        offset += info.size
    text = json.dumps(content, separators=(",", ":"), ensure_ascii=False)
    raw = text.encode(errors="replace")  # half characters, which JSON can hold and UTF-8 cannot
    raw += b" " * (-len(raw) % 8)
    return struct.pack("<Q", len(raw)) + raw
