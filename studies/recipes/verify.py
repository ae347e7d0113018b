"""Whether a merged checkpoint is what its recipe makes of its parents: compared tensor by tensor, one at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studies.errors import StudyError
from studies.recipes.inputs import RecipeInput

if TYPE_CHECKING:
    from torch import Tensor

    from engine.checkpoints.checkpoint import Checkpoint
    from engine.checkpoints.header import Header
    from engine.merging.output import Output

_POSITIONS = "position_ids"


@dataclass(frozen=True, slots=True, kw_only=True)
class DifferentTensor:
    """A tensor that is not what the recipe makes.

    Attributes:
        name: in the file.
        what: how it differs, for people.
        largest: largest absolute difference; None where shapes differ.
    """

    name: str
    what: str
    largest: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What a comparison found.

    Attributes:
        subject: what was compared with what, a sentence for people.
        equal: how many tensors (or keys) are equal.
        different: those that are not, the largest difference first.
        missing: what the recipe makes and the file lacks.
        extra: what the file has and the recipe does not make.
        notes: what was not compared, or taken for granted.
    """

    subject: str
    equal: int
    different: tuple[DifferentTensor, ...] = ()
    missing: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())

    @property
    def holds(self) -> bool:
        """Whether everything is equal and complete."""
        return not (self.different or self.missing or self.extra)


def verify_checkpoint(
    path: Path,
    found: RecipeInput,
    parents: Mapping[str, Path],
    *,
    vae_folders: tuple[Path, ...] = (),
    progress: Callable[[int, int], None] | None = None,
) -> Verification:
    """Merge again in memory, tensor by tensor, and compare with a file.

    Args:
        path: the merged file.
        found: its recipe.
        parents: the files of all its models.
        vae_folders: where a VAE that was baked in may lie.
        progress: called with (bytes compared, bytes in all).

    Raises:
        CheckpointError: a file cannot be used.
        RecipeError: the models do not fit the recipe.
    """
    from engine.checkpoints.header import read_header
    from engine.merging.output import MergedTensors
    from engine.merging.write import open_parents

    header = read_header(path)
    models = open_parents(found.recipe, parents)
    output, notes = _output(header, models[found.recipe.models[0]], vae_folders)
    merged = MergedTensors(found.recipe, models, output)
    there, made = header.tensors, merged.layout
    different = _sorted(_differences(path, merged, header, progress))
    common = [name for name in made if name in there]
    how = "step by step" if output.arithmetic == "exact" else "folded"
    return Verification(
        subject=f"{path.name}: merged again {how} in {output.dtype} and compared bit by bit",
        equal=len(common) - len(different),
        different=different,
        missing=tuple(name for name in made if name not in there),
        extra=tuple(name for name in there if name not in made),
        notes=tuple(notes),
    )


def _sorted(found: Iterator[DifferentTensor]) -> tuple[DifferentTensor, ...]:
    return tuple(sorted(found, key=lambda one: (-(float("inf") if one.largest is None else one.largest), one.name)))


def _differences(
    path: Path, merged: Any, header: Header, progress: Callable[[int, int], None] | None
) -> Iterator[DifferentTensor]:
    """Every tensor that differs, in the order of the new file."""
    from safetensors import safe_open

    from engine.files import readable

    total, done = sum(info.size for info in merged.layout.values()), 0
    with safe_open(str(readable(path)), framework="pt") as file:
        for (name, info), value in zip(merged.layout.items(), merged, strict=True):
            if name in header.tensors and (one := _compared(name, file.get_tensor(name), value)):
                yield one
            done += info.size
            if progress:
                progress(done, total)


def _compared(name: str, there: Tensor, made: Tensor) -> DifferentTensor | None:
    """The difference of two tensors; None where they are the same bits."""
    import torch

    if tuple(there.shape) != tuple(made.shape):
        what = f"its shape is {tuple(there.shape)}, the recipe makes {tuple(made.shape)}"
        return DifferentTensor(name=name, what=what)
    if there.dtype == made.dtype and torch.equal(there, made):
        return None
    apart = (there.double() - made.double()).abs()
    largest = float(apart.max()) if apart.numel() else 0.0
    count = int((apart != 0).sum())
    dtype = "" if there.dtype == made.dtype else f", {str(there.dtype)[6:]} in place of {str(made.dtype)[6:]}"
    return DifferentTensor(name=name, what=f"{count} of {apart.numel()} numbers differ{dtype}", largest=largest)


# --------------------------------------------------------------------------------------------- the form of the file


def _output(header: Header, first: Checkpoint, vae_folders: tuple[Path, ...]) -> tuple[Output, list[str]]:
    """How the file was written, by its own entry; else by its tensors."""
    from engine.merging.metadata import origin_of
    from engine.merging.output import FILE_DTYPES, Output

    origin = origin_of(header)
    facts: Mapping[str, Any] = origin.facts if origin else {}
    notes: list[str] = []
    dtype, arithmetic = facts.get("dtype"), facts.get("arithmetic")
    if dtype not in FILE_DTYPES:
        dtype = _usual_dtype(header)
        notes.append(f"the header does not say in which dtype it was merged; {dtype} is taken, as its tensors have")
    if arithmetic not in {"exact", "folded"}:
        arithmetic = "exact"
        notes.append("the header does not say how it was merged; step by step is taken")
    output = Output(
        dtype=str(dtype),
        arithmetic="folded" if arithmetic == "folded" else "exact",
        prune=bool(facts.get("pruned")),
        reset_clip_ids=_were_reset(header, first),
    )
    if name := facts.get("vae"):
        output = replace(output, vae=_vae_file(str(name), vae_folders))
    return output, notes


def _usual_dtype(header: Header) -> str:
    names = {"F16": "fp16", "BF16": "bf16", "F32": "fp32"}
    sizes = dict.fromkeys(names, 0)
    for name, info in header.tensors.items():
        if info.dtype in sizes and "model" in name:
            sizes[info.dtype] += info.size
    return names[max(sizes, key=lambda dtype: sizes[dtype])]


def _were_reset(header: Header, first: Checkpoint) -> bool:
    """Whether the position numbers of A were written anew: whole numbers in the file, others in A."""
    return any(
        name.endswith(_POSITIONS) and info.dtype == "I64" and first.tensors[key].dtype != "I64"
        for key in first.tensors
        if (info := header.tensors.get(name := first.stored_name(key))) is not None
    )


def _vae_file(name: str, folders: tuple[Path, ...]) -> Path:
    for folder in folders:
        if (folder / name).is_file():
            return folder / name
    raise StudyError(
        f"the VAE {name} was baked in, and it is not in {', '.join(map(str, folders))}",
        remedy="name its folder with --parents FOLDER",
    )
