"""The metadata of a LoRA file, as kohya's sd-scripts writes it, and the hashes that tools look for in it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from torch import Tensor

from engine.architecture.widths import FamilyName
from engine.checkpoints.header import SIZES, TensorInfo, header_bytes
from engine.exports.checkpoint import header_of
from engine.exports.content import ExportContent
from engine.exports.target import ExportOptions
from engine.merging.metadata import METADATA_KEY, Parent
from engine.merging.output import STORED
from engine.merging.write import bytes_of

_BASES: dict[FamilyName, tuple[str, str, str]] = {
    "sd1": ("sd_v1", "stable-diffusion-v1/lora", "512x512"),
    "sd2": ("sd_v2", "stable-diffusion-v2-512/lora", "512x512"),
    "sdxl": ("sdxl_base_v1-0", "stable-diffusion-xl-v1-base/lora", "1024x1024"),
}
"""By family: ``ss_base_model_version``, ``modelspec.architecture``, ``modelspec.resolution``."""
_LEGACY_PLACE, _LEGACY_LENGTH, _LEGACY_DIGITS = 0x100000, 0x10000, 8


def lora_metadata(
    content: ExportContent, options: ExportOptions, base: str, rank: int, errors: Mapping[str, float]
) -> dict[str, str]:
    """Return the metadata but for the hashes.

    Args:
        content: the recipe and its models.
        options: of the export.
        base: the model that the LoRA is for, by its name in the recipe.
        rank: the largest of all layers.
        errors: by layer, relative.
    """
    version, architecture, resolution = _BASES[content.recipe.family]
    found = {
        "ss_network_module": "networks.lora",
        "ss_network_dim": str(rank),
        "ss_network_alpha": str(float(rank)),
        "ss_network_args": json.dumps({"conv_dim": str(rank), "conv_alpha": str(float(rank))}),
        "ss_base_model_version": version,
        "ss_v2": str(content.recipe.family == "sd2"),
        "ss_output_name": content.title,
        "modelspec.sai_model_spec": "1.0.0",
        "modelspec.architecture": architecture,
        "modelspec.implementation": "https://github.com/Stability-AI/generative-models"
        if content.recipe.family == "sdxl"
        else "diffusers",
        "modelspec.title": content.title,
        "modelspec.resolution": resolution,
    }
    return found | (_origin(content, options, base, errors) if options.with_recipe else {})


def _origin(content: ExportContent, options: ExportOptions, base: str, errors: Mapping[str, float]) -> dict[str, str]:
    path, sha256 = content.models[base], content.hashes[base]
    header = header_of(content, options)
    own = json.loads(header[METADATA_KEY])
    own |= {"lora": {"of": base, "errors": {name: float(f"{error:.3g}") for name, error in errors.items()}}}
    return {
        "ss_sd_model_name": path.name,
        "ss_sd_model_hash": Parent(path=path, sha256=sha256).legacy_hash,
        "ss_new_sd_model_hash": sha256,
        "modelspec.merged_from": header["modelspec.merged_from"],
        METADATA_KEY: json.dumps(own, ensure_ascii=False),
    }


def file_pieces(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> tuple[bytes, list[memoryview]]:
    """Return the header and the data of a file, with the hashes of the data and of an older form in the header.

    ``sshs_model_hash`` is SHA-256 of everything behind the header (AutoV3); ``sshs_legacy_hash`` that of 64 KiB at
    1 MiB of a file with the training's own entries alone. As sd-scripts, ``library/train_util.py``.
    """
    dtypes = {name: STORED[tensor.dtype] for name, tensor in tensors.items()}
    names = sorted(tensors, key=lambda name: (tuple(SIZES).index(dtypes[name]), name))  # as the safetensors library
    layout = {name: TensorInfo(shape=tuple(tensors[name].shape), dtype=dtypes[name]) for name in names}
    data = [bytes_of(tensors[name]) for name in names]
    digest = hashlib.sha256()
    for piece in data:
        digest.update(piece)
    training = {name: text for name, text in metadata.items() if name.startswith("ss_")}
    hashes = {
        "sshs_model_hash": digest.hexdigest(),
        "sshs_legacy_hash": _legacy_hash(header_bytes(layout, training), data),
        "modelspec.hash_sha256": f"0x{digest.hexdigest()}",
    }
    return header_bytes(layout, {"format": "pt", **metadata, **hashes}), data


def _legacy_hash(head: bytes, data: list[memoryview]) -> str:
    place, digest = 0, hashlib.sha256()
    for piece in (memoryview(head), *data):
        first, last = _LEGACY_PLACE - place, _LEGACY_PLACE + _LEGACY_LENGTH - place
        if last > 0:
            digest.update(piece[max(first, 0) : last])
        place += len(piece)
    return digest.hexdigest()[:_LEGACY_DIGITS]
