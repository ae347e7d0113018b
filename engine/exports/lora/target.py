"""The target ``lora``: what a recipe adds to A, as near as layers of a rank come, in kohya's form."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from engine.architecture.keymap import fills
from engine.checkpoints.checkpoint import Checkpoint, file_sha256
from engine.errors import CheckpointError
from engine.exports.content import ExportContent
from engine.exports.target import ExportOptions, ExportTarget, Refusal, WrittenExport
from engine.files import replaced
from engine.merging.output import COMPUTED, MergedTensors

if TYPE_CHECKING:
    from torch import Tensor

    from engine.exports.lora.factors import Factors

_WORST = 5
_PERCENT = 100


@dataclass(slots=True, kw_only=True)
class _Split:
    """A difference: the layers that a LoRA holds, and what it cannot.

    Attributes:
        alpha: of every layer.
        layers: by name.
        lost: sums of squares and keys of tensors, by what they are.
    """

    alpha: int
    layers: dict[str, Factors] = field(default_factory=dict[str, "Factors"])
    lost: dict[str, list[tuple[str, float]]] = field(default_factory=dict[str, "list[tuple[str, float]]"])

    @property
    def size(self) -> float:
        """The sum of squares of the whole difference."""
        outside = sum(size for tensors in self.lost.values() for _, size in tensors)
        return outside + sum(layer.size for layer in self.layers.values())


def _refusals(content: ExportContent, options: ExportOptions) -> Sequence[Refusal]:
    if options.output.dtype == COMPUTED:
        return [Refusal(what="its tensors have one dtype: write --dtype fp16, bf16 or fp32")]
    if options.rank < 1:
        return [Refusal(what=f"a rank of {options.rank} holds nothing")]
    if _ranks(content, options):
        return []
    base = _base(content)
    changed = tuple(key for key, row in content.plan.rows.items() if row.source != base)
    return [Refusal(what=f"no matrix or convolution differs from {base}", keys=changed)]


def _ranks(content: ExportContent, options: ExportOptions) -> list[int]:
    """The ranks of the layers that may differ from the base."""
    import torch

    from engine.exports.lora.factors import full_rank
    from engine.exports.lora.names import layers_of

    base = _base(content)
    checkpoint, found = content.checkpoints[base], list[int]()
    for key, row in content.plan.rows.items():
        if row.source != base and key in checkpoint.shapes:
            layers = layers_of(key, torch.empty(content.plan.shapes[key], device="meta"), checkpoint.widths)
            found += [min(options.rank, full_rank(layer.weight)) for layer in layers]
    return found


def _base(content: ExportContent) -> str:
    """The model that the LoRA is for: A, or what stands in its place."""
    return "A" if "A" in content.checkpoints else next(iter(content.checkpoints))


def _write(content: ExportContent, out: Path, options: ExportOptions) -> WrittenExport:
    from engine.exports.lora.metadata import file_pieces, lora_metadata

    if out.suffix != ".safetensors":
        raise CheckpointError("the name of a LoRA ends in .safetensors", place=(out,), remedy="write it so")
    hashes = {name: content.hashes.get(name) or file_sha256(content.models[name]) for name in content.recipe.models}
    content = replace(content, hashes=hashes)
    options = replace(options, output=replace(options.output, arithmetic="folded"))
    base = _base(content)
    found = _split(content, options, base)
    errors = {name: layer.error for name, layer in found.layers.items()}
    metadata = lora_metadata(content, options, base, found.alpha, errors)
    head, data = file_pieces(_tensors(found), metadata)
    try:
        with replaced(out, suffix="") as part, part.open("xb") as file:
            file.writelines([head, *data])
    except OSError as error:
        raise CheckpointError(
            f"cannot be written ({error.strerror})", place=(out,), remedy="check the folder and the room on the disk"
        ) from error
    return WrittenExport(
        files=(out,),
        notes=tuple(_notes(content, found, base, options.rank)),
        usage=(f"<lora:{out.stem}:1> in a prompt of AUTOMATIC1111, with {content.file_name(base)} as the checkpoint",),
    )


def _split(content: ExportContent, options: ExportOptions, base: str) -> _Split:
    from engine.exports.lora.factors import factors_of
    from engine.exports.lora.names import layers_of
    from engine.merging.evaluate import DTYPES

    found, dtype = _Split(alpha=max(_ranks(content, options))), DTYPES[options.output.dtype]
    checkpoint = content.checkpoints[base]
    merged = MergedTensors(content.recipe, content.checkpoints, replace(options.output, dtype="fp32"))
    origins, done = merged.origins, 0
    total = sum(info.size for info in merged.layout.values())
    for key, tensor, info in zip(origins, merged, merged.layout.values(), strict=True):
        difference = _difference(key, tensor, checkpoint)
        layers = layers_of(key, difference, checkpoint.widths) if key in checkpoint.shapes else []
        for layer in layers:
            if bool(layer.weight.any()):
                found.layers[layer.name] = factors_of(layer.weight, options.rank, found.alpha, dtype)
        if not layers and bool(difference.any()):
            size = float(difference.double().square().sum())
            found.lost.setdefault(_kind(key, checkpoint), []).append((key, size))
        done += info.size
        if options.progress:
            options.progress(done, total)
    return found


def _difference(key: str, merged: Tensor, base: Checkpoint) -> Tensor:
    """The merged tensor less that of the base; all of it where the base has none."""
    if key not in base.shapes:
        return merged.float()
    return merged.float() - base.read(key).float().reshape(merged.shape)


def _kind(key: str, base: Checkpoint) -> str:
    """What a tensor is that no LoRA can change."""
    if key not in base.shapes:
        return "tensors that the base has not"
    if key.startswith("first_stage_model."):
        return "tensors of the VAE"
    if not fills(key, base.widths):
        return "tensors that no picture needs"
    if key.endswith("bias"):
        return "biases"
    if "embedding" in key:
        return "embeddings of tokens and positions"
    return "weights of norms" if len(base.shapes[key]) < 2 else "projections of texts"


def _tensors(found: _Split) -> dict[str, Tensor]:
    """The tensors of the file.

    Alpha is the same everywhere, whatever the rank of a layer: diffusers takes it for all attention layers from the
    others. It is float32 in every file: bf16 cannot hold every rank.
    """
    import torch

    tensors: dict[str, Tensor] = {}
    for name, layer in found.layers.items():
        tensors[f"{name}.alpha"] = torch.tensor(float(found.alpha))
        tensors[f"{name}.lora_down.weight"] = layer.down
        tensors[f"{name}.lora_up.weight"] = layer.up
    return tensors


def _notes(content: ExportContent, found: _Split, base: str, rank: int) -> Iterator[str]:
    """How near the LoRA comes, and what it cannot hold."""
    layers = found.layers
    held, missed = sum(one.size for one in layers.values()), sum(one.lost for one in layers.values())
    outside = sum(size for tensors in found.lost.values() for _, size in tensors)
    yield (
        f"it is for {content.file_name(base)}, at strength 1: {len(layers)} layers of rank {rank} at most miss "
        f"{_share(missed, held)} of their difference, and {_share(missed + outside, found.size)} of that of all tensors"
    )
    worst = sorted(layers, key=lambda name: -layers[name].error)[:_WORST]
    yield f"most is missed in {', '.join(f'{name} ({layers[name].error:.1%})' for name in worst)}"
    for kind, tensors in found.lost.items():
        size = sum(size for _, size in tensors)
        share = _share(size, found.size)
        yield f"it cannot hold {len(tensors)} {kind} ({share} of the norm of the difference), as {tensors[0][0]}"


def _share(part: float, whole: float) -> str:
    """How large a part of a difference is: of its norm, not of its square."""
    return f"{_PERCENT * (part / whole) ** 0.5:.3g} %" if whole else "0 %"


TARGET = ExportTarget(refusals=_refusals, write=_write)
