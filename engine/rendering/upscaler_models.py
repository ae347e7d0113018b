"""A folder of upscaler models: ESRGAN and the like, ``.pth`` or ``.safetensors``, chosen by name and run in tiles.

The package spandrel (an extra of this project) recognises the architecture of a file and builds it; files are read
here, without running any code in them. As in AUTOMATIC1111's WebUI, the colour channels go in as blue, green, red, even
if a model was trained on red, green, blue; numbers are float32 here.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image

from engine.checkpoints.checkpoint import file_sha256
from engine.checkpoints.weight_file import read_weights, weight_files
from engine.errors import RenderError, first_line
from engine.rendering.tiles import tiled
from engine.rendering.upscale import Enlarge
from engine.shots.hires import UPSCALERS

if TYPE_CHECKING:
    from spandrel import ImageModelDescriptor

UPSCALER_SUFFIXES = frozenset({".pth", ".safetensors"})
"""How names of upscaler files end."""
INSTALL = "pip install 'sd-recipe-search[upscalers]'"
"""The command that installs what upscaler models need."""
ALIASES = {
    "R-ESRGAN 2x+": "RealESRGAN_x2plus",
    "R-ESRGAN 4x+": "RealESRGAN_x4plus",
    "R-ESRGAN 4x+ Anime6B": "RealESRGAN_x4plus_anime_6B",
    "R-ESRGAN AnimeVideo": "realesr-animevideov3",
    "R-ESRGAN General 4xV3": "realesr-general-x4v3",
    "R-ESRGAN General WDN 4xV3": "realesr-general-wdn-x4v3",
}
"""The WebUI's names of upscalers whose files have other names (modules/realesrgan_model.py of 1.10)."""


class UpscalerFolder:
    """The upscaler models of one folder and the folders inside it; a file's stem is its name, in any case.

    Attributes:
        folder: The folder.

    Raises:
        RenderError: The folder does not exist.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._files: dict[str, list[Path]] = {}
        for path in weight_files(folder, UPSCALER_SUFFIXES, "upscalers"):
            self._files.setdefault(path.stem.casefold(), []).append(path)
        self._opened: dict[str, Enlarge] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """All names, sorted."""
        return tuple(sorted(paths[0].stem for paths in self._files.values()))

    def path(self, name: str) -> Path:
        """The file of a name: a file's stem, where blanks may stand for "_", or the WebUI's name for it.

        Raises:
            RenderError: There is none, or there are several.
        """
        spellings = (name, ALIASES.get(name, name), name.replace(" ", "_"))
        found = next((self._files[one.casefold()] for one in spellings if one.casefold() in self._files), [])
        if len(found) == 1:
            return found[0]
        if found:
            listed = ", ".join(str(path.relative_to(self.folder)) for path in found)
            raise RenderError(
                f'several upscalers are called "{name}": {listed}', remedy="move all but one away", place=(self.folder,)
            )
        file = f"{spellings[1]}.pth or .safetensors"
        there = f"it has {', '.join(self.names)}" if self._files else "it has none"
        raise RenderError(
            f'holds no upscaler "{name}" ({there})',
            place=(self.folder,),
            remedy=f"put {file} there, or choose another; without a file: {', '.join(UPSCALERS)}",
        )

    def hashes(self, names: Iterable[str]) -> dict[str, str]:
        """sha256 in hex of the files of these names, by name."""
        return {name: file_sha256(self.path(name)) for name in sorted(set(names))}

    def opened(self, name: str, device: torch.device) -> Enlarge:
        """One pass of a model over a picture, on a device; a file is read once.

        Raises:
            RenderError: No such file, the package spandrel is missing, or the file is no upscaler of RGB pictures.
        """
        if name not in self._opened:
            model = _descriptor(self.path(name)).to(device)
            self._opened[name] = lambda picture: tiled(picture, lambda tile: _once(model, tile, device))
        return self._opened[name]


def _once(model: ImageModelDescriptor[Any], picture: Image.Image, device: torch.device) -> Image.Image:
    """A tile, enlarged by a model, its colour channels in the WebUI's order, rounded to eight bits."""
    values = np.ascontiguousarray(np.asarray(picture)[:, :, ::-1].transpose(2, 0, 1), np.float32) / np.float32(255)
    with torch.inference_mode():
        large = model(torch.from_numpy(values)[None].to(device))[0].float().clamp(0, 1).mul(255).round()
    return Image.fromarray(np.ascontiguousarray(large.byte().permute(1, 2, 0).cpu().numpy()[:, :, ::-1]))


def _descriptor(path: Path) -> ImageModelDescriptor[Any]:
    try:
        from spandrel import ImageModelDescriptor, ModelLoader, UnsupportedModelError, canonicalize_state_dict
    except ImportError as error:
        raise RenderError(
            "upscaler models need the package spandrel", remedy=f"install it: {INSTALL}", place=(path,)
        ) from error
    state = read_weights(path, "upscaler")
    try:
        model = ModelLoader().load_from_state_dict(canonicalize_state_dict(dict(state)))
    except (UnsupportedModelError, AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise RenderError(
            f"is no upscaler that spandrel knows ({first_line(error):.200})", remedy="choose another", place=(path,)
        ) from error
    if not isinstance(model, ImageModelDescriptor) or model.purpose != "SR":
        raise RenderError(
            f"is a model ({model.architecture.name}) that does not enlarge", remedy="choose another", place=(path,)
        )
    if (model.input_channels, model.output_channels) != (3, 3):
        raise RenderError(
            f"takes {model.input_channels} channels, no RGB pictures", remedy="choose another upscaler", place=(path,)
        )
    return model.float().eval()
