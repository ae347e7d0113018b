"""The difference hash: 64 bits of a picture, of which few change when it is scaled, compressed or recoloured.

A grey copy reduced to 9 by 8 pixels gives one bit for each pair of neighbours in a row: whether the right
one is brighter (Krawetz 2013, "Kind of Like That", The Hacker Factor Blog). Two pictures whose hashes differ in few
bits show the same thing in the same place.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from scorers.encoders.preprocess import resize_exact

SIDE = 8
"""Rows of the reduced picture, and bits per row."""
VERSION = "1"
"""Version of the hash; part of the features' versions."""


@torch.inference_mode()
def difference_hashes(images: Tensor) -> npt.NDArray[np.uint64]:
    """Hashes of pictures ``[n, 3, h, w]`` in 0..1: ``(n,)`` uint64."""
    small = resize_exact(images, SIDE, SIDE + 1)
    grey = 0.299 * small[:, 0] + 0.587 * small[:, 1] + 0.114 * small[:, 2]
    bits = (grey[..., 1:] > grey[..., :-1]).flatten(1).cpu().numpy()
    return np.packbits(bits, axis=1).view(">u8")[:, 0].astype(np.uint64)


def distances(a: npt.NDArray[np.uint64], b: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
    """Bits in which the hashes of ``a`` differ from those of ``b``, ``(len(a), len(b))``, 0 to 64."""
    return np.bitwise_count(a[:, None] ^ b[None, :]).astype(np.int64)
