"""Reading an image encoder's two files, config and weights, so that nothing wrong or random is ever loaded."""

from __future__ import annotations

import difflib
import hashlib
import json
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from scorers.errors import ScorerError
from scorers.preprocess import RESIZES

PICKLES = (".pt", ".pth", ".bin", ".ckpt")
SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderConfig:
    """An open_clip architecture and how it wants its pictures.

    Attributes:
        name: file stem or architecture name, for messages.
        model: open_clip's ``embed_dim``, ``vision_cfg``, ``text_cfg``, ...
        preprocess: ``mean`` and ``std`` (three numbers each) and ``resize_mode``.
    """

    name: str
    model: Mapping[str, Any]
    preprocess: Mapping[str, Any]


def read_config(config: str | Path) -> EncoderConfig:
    """Read a JSON file, or look an architecture up in open_clip.

    A file holds open_clip's model config, or ``{"model_cfg": ..., "preprocess_cfg": ...}`` as published beside
    weights. Without a ``preprocess_cfg`` an architecture's pretrained entries decide when they all agree, else OpenAI's
    mean and deviation, shortest side. OpenAI's own weights, and those derived from them, want the names that end in
    ``-quickgelu``: the weights cannot tell, so this cannot be checked.

    Raises:
        ScorerError: no such file or architecture, or the file does not describe a CLIP model.
    """
    path = Path(config)
    if path.suffix == ".json" or path.is_file():
        return _from_file(path)
    return _from_name(str(config))


def _from_file(path: Path) -> EncoderConfig:
    try:
        loaded = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ScorerError(f"{path}: no such encoder config") from None
    except (OSError, ValueError) as error:
        raise ScorerError(f"{path}: not a JSON encoder config ({error})") from error
    whole: dict[str, Any] = loaded if isinstance(loaded, dict) else {}
    model = whole.get("model_cfg", whole)
    missing = [key for key in ("embed_dim", "vision_cfg", "text_cfg") if key not in model]
    if missing:
        raise ScorerError(f"{path}: not an open_clip model config, it lacks {', '.join(missing)}")
    return EncoderConfig(name=path.stem, model=model, preprocess=_checked(path, whole.get("preprocess_cfg", {})))


def _checked(path: Path, given: Mapping[str, Any]) -> dict[str, Any]:
    preprocess = _openai() | dict(given)
    if preprocess["resize_mode"] not in RESIZES:
        raise ScorerError(f"{path}: resize_mode is {preprocess['resize_mode']!r}, not one of {', '.join(RESIZES)}")
    if preprocess.get("interpolation", "bicubic") != "bicubic":
        raise ScorerError(f"{path}: interpolation is {preprocess['interpolation']!r}; only 'bicubic' is supported")
    return preprocess


def _openai() -> dict[str, Any]:
    from open_clip import OPENAI_DATASET_MEAN, OPENAI_DATASET_STD

    return {"mean": list(OPENAI_DATASET_MEAN), "std": list(OPENAI_DATASET_STD), "resize_mode": "shortest"}


def _from_name(name: str) -> EncoderConfig:
    import open_clip

    known: list[str] = open_clip.list_models()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=3)
        hint = (
            f"; did you mean {' or '.join(near)}?" if near else "; give a JSON file or one of open_clip.list_models()"
        )
        raise ScorerError(f"{name!r} is neither a .json file nor an open_clip architecture{hint}")
    model = cast("dict[str, Any]", open_clip.get_model_config(name))
    tags = open_clip.list_pretrained_tags_by_model(name)
    published = [_published(open_clip.get_pretrained_cfg(name, tag)) for tag in tags]
    agreed = published[0] if published and all(entry == published[0] for entry in published) else {}
    return EncoderConfig(name=name, model=model, preprocess=_openai() | agreed)


def _published(entry: Mapping[str, Any]) -> dict[str, Any]:
    wanted = {key: entry[key] for key in ("mean", "std", "resize_mode") if entry.get(key) is not None}
    return {key: list(value) if key != "resize_mode" else value for key, value in wanted.items()}


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, as hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read tensors, and nothing but tensors, from a ``.safetensors`` or a PyTorch file.

    Raises:
        ScorerError: the file is missing, damaged, of another kind than its name says, or holds more than tensors.
    """
    if not path.is_file():
        raise ScorerError(f"{path}: {'a folder, not a weights file' if path.is_dir() else 'no such weights file'}")
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    if path.suffix in PICKLES:
        return _read_pickle(path)
    raise ScorerError(f"{path}: weights must be .safetensors or one of {', '.join(PICKLES)}, not {path.suffix!r}")


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    with path.open("rb") as file:
        start = file.read(2)
    if start == b"PK" or start[:1] == b"\x80":
        raise ScorerError(
            f"{path}: a pickle (PyTorch file) under a .safetensors name; convert it, renaming is not enough"
        )
    try:
        return load_file(path)
    except SafetensorError as error:
        raise ScorerError(f"{path}: not a whole safetensors file ({error}); copy or download it again") from error


def _read_pickle(path: Path) -> dict[str, Tensor]:
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError, AttributeError) as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ScorerError(
            f"{path}: not a file of plain tensors ({first}); it is damaged, or holds code or a TorchScript archive, "
            "which are not run; use the .safetensors file of these weights"
        ) from error
    state = loaded.get("state_dict", loaded) if isinstance(loaded, dict) else {}
    if not state or not all(isinstance(value, Tensor) for value in state.values()):
        raise ScorerError(f"{path}: holds no model weights (no dictionary of tensors)")
    return {str(key).removeprefix("module."): value for key, value in state.items()}


def check_weights(path: Path, name: str, state: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> None:
    """Refuse weights that do not fill an architecture exactly.

    Raises:
        ScorerError: keys missing or left over, other shapes, or numbers that are not finite.
    """
    shapes = {key: (tuple(state[key].shape), tuple(wanted[key].shape)) for key in wanted if key in state}
    problems = [
        _named("missing", [key for key in wanted if key not in state]),
        _named("not of this architecture", [key for key in state if key not in wanted]),
        _named(
            "of another shape", [f"{k} {got} instead of {want}" for k, (got, want) in shapes.items() if got != want]
        ),
    ]
    found = [problem for problem in problems if problem]
    if found:
        if any(key.startswith(("vision_model.", "text_model.")) for key in state):
            found.append("the names are those of the transformers library: use the open_clip file of these weights")
        raise ScorerError(f"{path}: these are not weights of {name}\n  " + "\n  ".join(found))
    broken = [key for key, value in state.items() if value.is_floating_point() and not bool(value.isfinite().all())]
    if broken:
        raise ScorerError(f"{path}: damaged weights\n  {_named('with NaN or infinite numbers', broken)}")


def _named(what: str, keys: list[str]) -> str:
    more = f", ... ({len(keys)} in all)" if len(keys) > SHOWN else ""
    return f"{len(keys)} {what}: {', '.join(keys[:SHOWN])}{more}" if keys else ""
