"""From pictures of any size to an image encoder's input; the same for references and renders.

Pictures are ``[n, 3, h, w]`` float tensors in 0..1 on any device. Pillow only reads the reference files; renders never
leave the device.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from engine.errors import Problems
from scorers.errors import ScorerError
from scorers.picture_files import kept_size, read_image

Resize = Literal["shortest", "longest", "squash"]
"""How a picture is brought to a square, see ``prep``."""
RESIZES: tuple[str, ...] = get_args(Resize)
"""The names of ``Resize``."""


def resize_exact(x: Tensor, height: int, width: int) -> Tensor:
    """Bicubic antialiased resize in Pillow's own order: the width first, then the height, clamped after each.

    Args:
        x: ``[n, 3, h, w]`` in 0..1.
        height: of the result, in pixels.
        width: of the result, in pixels.

    Returns:
        ``[n, 3, height, width]`` float32 in 0..1; within 1.1 grey levels of Pillow's result on 8-bit pictures.
    """
    x = x.float()
    for size in ((x.shape[-2], width), (height, width)):
        if tuple(x.shape[-2:]) != size:
            x = F.interpolate(x, size=size, mode="bicubic", antialias=True, align_corners=False).clamp(0, 1)
    return x


def short_side_to(x: Tensor, size: int) -> Tensor:
    """Resize so that the short side is ``size`` pixels; the aspect ratio stays."""
    height, width = x.shape[-2:]
    if height <= width:
        return resize_exact(x, size, int(size * width / height))
    return resize_exact(x, int(size * height / width), size)


def _letterbox(x: Tensor, size: int) -> Tensor:
    height, width = x.shape[-2:]
    scale = size / max(height, width)
    x = resize_exact(x, max(1, round(height * scale)), max(1, round(width * scale)))
    down, right = size - x.shape[-2], size - x.shape[-1]
    return F.pad(x, (right // 2, right - right // 2, down // 2, down - down // 2))


def _centre_crop(x: Tensor, size: int) -> Tensor:
    x = short_side_to(x, size)
    top, left = (round((side - size) / 2) for side in x.shape[-2:])
    return x[..., top : top + size, left : left + size]


def prep(x: Tensor, size: int, mean: Sequence[float], std: Sequence[float], resize: Resize = "shortest") -> Tensor:
    """Resize, crop or pad, and normalise, as open_clip's ``image_transform`` does on Pillow images.

    Args:
        x: ``[n, 3, h, w]`` in 0..1.
        size: side of the encoder's input in pixels.
        mean: of the three channels.
        std: of the three channels.
        resize: ``shortest`` side to ``size`` and centre crop; ``longest`` side to ``size`` and black bars; or
            ``squash`` both.

    Returns:
        ``[n, 3, size, size]`` float32; before normalising, within 1.1 grey levels of open_clip's own.
    """
    if resize == "squash":
        x = resize_exact(x, size, size)
    else:
        x = _letterbox(x, size) if resize == "longest" else _centre_crop(x, size)
    shift, scale = (torch.tensor(v, dtype=x.dtype, device=x.device).view(1, 3, 1, 1) for v in (mean, std))
    return (x - shift) / scale


def load_picture(path: Path) -> Tensor:
    """Decode a picture file as ``scorers.picture_files.read_image`` does.

    Returns:
        ``[3, h, w]`` float32 in 0..1, on the CPU.

    Raises:
        ScorerError: the file is missing, is not a picture, is cut short, or is too large.
    """
    image = read_image(path, ScorerError)
    planes = np.empty((3, image.height, image.width), dtype=np.float32)
    if image.mode == "RGB":
        np.divide(np.asarray(image).transpose(2, 0, 1), 255, out=planes, dtype=np.float32)
    else:  # grey of 16 bits
        planes[:] = (np.asarray(image, dtype=np.float32) / 65535).clip(0, 1)
    return torch.from_numpy(planes)


def load_pictures(paths: Iterable[Path]) -> list[Tensor]:
    """Decode several files, and name every one that is not a picture in a single error.

    Raises:
        ScorerError: with one line for each file that cannot be used.
    """
    pictures: list[Tensor] = []
    problems = Problems()
    for path in paths:
        with problems.collecting():
            pictures.append(load_picture(path))
    problems.raise_as(ScorerError, "the references")
    return pictures


def short_sides(paths: Iterable[Path]) -> list[int]:
    """The short side in pixels of every picture as ``load_picture`` gives it, from the files' headers.

    Raises:
        ScorerError: with one line for each file that is not a picture.
    """
    sides: list[int] = []
    problems = Problems()
    for path in paths:
        with problems.collecting():
            sides.append(min(kept_size(path, ScorerError)))
    problems.raise_as(ScorerError, "the references")
    return sides
