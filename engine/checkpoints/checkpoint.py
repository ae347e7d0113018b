"""Opening a checkpoint: one ``.safetensors`` file in the original layout of SD1, SD2 or SDXL, checked before use.

``open_checkpoint`` is for merging, where keys may be missing; ``open_complete`` for rendering, where none may.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.architecture.families import family_of, foreign, no_pictures, read_widths
from engine.architecture.keymap import unused
from engine.architecture.layout import TEXT, VAE, Widths, shapes
from engine.architecture.prediction import PREDICTION_KEYS, other_prediction
from engine.architecture.widths import FamilyName, Shape, same_shape
from engine.checkpoints.header import SIZES, Header, TensorInfo, read_header
from engine.errors import CheckpointError, counted
from engine.files import readable
from engine.footprint.machine import main_memory_errors
from engine.recipes.blocks import is_merged

if TYPE_CHECKING:
    from torch import Tensor

    from engine.checkpoints.tensor_file import TensorFile

BytesRead = Callable[[int, int], None]
"""``progress(done, total)``: called with the bytes read so far, and all of them."""

FLOATS = ("F16", "BF16", "F32")
"""The dtypes of the tensors that can be merged, as safetensors names them."""
PARTS = ("model.diffusion_model.", "first_stage_model.", "cond_stage_model.", "conditioner.")
"""How the names of the tensors of UNet, VAE and text encoders begin."""
_TORCH_NAMES = {"F16": "float16", "BF16": "bfloat16", "F32": "float32"}
"""What torch calls the dtypes of ``FLOATS``."""
_OLD_TEXT = "cond_stage_model.transformer."
_OLD_PARTS = tuple(_OLD_TEXT + part for part in ("embeddings.", "encoder.", "final_layer_norm."))
_CHUNK = 1 << 22


class Checkpoint:
    """A checkpoint, known by its header. Tensors are read from the file when they are needed.

    Attributes:
        path: the file.
        family: sd1, sd2 or sdxl.
        widths: the widths its shapes show.
        shapes: LDM key to shape.
        tensors: LDM key to shape and dtype, everything in the file, in its order. Old text encoder names (without
            ``text_model.``) appear under the usual ones.
        metadata: the file's own, by name.
    """

    def __init__(self, path: Path, header: Header, family: FamilyName) -> None:
        self.path = path
        self.family: FamilyName = family
        self._stored = {usual_name(name): name for name in header.tensors}
        self.tensors: dict[str, TensorInfo] = {key: header.tensors[name] for key, name in self._stored.items()}
        self._offsets = header.offsets
        self.metadata = header.metadata
        self.shapes: dict[str, Shape] = shapes_of(self.tensors)
        self.widths: Widths = read_widths(self.shapes)

    def __repr__(self) -> str:
        return f"Checkpoint({str(self.path)!r}, {self.widths})"

    def stored_name(self, key: str) -> str:
        """Return the name of ``key`` in the file."""
        return self._stored[key]

    def read(self, key: str) -> Tensor:
        """Return a tensor as stored: a view of the mapped file, on the CPU; do not write to it."""
        return self._file.get_tensor(self._stored[key])

    def read_into(self, key: str, out: Tensor, start: int = 0) -> None:
        """Fill memory with a part of a tensor; unlike ``read`` it leaves no page of the file in memory.

        Args:
            key: of the tensor.
            out: flat and contiguous, on the CPU; in the tensor's own dtype, or in another that it is converted to.
            start: the first element that is read.

        Raises:
            CheckpointError: the file is damaged, cannot be read, or was changed since it was read first.
        """
        info = self.tensors[key]
        if str(out.dtype) == f"torch.{_TORCH_NAMES.get(info.dtype)}":
            self._contents.read(self._offsets[self._stored[key]] + start * SIZES[info.dtype], out)
        else:
            out.copy_(self.read(key).reshape(-1)[start : start + out.numel()])

    def copy(self, key: str) -> Tensor:
        """Return a tensor as stored, on the CPU, in memory of its own; the file leaves no page in memory.

        Raises:
            CheckpointError: as ``read_into``.
        """
        import torch  # not everyone needs it

        info = self.tensors[key]
        if info.dtype not in FLOATS:
            return self.read(key).clone()
        out = torch.empty(info.elements, dtype=getattr(torch, _TORCH_NAMES[info.dtype]))
        self.read_into(key, out)
        return out.reshape(info.shape)

    def check_readable(self) -> None:
        """Check the places of all tensors and open the file, to which it stays open.

        Raises:
            CheckpointError: the file is damaged or cannot be read.
        """
        _ = self._contents

    @cached_property
    def _contents(self) -> TensorFile:
        from engine.checkpoints.tensor_file import TensorFile  # brings torch, which not everyone needs

        _ = self._file  # the library checks that the places of all tensors fit their shapes
        found = TensorFile(self.path)
        found.hold()
        return found

    @cached_property
    def _file(self) -> Any:
        return mapped(self.path)


def mapped(path: Path) -> Any:
    """Open a file with the safetensors library, which gives it as many addresses as it has bytes.

    Raises:
        CheckpointError: the file is damaged, cannot be read, or there are not so many addresses left.
    """
    from safetensors import SafetensorError, safe_open  # brings torch, which not everyone needs

    try:
        with main_memory_errors():
            return safe_open(str(readable(path)), framework="pt")
    except MemoryError as error:
        raise CheckpointError(
            "cannot be opened, for this process may not have so much memory",
            place=(path,),
            remedy="raise its limit (ulimit -v), or that of the container",
        ) from error
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"cannot be opened ({error})", place=(path,), remedy="fetch the file again") from error


def usual_name(name: str) -> str:
    """Return a name with ``text_model.`` in it, which old checkpoints leave out of the text encoder's names."""
    return TEXT + name.removeprefix(_OLD_TEXT) if name.startswith(_OLD_PARTS) else name


