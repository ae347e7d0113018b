"""An encoder's config, and the check that weights are complete for it, so that no value stays random."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from torch import Tensor

from engine.errors import did_you_mean
from engine.files import file_kind, read_text
from scorers.catalogue import lookup as catalogue
from scorers.catalogue.published import KnownEncoder
from scorers.encoders.preprocess import RESIZES
from scorers.errors import ScorerError

SHOWN = 5
"""The most names that a message lists."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderConfig:
    """An open_clip architecture and its preprocessing.

    Attributes:
        name: a known encoder's name, the file's stem or the architecture's name, for messages.
        model: open_clip's ``embed_dim``, ``vision_cfg``, ``text_cfg``, ...
        preprocess: ``mean`` and ``std`` (three numbers each) and ``resize_mode``.
        known: the encoder of the catalogue that it was read from, if it was.
    """

    name: str
    model: Mapping[str, Any]
    preprocess: Mapping[str, Any]
    known: KnownEncoder | None = None


def read_config(config: str | Path) -> EncoderConfig:
    """Look an encoder up in the catalogue, read a JSON file, or look an architecture up in open_clip.

    A file holds open_clip's model config, or ``{"model_cfg": ..., "preprocess_cfg": ...}`` as published beside
    weights. Without a ``preprocess_cfg`` an architecture's pretrained entries decide if they all agree, else OpenAI's
    mean and standard deviation, shortest side. OpenAI's own weights, and those derived from them, need the names that
    end in ``-quickgelu``. Weights do not show that, only the hashes of published files do, see ``refuse_mix_up``.

    Raises:
        ScorerError: no such encoder, file or architecture, or the file does not describe a CLIP model.
    """
    path, known = Path(config), catalogue.encoder_named(str(config))
    if known is not None:
        return _from_catalogue(known)
    if path.suffix == ".json" or file_kind(path):
        return _from_file(path)
    return _from_name(str(config))


def _from_catalogue(known: KnownEncoder) -> EncoderConfig:
    half = {"mean": [0.5] * 3, "std": [0.5] * 3}
    preprocess = _openai() | (half if known.normal == "half" else {}) | {"resize_mode": known.resize}
    return EncoderConfig(name=known.name, model=_architecture(known.architecture), preprocess=preprocess, known=known)


def _architecture(name: str) -> dict[str, Any]:
    import open_clip

    return cast("dict[str, Any]", open_clip.get_model_config(name))


def _from_file(path: Path) -> EncoderConfig:
    if not file_kind(path):
        raise ScorerError("no such encoder config", place=(path,))
    try:
        loaded = json.loads(read_text(path, ScorerError))
    except (ValueError, RecursionError) as error:
        raise ScorerError(f"not a JSON encoder config ({error})", place=(path,)) from error
    whole: dict[str, Any] = loaded if isinstance(loaded, dict) else {}
    model = whole.get("model_cfg", whole)
    missing = [key for key in ("embed_dim", "vision_cfg", "text_cfg") if key not in model]
    if missing:
        raise ScorerError(f"not an open_clip model config, it lacks {', '.join(missing)}", place=(path,))
    return EncoderConfig(name=path.stem, model=model, preprocess=_checked(path, whole.get("preprocess_cfg", {})))


def _checked(path: Path, given: Mapping[str, Any]) -> dict[str, Any]:
    preprocess = _openai() | dict(given)
    if preprocess["resize_mode"] not in RESIZES:
        raise ScorerError(
            f"resize_mode is {preprocess['resize_mode']!r}, not one of {', '.join(RESIZES)}", place=(path,)
        )
    if preprocess.get("interpolation", "bicubic") != "bicubic":
        raise ScorerError(
            f"interpolation is {preprocess['interpolation']!r}", place=(path,), remedy="only 'bicubic' is supported"
        )
    return preprocess


def _openai() -> dict[str, Any]:
    from open_clip import OPENAI_DATASET_MEAN, OPENAI_DATASET_STD

    return {"mean": list(OPENAI_DATASET_MEAN), "std": list(OPENAI_DATASET_STD), "resize_mode": "shortest"}


