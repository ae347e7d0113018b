"""The content of a merged checkpoint: its tensors, their order and dtype, and each value in turn.

There are two arithmetics: ``exact`` replays SuperMerger's step by step; ``folded`` computes every tensor in one pass,
as the search does. Nothing is kept but the tensor at hand.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Literal, Protocol

import torch
from torch import Tensor

from engine.architecture.widths import VAE, same_shape
from engine.checkpoints.checkpoint import FLOATS, Checkpoint, is_kept
from engine.checkpoints.header import SIZES, TensorInfo
from engine.checkpoints.tensors import all_finite
from engine.checkpoints.vae import TRAINING, read_vae
from engine.errors import CheckpointError, RecipeError, counted
from engine.merging.evaluate import DTYPES, Arithmetic, known_of
from engine.merging.exact import replay
from engine.merging.folded import MergePlan, plan_for
from engine.merging.sources import Scratch
from engine.modes.rows import TensorRow
from engine.recipes.recipe import Recipe

ArithmeticName = Literal["exact", "folded"]

COMPUTED = "computed"
"""The dtype of a file whose tensors each have the dtype that exact replay gives."""
FILE_DTYPES = (*DTYPES, COMPUTED)
"""What the dtype of a file may be."""

STORED = {
    torch.float16: "F16", torch.bfloat16: "BF16", torch.float32: "F32", torch.float64: "F64", torch.int64: "I64",
    torch.int32: "I32", torch.int16: "I16", torch.int8: "I8", torch.uint8: "U8", torch.bool: "BOOL",
}  # fmt: skip
"""What the file format calls the dtypes of torch."""
_POSITIONS = "position_ids"
_KINDS = tuple(SIZES)  # dtypes in the order in which the safetensors library lays tensors out


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """The options of the file.

    Attributes:
        dtype: fp16, bf16 or fp32: of all floating tensors with "model" in their name; others stay as they are. Or
            ``computed``: each tensor as exact replay gives it, which SuperMerger saves without its fp16.
        arithmetic: exact (SuperMerger's arithmetic and rounding) or folded (the search's, one rounding).
        prune: leave out all but UNet, VAE and text encoders: EMA weights, training buffers.
        vae: a VAE file whose tensors take the place of the merged ones, or are added where the models have no VAE.
        reset_clip_ids: write the text encoder's position numbers as 0 to 76 where they are there.
    """

    dtype: str = "fp16"
    arithmetic: ArithmeticName = "exact"
    prune: bool = False
    vae: Path | None = None
    reset_clip_ids: bool = False

    def __post_init__(self) -> None:
        if self.dtype not in FILE_DTYPES:
            raise CheckpointError(f"cannot write {self.dtype!r}; the dtypes are {', '.join(FILE_DTYPES)}")
        if self.dtype == COMPUTED and self.arithmetic != "exact":
            raise CheckpointError(
                "a folded checkpoint has no dtype computed", remedy=f"write {', '.join(DTYPES)}, or leave folded out"
            )


class _Values(Protocol):
    """Gives the value of a merged key, in any dtype."""

    def read(self, key: str) -> Tensor: ...


class MergedTensors:
    """The tensors of the new file, in order.

    Attributes:
        layout: name in the file to shape and dtype, in the order in which the safetensors library writes: so equal
            recipes give equal AutoV3 hashes.
        root: the model whose keys the result has, under its names.

    Raises:
        CheckpointError: the VAE does not fit.
        RecipeError: the models do not fit each other.
    """

    def __init__(self, recipe: Recipe, models: Mapping[str, Checkpoint], output: Output) -> None:
        self._models, self._output = models, output
        self._dtype = DTYPES.get(output.dtype)  # None: as computed
        self._webui, self._halves = recipe.rules.webui, recipe.rules.webui and recipe.save == "fp16"
        self._vae = read_vae(output.vae) if output.vae else {}
        self._plan = _with_vae(
            plan_for(recipe, {name: checkpoint.shapes for name, checkpoint in models.items()}), self._vae
        )
        self._values: _Values = (
            replay(recipe, models)
            if output.arithmetic == "exact"
            else _FoldedValues(self._plan, models, DTYPES[output.dtype])
        )
        self.root = root_model(recipe)
        self._first = models[self.root]
        infos = {key: self._info(key) for key in self._plan.rows if self._kept(key)}
        self._order = sorted(infos, key=lambda key: (_KINDS.index(infos[key].dtype), self._name(key)))
        self.layout = {self._name(key): infos[key] for key in self._order}
        _check_vae(self._vae, infos, output.vae)

    def __iter__(self) -> Iterator[Tensor]:
        """Every tensor in the order of ``layout``; its memory may be used again ``SCRATCH_TURNS`` later.

        Raises:
            CheckpointError: a value is NaN, infinite or beyond the dtype.
        """
        for key in self._order:
            if not self._is_made(key):
                yield self._copied(key)
                continue
            value = self._made(key)
            if self._is_weight(key) and not all_finite(value):
                raise self._not_finite(key, STORED[value.dtype])
            yield value

    @property
    def origins(self) -> dict[str, str]:
        """Where the tensor of each key comes from, in order: ``merged``, ``vae``, ``positions`` or ``copy of A``."""
        return {key: self._origin_name(key) for key in self._order}

    def _origin_name(self, key: str) -> str:
        if self._is_made(key):
            return "vae" if key in self._vae else "merged"
        return "positions" if self._resets(key) else f"copy of {self._origin_model(key)}"

    def _kept(self, key: str) -> bool:
        return not self._output.prune or is_kept(key)

    def _not_finite(self, key: str, stored: str) -> CheckpointError:
        """The error for a tensor that cannot be written, with the parents that are not finite in it."""
        what = f"{key}: the merge gives weights that {self._output.dtype if self._dtype else stored} cannot hold"
        broken = [name for name in self._plan.rows[key].models if not all_finite(self._models[name].read(key))]
        remedies = ["check the ratios and factors of the recipe"]
        if key in self._vae:
            what, remedies = f"{what}, of the VAE {self._output.vae}", ["take another version of it"]
        elif broken:
            named = " and ".join(f"{name} ({self._models[name].path})" for name in broken)
            what += f", or a parent has NaN weights: here {named}"
            remedies = ["take another version of that file"]
        if not is_kept(key):
            remedies.insert(0, "leave out what no picture shows, with --prune")
        return CheckpointError(what, remedy=", or ".join(remedies))

    def _name(self, key: str) -> str:
        return self._first.stored_name(key) if key in self._first.tensors else key

    def _info(self, key: str) -> TensorInfo:
        if self._is_made(key):
            return TensorInfo(shape=self._plan.shapes[key], dtype=STORED[self._dtype or self._made(key).dtype])
        info = self._origin(key).tensors[key]
        return TensorInfo(shape=info.shape, dtype="I64") if self._resets(key) else info

    def _is_made(self, key: str) -> bool:
        """Whether a tensor is what the merge gives, and no copy; the WebUI's own merger makes floats of numbers."""
        return self._is_weight(key) or (self._webui and self._dtype is None and not self._resets(key))

    def _made(self, key: str) -> Tensor:
        """What the merge gives, in the dtype of the file."""
        value = self._vae[key] if key in self._vae else self._values.read(key)
        if self._dtype is not None:
            return value.to(self._dtype)
        return value.half() if self._halves and value.dtype == torch.float32 and key in self._vae else value

    def _is_weight(self, key: str) -> bool:
        """Floats with "model" in their name, as SuperMerger saves them."""
        if "model" not in key or self._resets(key):
            return False
        return all(self._models[name].tensors[key].dtype in FLOATS for name in self._plan.rows[key].models)

    def _resets(self, key: str) -> bool:
        return self._output.reset_clip_ids and key.endswith(_POSITIONS)

    def _origin(self, key: str) -> Checkpoint:
        return self._models[self._origin_model(key)]

    def _origin_model(self, key: str) -> str:
        source = self._plan.rows[key].source
        if source is None and self._webui:
            return self.root
        if source is None:
            raise RecipeError(f"{key}: the recipe computes with a tensor that is no float; write another dialect")
        return source

    def _copied(self, key: str) -> Tensor:
        if self._resets(key):
            shape = self._plan.shapes[key]
            return torch.arange(shape[-1], dtype=torch.int64).expand(shape)
        return self._origin(key).read(key)