def shapes_of(tensors: Mapping[str, TensorInfo]) -> dict[str, Shape]:
    """Return the shape of each tensor, by key."""
    return {key: info.shape for key, info in tensors.items()}


def named(keys: Iterable[str], show: int = 5) -> str:
    """Return the first few keys, and how many more there are, for a message."""
    names = sorted(keys)
    more = f" and {len(names) - show} more" if len(names) > show else ""
    return ", ".join(names[:show]) + more


def open_checkpoint(path: Path | str) -> Checkpoint:
    """Open a checkpoint for merging, without any network.

    Raises:
        CheckpointError: missing, a folder, cut short, damaged, a pickle by another name, another architecture, or
            dtypes that cannot be merged.
    """
    path = Path(path)
    header = read_header(path)
    keys = {usual_name(name): info.shape for name, info in header.tensors.items()}
    family = family_of(keys)
    if family is None:
        raise CheckpointError(
            f"this is {foreign(keys)}", place=(path,), remedy="an SD1, SD2 or SDXL checkpoint is needed"
        )
    checkpoint = Checkpoint(path, header, family)
    wrong = [f"{key} ({info.dtype})" for key, info in checkpoint.tensors.items() if not _is_usable(key, info)]
    if wrong:
        raise CheckpointError(f"only {', '.join(FLOATS)} can be merged, not {named(wrong)}", place=(path,))
    return checkpoint


def _is_usable(key: str, info: TensorInfo) -> bool:
    """Whether a tensor can be merged, or copied where it takes no part in merges."""
    return info.dtype in (FLOATS if is_merged(key) else SIZES)


def open_complete(path: Path | str, *, vae: bool = True) -> Checkpoint:
    """Open a checkpoint for rendering: UNet, text encoders and VAE, with nothing missing.

    Args:
        path: the file.
        vae: whether its own VAE is needed.

    Raises:
        CheckpointError: as ``open_checkpoint``; or tensors are missing, or it is of a kind that cannot be rendered,
            such as one with EDM's noise levels.
    """
    checkpoint = open_checkpoint(path)
    if reason := no_pictures(checkpoint.widths):
        raise CheckpointError(reason, place=(Path(path),))
    if other := other_prediction(checkpoint.tensors, checkpoint.metadata):
        raise CheckpointError(other[0], place=(Path(path),), remedy=other[1])
    _check_complete(checkpoint, vae=vae)
    return checkpoint


def has_vae(checkpoint: Checkpoint) -> bool:
    """Return whether the file holds a whole VAE."""
    needed = {key: shape for key, shape in shapes(checkpoint.widths).items() if key.startswith(VAE)}
    found = checkpoint.shapes
    return all(key in found and same_shape(found[key], shape) for key, shape in needed.items())


def _check_complete(checkpoint: Checkpoint, *, vae: bool) -> None:
    found, spare = checkpoint.tensors, unused(checkpoint.widths)
    needed = {key: shape for key, shape in shapes(checkpoint.widths).items() if vae or not key.startswith(VAE)}
    expected = {key: shape for key, shape in needed.items() if key in found or key not in spare}
    missing = [key for key in expected if key not in found]
    if missing:
        raise CheckpointError(
            f"it lacks {counted(len(missing), 'tensor')}: {named(missing)}",
            place=(checkpoint.path,),
            remedy=_advice(missing),
        )
    odd = [key for key, shape in expected.items() if not same_shape(found[key].shape, shape)]
    if odd:
        first = min(odd)
        raise CheckpointError(
            f"{counted(len(odd), 'tensor')} with shapes that no model of its widths has: {named(odd)} "
            f"({first} is {found[first].shape}, {expected[first]} is needed)",
            place=(checkpoint.path,),
        )


