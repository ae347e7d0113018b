"""Colour, contrast and detail of pictures in numbers.

All statistics are measured after the short side was resized to one size for the whole panel (``working_size``),
because statistics of detail depend on the number of pixels: the same picture at 1024 and at 512 pixels differs by half
in ``hf_ratio``. The size is ``STANDARD_SIZE`` or the smallest short side among references and renders, whichever is
less: enlarging a picture adds pixels without detail, so the share of fine detail would measure how much a picture was
enlarged. Cost on one core, 12 pictures of 96 px: 20 ms of processor time at 96 px, 710 ms enlarged to 512 px (the
encoder, a tiny CLIP: 23 ms).

Luma is Y = .299 R + .587 G + .114 B. ``colourfulness`` is Hasler and Suesstrunk 2003, with signed opponent axes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor

from scorers.encoders.preprocess import short_side_to

STANDARD_SIZE = 512
"""The largest short side, in pixels, at which statistics are measured."""
VERSION = "2"
"""Version of the statistics; part of the features' versions."""
STATISTICS: tuple[str, ...] = (
    "colourfulness",  # 0..~150, 0 for grey pictures
    "saturation",  # mean HSV saturation, 0..1
    "chroma",  # mean of max - min over the channels, 0..1
    "brightness",  # mean Y, 0..1
    "rms_contrast",  # standard deviation of Y, 0..0.5
    "range_5_95",  # between the 5 % and 95 % quantiles of Y, 0..1
    "clip_frac",  # share of Y below 2/255 or above 253/255
    "log_lap_var",  # log variance of the 4-neighbour Laplacian of 255 Y
    "edge_density",  # share of Sobel magnitude above 0.4
    "hf_ratio",  # energy above a Gaussian of 1.5 px over the variance of Y, 0..1
    "warmth",  # mean R - B, -1..1
    "green_magenta",  # mean G - (R + B) / 2, -1..1
    "dark_frac",  # share of Y below 2/255
    "grid",  # share of the variance of Y in a pattern that repeats every 8 of the picture's own pixels, 0..1
    "coherence",  # correlation of neighbouring cells of 8 by 8 of the picture's own pixels, -1..1
)
"""Names of the statistics, in the order of the columns."""
BLUR = 1.5
"""Standard deviation, in pixels, of the Gaussian that ``hf_ratio`` measures detail against."""
CELL = 8
"""Pixels of a picture per latent pixel: the size of the pattern or of the random cells of a failing decoder."""
STRIP = 1 << 20
"""The most pixels that a CPU convolves at once: it takes 64 bytes for each, in strips of rows for the same bits."""
CHUNK = 8
"""Pictures measured at a time; it bounds memory, and torch.quantile takes at most 16 million values."""
EDGE = 0.4
"""The least Sobel magnitude that counts as an edge."""
VARIANCE_OFFSET = 1e-6
"""What is added to the Laplacian's variance, so that a picture of one colour has a logarithm."""


def working_size(short_sides: Iterable[int]) -> int:
    """The short side, in pixels, at which a panel measures: the smallest given, at most ``STANDARD_SIZE``."""
    return min(STANDARD_SIZE, *short_sides)


def measure(images: Tensor, size: int) -> Tensor:
    """Measure every picture.

    Args:
        images: ``[n, 3, h, w]`` in 0..1.
        size: the panel's working size.

    Returns:
        ``[n, len(STATISTICS)]`` float32 on the pictures' device.
    """
    return torch.cat([_measure(chunk.float(), short_side_to(chunk, size)) for chunk in images.split(CHUNK)])


def _measure(own: Tensor, x: Tensor) -> Tensor:
    """Statistics of pictures at their own size and at the working size."""
    red, green, blue = x.unbind(1)
    luma = _luma(x)
    values = {**_colour(red, green, blue), **_contrast(luma), **_detail(luma), **_cells(own)}
    return torch.stack([values[name] for name in STATISTICS], dim=1)


def _luma(x: Tensor) -> Tensor:
    red, green, blue = x.unbind(1)
    return 0.299 * red + 0.587 * green + 0.114 * blue


def _mean(x: Tensor) -> Tensor:
    return x.flatten(1).mean(1)


def _variance(x: Tensor) -> Tensor:
    return x.flatten(1).var(1, correction=0)


def _colour(red: Tensor, green: Tensor, blue: Tensor) -> dict[str, Tensor]:
    rg, yb = 255 * (red - green), 255 * ((red + green) / 2 - blue)
    high = torch.maximum(torch.maximum(red, green), blue)
    chroma = high - torch.minimum(torch.minimum(red, green), blue)
    spread = (_variance(rg) + _variance(yb)).sqrt()
    return {
        "colourfulness": spread + 0.3 * (_mean(rg) ** 2 + _mean(yb) ** 2).sqrt(),
        "saturation": _mean(chroma / high.clamp_min(1e-6)),
        "chroma": _mean(chroma),
        "warmth": _mean(red - blue),
        "green_magenta": _mean(green - (red + blue) / 2),
    }


