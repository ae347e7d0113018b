"""The smoothing of smoothAdd: a median of neighbours, then a Gaussian, the same bits on every processor.

The median only selects. The Gaussian is ``scipy.ndimage.gaussian_filter`` with ``sigma=1``, step by step in its order,
since a compiler may fuse SciPy's sums on some processors. Both repeat the edge mirrored beyond a tensor's end.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Floats = npt.NDArray[np.float32]
GAUSSIAN = (
    *(0.39894346935609776, 0.24197144565660073, 0.05399112742070441),
    *(0.0044318616200312655, 0.00013383062461474175),
)
"""``exp(-k * k / 2)``, divided by its sum over -4 to 4, for k from 0 to 4."""
_COLUMNS = 1 << 14  # elements along which the sums of one go: what is at hand stays in the cache of a core


def smoothed(difference: Tensor) -> Tensor:
    """A median over three neighbours in every dimension, then a Gaussian of one element.

    Args:
        difference: float32, on the CPU.
    """
    from scipy import ndimage  # slow to import, and for two modes alone

    found: Floats = ndimage.median_filter(difference.numpy(), size=3)
    for axis in range(found.ndim):
        found = np.moveaxis(_blurred(np.moveaxis(found, axis, 0)), 0, axis)
    return torch.from_numpy(np.ascontiguousarray(found)).reshape(difference.shape)


def _blurred(values: Floats) -> Floats:
    """The Gaussian along the first axis."""
    count = values.shape[0]
    columns = values.reshape(count, -1)
    found = np.empty(columns.shape, np.float32)
    width = max(1, _COLUMNS // count)
    for start in range(0, columns.shape[1], width):
        piece = slice(start, start + width)
        found[:, piece] = _sums(columns[:, piece])
    return found.reshape(values.shape)


def _sums(columns: Floats) -> npt.NDArray[np.float64]:
    """In float64, the outermost pair of neighbours first."""
    reach, count = len(GAUSSIAN) - 1, columns.shape[0]
    wide = np.pad(columns, ((reach, reach), (0, 0)), mode="symmetric").astype(np.float64)
    found = wide[reach : reach + count] * GAUSSIAN[0]
    for far in range(reach, 0, -1):
        pair = wide[reach - far : reach - far + count] + wide[reach + far : reach + far + count]
        pair *= GAUSSIAN[far]
        found += pair
    return found
