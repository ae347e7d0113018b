"""Whether tensors are finite."""

from __future__ import annotations

from torch import Tensor


def all_finite(tensor: Tensor) -> bool:
    """Return whether no element is NaN or infinite; in one pass, where ``isfinite().all()`` needs several."""
    if tensor.numel() == 0:
        return True
    low, high = tensor.aminmax()  # NaN anywhere makes both NaN
    return bool(low.isfinite() & high.isfinite())