def _contrast(luma: Tensor) -> dict[str, Tensor]:
    ends = torch.tensor([0.05, 0.95], dtype=luma.dtype, device=luma.device)
    low, high = torch.quantile(luma.flatten(1), ends, dim=1)
    clipped = (luma < 2 / 255) | (luma > 253 / 255)
    return {
        "brightness": _mean(luma),
        "rms_contrast": _variance(luma).sqrt(),
        "range_5_95": high - low,
        "clip_frac": _mean(clipped.float()),
        "dark_frac": _mean((luma < 2 / 255).float()),
    }


def _detail(luma: Tensor) -> dict[str, Tensor]:
    y = luma[:, None]
    inner = y[..., 1:-1, 1:-1]
    neighbours = y[..., :-2, 1:-1] + y[..., 2:, 1:-1] + y[..., 1:-1, :-2] + y[..., 1:-1, 2:]
    across = y[..., :-2, :] + 2 * y[..., 1:-1, :] + y[..., 2:, :]
    down = y[..., :-2] + 2 * y[..., 1:-1] + y[..., 2:]
    squared = (across[..., 2:] - across[..., :-2]).square() + (down[..., 2:, :] - down[..., :-2, :]).square()
    slope = squared.sqrt()
    fine = (y - _blurred(y)).square()
    variance = _variance(luma)
    return {
        "log_lap_var": (_variance(255 * (neighbours - 4 * inner)) + VARIANCE_OFFSET).log(),
        "edge_density": _mean((slope > EDGE).float()),
        "hf_ratio": torch.where(variance > 1e-8, _mean(fine) / variance.clamp_min(1e-8), 0.0),
    }


def _cells(own: Tensor) -> dict[str, Tensor]:
    """Faults of the size of a latent pixel: a repeated pattern, or neighbouring cells that do not correlate.

    They are measured at each picture's own size; pictures of less than two cells a side have neither.
    """
    height, width = (side // CELL for side in own.shape[-2:])
    if min(height, width) < 2:
        return {"grid": own.new_zeros(len(own)), "coherence": own.new_ones(len(own))}
    own = own[..., : height * CELL, : width * CELL]
    luma = _luma(own)
    fine = luma - _moving_average(luma[:, None])[:, 0]
    tile = fine.unflatten(2, (width, CELL)).unflatten(1, (height, CELL)).mean((1, 3))
    cells = F.avg_pool2d(own, CELL)
    cells = cells - cells.mean((2, 3), keepdim=True)
    across = (cells[..., 1:] * cells[..., :-1]).flatten(1).mean(1)
    down = (cells[..., 1:, :] * cells[..., :-1, :]).flatten(1).mean(1)
    spread, variance = cells.square().flatten(1).mean(1), _variance(luma)
    return {
        "grid": torch.where(variance > 1e-8, _variance(tile) / variance.clamp_min(1e-8), 0.0),
        "coherence": torch.where(spread > 1e-8, (across + down) / 2 / spread.clamp_min(1e-8), 1.0),
    }


def _moving_average(y: Tensor) -> Tensor:
    """Moving average over one cell's side, in which a pattern that repeats every cell vanishes."""
    weights = torch.tensor([0.5, *[1.0] * (CELL - 1), 0.5], dtype=y.dtype, device=y.device) / CELL
    height, rows = y.shape[-2], max(CELL, STRIP // (len(y) * y.shape[-1])) if y.is_cpu else y.shape[-2]
    y = F.pad(y, (CELL // 2,) * 4, mode="reflect")
    strips = (y[..., top : min(top + rows, height) + CELL, :] for top in range(0, height, rows))
    averages = [F.conv2d(F.conv2d(x, weights.view(1, 1, 1, -1)), weights.view(1, 1, -1, 1)) for x in strips]
    return averages[0] if len(averages) == 1 else torch.cat(averages, -2)


def _blurred(y: Tensor) -> Tensor:
    radius = math.ceil(4 * BLUR)
    at = torch.arange(-radius, radius + 1, dtype=y.dtype, device=y.device)
    kernel = torch.exp(-0.5 * (at / BLUR) ** 2)
    kernel = kernel / kernel.sum()
    y = F.pad(y, (radius,) * 4, mode="replicate")
    return F.conv2d(F.conv2d(y, kernel.view(1, 1, 1, -1)), kernel.view(1, 1, -1, 1))