def _from_name(name: str) -> EncoderConfig:
    import open_clip

    known: list[str] = [*(encoder.name for encoder in catalogue.ENCODERS), *open_clip.list_models()]
    if name not in known:
        remedy = did_you_mean(name, known, otherwise="give a JSON file or one of open_clip.list_models()")
        what = f"{name!r} is neither a known encoder, a .json file nor an open_clip architecture"
        raise ScorerError(what, remedy=remedy)
    tags = open_clip.list_pretrained_tags_by_model(name)
    published = [_published(open_clip.get_pretrained_cfg(name, tag)) for tag in tags]
    agreed = published[0] if published and all(entry == published[0] for entry in published) else {}
    return EncoderConfig(name=name, model=_architecture(name), preprocess=_openai() | agreed)


def _published(entry: Mapping[str, Any]) -> dict[str, Any]:
    given = {key: entry[key] for key in ("mean", "std", "resize_mode") if entry.get(key) is not None}
    return {key: list(value) if key != "resize_mode" else value for key, value in given.items()}


def refuse_mix_up(path: Path, sha256: str, config: EncoderConfig) -> None:
    """Refuse a published file of another encoder than the config's; their shapes may be the same.

    Raises:
        ScorerError: the file belongs to another encoder, or to an architecture with another activation.
    """
    owner = catalogue.owner_of(sha256)
    if owner is None:
        return
    encoder, file = owner
    if not isinstance(encoder, KnownEncoder):
        raise ScorerError(f"this is {file.name}, the head of scorer {encoder.name}, not an encoder", place=(path,))
    if config.known is not None and config.known.name != encoder.name:
        raise ScorerError(
            f"this is {file.name}, the weights of encoder {encoder.name} ({encoder.title}), not of {config.known.name}",
            place=(path,),
            remedy=f"name it {encoder.name}",
        )
    quick = bool(_architecture(encoder.architecture).get("quick_gelu"))
    if quick != bool(config.model.get("quick_gelu")):
        raise ScorerError(
            f"this is {file.name}, which needs the architecture {encoder.architecture}, not {config.name}: the "
            "activation differs, and every number would be a little wrong",
            place=(path,),
            remedy=f"write {encoder.name} for both",
        )


def check_weights(
    path: Path,
    name: str,
    state: Mapping[str, Tensor],
    expected: Mapping[str, Tensor],
    used: Collection[str] | None = None,
) -> None:
    """Refuse weights that are not exactly those of the architecture.

    Args:
        path: the weights' file, for messages.
        name: the architecture's name, for messages.
        state: tensors of the weights' shapes.
        expected: tensors of the architecture's names and shapes.
        used: names that are needed; by default all. Other names of the architecture may be missing.

    Raises:
        ScorerError: keys missing or left over, or other shapes.
    """
    needed = expected.keys() if used is None else used
    shapes = {key: (tuple(state[key].shape), tuple(expected[key].shape)) for key in expected if key in state}
    parts = [
        _named("missing", [key for key in needed if key not in state]),
        _named("not of this architecture", [key for key in state if key not in expected]),
        _named(
            "of another shape", [f"{k} {got} instead of {want}" for k, (got, want) in shapes.items() if got != want]
        ),
    ]
    found = [part for part in parts if part]
    if found:
        raise ScorerError(f"these are not weights of {name}\n  " + "\n  ".join(found), place=(path,))


def refuse_broken(path: Path, keys: Sequence[str], *, half: bool) -> None:
    """Refuse a file with weights that are not finite.

    Args:
        path: the file.
        keys: names of such weights.
        half: whether they were read in half precision, in which large numbers are not finite.

    Raises:
        ScorerError: there are some.
    """
    if keys:
        what = "damaged weights, or too large ones for half precision" if half else "damaged weights"
        raise ScorerError(f"{what}\n  {_named('with NaN or infinite numbers', keys)}", place=(path,))


def _named(what: str, keys: Sequence[str]) -> str:
    more = f", ... ({len(keys)} in all)" if len(keys) > SHOWN else ""
    return f"{len(keys)} {what}: {', '.join(keys[:SHOWN])}{more}" if keys else ""
