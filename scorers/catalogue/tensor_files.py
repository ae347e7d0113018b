"""Reads tensors from a file without running any code in it: safetensors, PyTorch files, OpenAI's TorchScript.

PyTorch files are read with ``weights_only=True``. Beside tensors they may hold what training scripts leave there
(``argparse.Namespace``, numpy numbers), because these cannot run anything; anything else is refused. TorchScript
archives cannot be read that way: ``torch.jit.load`` runs no Python code of the file, but parses a program in C++, and
PyTorch advises to treat it like a program. So they are opened only if their hash is that of a published file.
"""

from __future__ import annotations

import argparse
import hashlib
import pickle
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from engine.errors import first_line
from engine.files import DAMAGED_TENSORS, readable
from scorers.catalogue import lookup as catalogue
from scorers.errors import ScorerError

PICKLES = (".pt", ".pth", ".bin", ".ckpt")
"""Suffixes of PyTorch files."""
WRAPPERS = ("state_dict", "model_state_dict", "model")
"""Keys under which training scripts keep the weights in a checkpoint."""
PARALLEL = "module."
"""The prefix that ``torch.nn.DataParallel`` gives every name."""


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, as hex.

    Raises:
        ScorerError: it cannot be read.
    """
    try:
        with readable(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ScorerError(f"cannot be read ({error.strerror})", place=(path,)) from error


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read the weights of a file by name, also from inside a training script's checkpoint.

    Raises:
        ScorerError: the file is missing, damaged, of another kind than its name says, or holds more than tensors.
    """
    try:
        readable(path)
    except FileNotFoundError:
        raise ScorerError("no such weights file", place=(path,)) from None
    except OSError as error:
        raise ScorerError(f"cannot be read ({error.strerror})", place=(path,), remedy="name a weights file") from error
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    if path.suffix not in PICKLES:
        raise ScorerError(
            f"weights must be .safetensors or one of {', '.join(PICKLES)}, not {path.suffix!r}", place=(path,)
        )
    return _read_torchscript(path) if _is_torchscript(path) else _read_pickle(path)


def is_mapped(path: Path) -> bool:
    """Return whether the tensors that ``read_tensors`` gives are the mapped file itself, read as they are used."""
    if path.suffix == ".safetensors":
        return True
    return zipfile.is_zipfile(readable(path)) and not _is_torchscript(path)


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    with readable(path).open("rb") as file:
        start = file.read(2)
    if start == b"PK" or start[:1] == b"\x80":
        raise ScorerError(
            "a pickle (PyTorch file) under a .safetensors name",
            place=(path,),
            remedy="convert it, renaming is not enough",
        )
    try:
        return _unprefixed(load_file(readable(path)))
    except SafetensorError as error:
        raise ScorerError(
            f"not a whole safetensors file ({error})", place=(path,), remedy="copy or download it again"
        ) from error


def _is_torchscript(path: Path) -> bool:
    try:
        with zipfile.ZipFile(readable(path)) as archive:
            return any(name.endswith("/constants.pkl") for name in archive.namelist())
    except DAMAGED_TENSORS:
        return False


def _read_torchscript(path: Path) -> dict[str, Tensor]:
    sha256 = sha256_of(path)
    known = catalogue.owner_of(sha256)
    if known is None or known[1].sha256 != sha256:  # a file with the same first digits can be found by trying
        raise ScorerError(
            "a TorchScript program that nobody published under this hash, not just tensors",
            place=(path,),
            remedy="take the .safetensors of this model",
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # torch.jit's own, that it will go
        warnings.simplefilter("ignore", DeprecationWarning)
        return dict(torch.jit.load(str(readable(path)), map_location="cpu").state_dict())


def _harmless() -> list[Any]:
    """What training scripts leave in checkpoints and cannot run anything; numpy 1 and 2 name the same things apart."""
    number = np.float64(0).__reduce__()[0]
    named: list[Any] = [(number, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")]
    kinds = (np.float64, np.float32, np.float16, np.int64, np.int32, np.bool_)
    return [argparse.Namespace, np.dtype, *named, *(type(np.dtype(kind)) for kind in kinds)]


def _read_pickle(path: Path) -> dict[str, Tensor]:
    try:
        mapped = zipfile.is_zipfile(path)  # the older format cannot be mapped; this leaves an optimiser's state on disk
        with torch.serialization.safe_globals(_harmless()):
            loaded = torch.load(readable(path), map_location="cpu", weights_only=True, mmap=mapped)
    except (pickle.UnpicklingError, *DAMAGED_TENSORS) as error:
        raise ScorerError(
            f"not a file of plain tensors ({first_line(error)})", place=(path,), remedy="convert it to .safetensors"
        ) from error
    tensors: Any = next((loaded[key] for key in WRAPPERS if key in loaded), loaded) if _is_table(loaded) else loaded
    if not (_is_table(tensors) and tensors and all(isinstance(value, Tensor) for value in tensors.values())):
        raise ScorerError(
            "not a table of tensors, nor of a checkpoint with one", place=(path,), remedy="save the model's state_dict"
        )
    return _unprefixed(tensors)


def _is_table(loaded: object) -> bool:
    return isinstance(loaded, Mapping)


def _unprefixed(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    prefixed = bool(tensors) and all(key.startswith(PARALLEL) for key in tensors)
    return {key.removeprefix(PARALLEL) if prefixed else key: value for key, value in tensors.items()}
