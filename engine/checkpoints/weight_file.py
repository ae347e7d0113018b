"""Folders of files of tensors, and reading one file, safetensors or PyTorch's own, without running any code in it."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, cast

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from engine.errors import RenderError, first_line
from engine.files import DAMAGED_TENSORS, file_kind, readable


def weight_files(folder: Path, suffixes: Collection[str], what: str) -> list[Path]:
    """Return the files of a folder and the folders inside it that have one of these suffixes, sorted.

    Args:
        folder: The folder.
        suffixes: In small letters, ".pt"; those of the files may be in any.
        what: What the folder should hold, for messages: "embeddings".

    Raises:
        RenderError: The folder does not exist.
    """
    if (kind := file_kind(folder)) != "folder":
        wrong = f"this is a {kind}, not a folder of {what}" if kind else f"there is no such folder of {what}"
        raise RenderError(wrong, remedy="name one, or leave the setting out", place=(folder,))
    return [path for path in sorted(folder.rglob("*")) if path.suffix.lower() in suffixes]


def read_weights(path: Path, what: str, *, classes: Sequence[type] = ()) -> Mapping[str, Any]:
    """Read a file and return its content by name, on the CPU.

    Args:
        path: One that ends in ``.safetensors`` is read as that, any other as PyTorch's.
        what: What it should be, for messages: "embedding".
        classes: What a PyTorch file may hold besides what torch allows.

    Raises:
        RenderError: The file is missing, damaged, needs code to be read, or holds something else.
    """
    return _safe(path, what) if path.suffix.lower() == ".safetensors" else _pickled(path, what, classes)


def _safe(path: Path, what: str) -> Mapping[str, Any]:
    try:
        return load_file(readable(path))
    except SafetensorError as error:
        raise RenderError(
            f"cannot be read as safetensors ({error})", remedy=f"get the {what} again", place=(path,)
        ) from error
    except OSError as error:
        raise _unreadable(path, what, error) from error


def _pickled(path: Path, what: str, classes: Sequence[type]) -> Mapping[str, Any]:
    try:
        content = load_pickle(path, classes)
    except OSError as error:
        raise _unreadable(path, what, error) from error
    except UnpicklingError as error:
        raise RenderError(
            "needs code of its own to be read, which is never run here",
            remedy="convert it to .safetensors with a tool you trust, or get it in that form",
            place=(path,),
        ) from error
    except DAMAGED_TENSORS as error:
        raise RenderError(
            f"cannot be read as a PyTorch file ({first_line(error)})", remedy=f"get the {what} again", place=(path,)
        ) from error
    if not isinstance(content, Mapping):
        raise RenderError(f"holds a {type(content).__name__}, no {what}", remedy="move it elsewhere", place=(path,))
    return cast("Mapping[str, Any]", content)


def load_pickle(path: Path, classes: Sequence[type] = ()) -> Any:
    """Return what a PyTorch file holds, on the CPU; only tensors, plain values and these classes are made.

    Raises:
        OSError: the file cannot be read.
        UnpicklingError: it needs code of its own.
        Exception: it is damaged; one of ``engine.files.DAMAGED_TENSORS``.
    """
    with torch.serialization.safe_globals(list(classes)), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Validating sparse tensor invariants", UserWarning)
        return torch.load(readable(path), map_location="cpu", weights_only=True)


def _unreadable(path: Path, what: str, error: OSError) -> RenderError:
    return RenderError(
        f"cannot be read ({error.strerror or first_line(error)})", remedy=f"name the {what}", place=(path,)
    )