def _with_vae(plan: MergePlan, vae: Mapping[str, Tensor]) -> MergePlan:
    """The plan with the tensors of a VAE among its keys, where it has none of its own; their rows stay empty."""
    if not vae or any(key.startswith(VAE) for key in plan.rows):
        return plan
    shapes = {key: tuple(value.shape) for key, value in vae.items() if not key.startswith(TRAINING)}
    return replace(plan, rows=plan.rows | dict.fromkeys(shapes, TensorRow(())), shapes={**plan.shapes, **shapes})


def root_model(recipe: Recipe) -> str:
    """The model whose keys the result has: A of the last run, A of what that was made by, and so on."""
    runs = {f"step{number}": run for number, run in enumerate(recipe.runs, start=1)}
    name = recipe.runs[-1].models[0]
    while name in runs:
        name = runs[name].models[0]
    return name


class _FoldedValues:
    """Values of a plan."""

    def __init__(self, plan: MergePlan, models: Mapping[str, Checkpoint], dtype: torch.dtype) -> None:
        self._plan, self._models = plan, models
        elements = sum(map(prod, plan.shapes.values()))
        self._arithmetic = Arithmetic(torch.device("cpu"), dtype, elements=elements)
        self._dtype = dtype
        self._scratch = Scratch()
        read = lambda name, key: models[name].read(key)  # noqa: E731
        self._known = known_of(plan.prepasses, read, plan.shapes)

    def read(self, key: str) -> Tensor:
        row, shape = self._plan.rows[key], self._plan.shapes[key]
        if row.source:
            return self._models[row.source].read(key)
        value = self._scratch.like(shape, self._dtype)
        read = lambda name: self._models[name].read(key)  # noqa: E731
        self._arithmetic.evaluate_key(key, row, read, shape, value.view(-1), self._known)
        return value


def _check_vae(vae: Mapping[str, Tensor], infos: Mapping[str, TensorInfo], path: Path | None) -> None:
    """Refuse a VAE without any tensor of the file, where that has a VAE, or with other shapes."""
    fitting = [key for key in vae if key in infos]
    if path and not fitting:
        raise CheckpointError(f"{path}: has no tensor that this checkpoint's VAE has; name the file of a VAE")
    odd = [key for key in fitting if not same_shape(tuple(vae[key].shape), infos[key].shape)]
    if odd:
        raise CheckpointError(
            f"{path}: {counted(len(odd), 'tensor')} of this VAE with other shapes than the checkpoint's, "
            f"such as {odd[0]} ({tuple(vae[odd[0]].shape)}, {infos[odd[0]].shape} is needed); "
            "take a VAE of the same family"
        )
