"""Whether tensors are finite, and whether shapes mean the same."""

from __future__ import annotations

from torch import Tensor

from engine.architecture.widths import Shape


def all_finite(tensor: Tensor) -> bool:
    """Return whether no element is NaN or infinite; in one pass, where ``isfinite().all()`` needs several."""
    if tensor.numel() == 0:
        return True
    low, high = tensor.aminmax()  # NaN anywhere makes both NaN
    return bool(low.isfinite() & high.isfinite())


def same_shape(first: Shape, second: Shape) -> bool:
    """Return whether shapes are equal but for trailing ones: some tools store 1x1 convolutions as matrices."""
    return _trimmed(first) == _trimmed(second)


def _trimmed(shape: Shape) -> Shape:
    while shape and shape[-1] == 1:
        shape = shape[:-1]
    return shape