def _advice(missing: list[str]) -> str:
    if all(key.startswith(VAE) for key in missing):
        return "give a VAE file (option --vae, or vae under [render]), or use a version of it with its VAE inside"
    if all(key.startswith("cond") for key in missing):
        return "use a version of the file with its text encoder inside"
    return "use a complete file"


def check_pair(a: Checkpoint, b: Checkpoint, *, vae: bool = True) -> None:
    """Check that two checkpoints can be merged.

    Args:
        a: one.
        b: the other.
        vae: whether the VAE of ``b`` is needed.

    Raises:
        CheckpointError: a tensor that takes part in merges has another shape in ``b``.
    """
    odd = [
        key
        for key, info in a.tensors.items()
        if is_merged(key) and key in b.tensors and not same_shape(info.shape, b.tensors[key].shape)
    ]
    spare = unused(a.widths)
    needed = [key for key in shapes(a.widths) if vae or not key.startswith(VAE)]
    lost = [key for key in needed if key not in b.tensors and key not in spare]
    if odd or lost:
        raise CheckpointError(
            f"{a.path} and {b.path} cannot be merged: {counted(len(odd), 'tensor')} of other shapes, "
            f"and {len(lost)} missing in the second: {named(odd or lost)} (first: {a.widths}; second: {b.widths})"
        )


def is_kept(key: str) -> bool:
    """Whether a pruned checkpoint keeps a tensor: it belongs to the UNet, the VAE or a text encoder, or is a mark."""
    return key.startswith(PARTS) or key in PREDICTION_KEYS


def is_saved(key: str, info: TensorInfo) -> bool:
    """Whether a merge saves a tensor in the dtype that is asked for: floats with "model" in their name."""
    return "model" in key and info.dtype in FLOATS


def check_finite(checkpoint: Checkpoint, progress: BytesRead | None = None) -> None:
    """Read every weight of UNet, VAE and text encoders, and check for NaN and infinity.

    Raises:
        CheckpointError: some weights are no finite numbers.
    """
    from engine.checkpoints.tensors import all_finite  # brings torch, which not everyone needs

    floats = {key: info for key, info in checkpoint.tensors.items() if is_saved(key, info) and is_kept(key)}
    total, done, broken = sum(info.size for info in floats.values()), 0, list[str]()
    for key, info in floats.items():
        if not all_finite(checkpoint.read(key)):
            broken.append(key)
        done += info.size
        if progress:
            progress(done, total)
    if broken:
        raise CheckpointError(
            f"NaN or infinite weights in {counted(len(broken), 'tensor')}: {named(broken)}",
            place=(checkpoint.path,),
            remedy="the file is broken (often by a merge in fp16), take another version of it",
        )


def broken_extras(checkpoint: Checkpoint, dtype: str) -> list[str]:
    """Return the tensors that no picture shows and that no checkpoint of a dtype can hold: NaN, infinite, too large.

    Such are EMA weights and the numbers of a training; a pruned checkpoint leaves them out (``is_kept``).

    Args:
        checkpoint: whose tensors are read.
        dtype: fp16, bf16 or fp32.
    """
    import torch  # not everyone needs it

    from engine.checkpoints.tensors import all_finite

    stored = {"fp16": torch.float16, "bf16": torch.bfloat16, "fp32": torch.float32}[dtype]
    extras = [key for key, info in checkpoint.tensors.items() if is_saved(key, info) and not is_kept(key)]
    return [key for key in extras if not all_finite(checkpoint.read(key).to(stored))]


def file_sha256(path: Path | str, progress: BytesRead | None = None, *, start: int = 0) -> str:
    """SHA-256 of a whole file, 64 hex digits; the first ten are the WebUI's short hash (AutoV2).

    Args:
        path: the file.
        progress: called with (bytes read, bytes in all).
        start: the first byte that counts; that of the data of a safetensors file gives AutoV3, its first 12 digits.

    Raises:
        CheckpointError: the file cannot be read.
    """
    path, digest, done = Path(path), hashlib.sha256(), 0
    try:
        total = readable(path).stat().st_size
        with readable(path).open("rb") as file:
            file.seek(start)
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
                done += len(chunk)
                if progress:
                    progress(done, total)
    except OSError as error:
        raise CheckpointError(f"cannot be read ({error.strerror})", place=(path,)) from error
    return digest.hexdigest()
