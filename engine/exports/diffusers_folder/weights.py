"""The weights of a model folder: each tensor of the merge goes to its places in the modules' files as it is made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from io import BufferedWriter
from pathlib import Path

from torch import Tensor

from engine.architecture.keymap import Component, Fill, fills
from engine.checkpoints.header import TensorInfo, header_bytes
from engine.exports.diffusers_folder.configs import FOLDERS
from engine.live.model import LiveModel, part_of
from engine.merging.output import MergedTensors
from engine.merging.write import bytes_of

_FILES: dict[Component, str] = {
    "unet": "diffusion_pytorch_model.safetensors",
    "vae": "diffusion_pytorch_model.safetensors",
    "text": "model.safetensors",
    "text_g": "model.safetensors",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleFile:
    """A file of weights, planned.

    Attributes:
        head: its beginning.
        places: the first byte of each tensor, by the parameter's name.
        size: of the whole file, in bytes.
    """

    head: bytes
    places: Mapping[str, int]
    size: int


def module_files(live: LiveModel, dtype: str) -> dict[Component, ModuleFile]:
    """Return the files of a model's modules.

    Args:
        live: the modules.
        dtype: of all tensors, as the file format calls it.
    """
    return {component: _planned(component, live, dtype) for component in live.modules}


def write_weights(
    folder: Path,
    tensors: MergedTensors,
    live: LiveModel,
    files: Mapping[Component, ModuleFile],
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write the files of all modules; one tensor at a time is in memory.

    Args:
        folder: with the modules' folders in it.
        tensors: the merge, all in one dtype.
        live: the modules.
        files: from ``module_files``.
        progress: called with (bytes written, bytes in all).

    Raises:
        CheckpointError: a weight is not finite.
        OSError: a file cannot be written.
    """
    done, total = sum(len(file.head) for file in files.values()), sum(file.size for file in files.values())
    with ExitStack() as stack:
        opened: dict[Component, BufferedWriter] = {}
        for component, file in files.items():
            opened[component] = stack.enter_context((folder / FOLDERS[component] / _FILES[component]).open("xb"))
            opened[component].write(file.head)
        for key, tensor in zip(tensors.origins, tensors, strict=True):
            for fill in fills(key, live.family.widths):
                opened[fill.component].seek(files[fill.component].places[stored_name(fill)])
                done += opened[fill.component].write(bytes_of(_parameter(fill, tensor, live)))
            if progress:
                progress(done, total)


def stored_name(fill: Fill) -> str:
    """Return the name of a parameter in a folder: there the first text encoder has one level more."""
    return f"text_model.{fill.name}" if fill.component == "text" else fill.name


def _parameter(fill: Fill, tensor: Tensor, live: LiveModel) -> Tensor:
    return part_of(fill, tensor).reshape(live.module(fill.component).get_parameter(fill.name).shape)


def _planned(component: Component, live: LiveModel, dtype: str) -> ModuleFile:
    names = [fill for key in live.shapes for fill in fills(key, live.family.widths) if fill.component == component]
    shape_of = {stored_name(fill): tuple(live.module(component).get_parameter(fill.name).shape) for fill in names}
    layout = {name: TensorInfo(shape=shape_of[name], dtype=dtype) for name in sorted(shape_of)}
    head = header_bytes(layout, {"format": "pt"})
    place, places = len(head), dict[str, int]()
    for name, info in layout.items():
        places[name] = place
        place += info.size
    return ModuleFile(head=head, places=places, size=place)
