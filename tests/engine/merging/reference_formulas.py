"""The reference's arithmetic for one key: textbook formulas in float64.

What SuperMerger computes in float32 is not rounded on the way. What it computes in a model's own dtype, which may be
float16, is rounded to that dtype after every operation; torch takes the numbers in such an operation as float32.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import scipy.ndimage
import torch
from torch import Tensor

from tests.engine.merging.reference_rules import ADJUST_KEYS, ReferenceRefused, is_head


def f64(tensor: Tensor) -> Tensor:
    """The values in float64."""
    return tensor.to(torch.float64)


def times(factor: float, tensor: Tensor) -> Tensor:
    """A number times a tensor, in the tensor's dtype."""
    return (float(np.float32(factor)) * f64(tensor)).to(torch.float32).to(tensor.dtype)


def plus(left: Tensor, right: Tensor) -> Tensor:
    """A sum in the dtype that torch gives to it."""
    return (f64(left) + f64(right)).to(torch.float32).to(torch.result_type(left, right))


def minus(left: Tensor, right: Tensor) -> Tensor:
    """A difference in the dtype that torch gives to it."""
    return (f64(left) - f64(right)).to(torch.result_type(left, right))


def between(start: Tensor, end: Tensor, weight: float | Tensor) -> Tensor:
    """Linear interpolation, in float64."""
    return f64(start) + weight * (f64(end) - f64(start))


def same_dtype(left: Tensor, right: Tensor) -> None:
    """Refuse what torch.lerp refuses."""
    if left.dtype != right.dtype:
        raise ReferenceRefused(f"lerp of {left.dtype} and {right.dtype}")


def weight_sum(a: Tensor, b: Tensor, alpha: float, old: bool) -> Tensor:
    """(1 - alpha) A + alpha B."""
    if alpha == 0:
        return a
    if alpha == 1:
        return b
    if old:
        return plus(times(1 - alpha, a), times(alpha, b))
    return between(a, b, alpha).to(a.dtype)


def add_difference(a: Tensor, difference: Tensor, alpha: float, run: Mapping[str, Any]) -> Tensor:
    """A + alpha D."""
    if run["dialect"] == "classic":
        return (f64(a) + alpha * f64(difference)).to(a.dtype)
    total = plus(a, times(alpha, difference))
    if is_head(run):
        same_dtype(a, total)
    return total


def triple_sum(a: Tensor, b: Tensor, c: Tensor, alpha: float, beta: float, old: bool, run: Mapping[str, Any]) -> Tensor:
    """(1 - alpha - beta) A + alpha B + beta C."""
    total = alpha + beta
    if old or total == 0:
        return plus(plus(times(1 - alpha - beta, a), times(alpha, b)), times(beta, c))
    inner = between(b, c, beta / total)
    if is_head(run):
        same_dtype(b, c)
        inner = inner.to(b.dtype)
        same_dtype(a, inner)
    return between(a, inner, total).to(a.dtype)


def sum_twice(a: Tensor, b: Tensor, c: Tensor, alpha: float, beta: float, old: bool) -> Tensor:
    """(1 - beta) ((1 - alpha) A + alpha B) + beta C."""
    if old:
        inner = plus(times(1 - alpha, a), times(alpha, b))
        return plus(times(1 - beta, inner), times(beta, c))
    return between(between(a, b, alpha), c, beta).to(a.dtype)


def train_difference(a: Tensor, b: Tensor, c: Tensor, alpha: float) -> Tensor | None:
    """A + 1.8 alpha d q / (p + q); None where B is C."""
    d = f64(b) - f64(c)
    if not d.any():
        return None
    p, q = d.abs(), (f64(b) - f64(a)).abs()
    r = torch.where(p + q == 0, 0.0, q / (p + q))
    return (f64(a) + 1.8 * alpha * d.sign() * r * p).to(torch.float32)


def smooth(difference: Tensor) -> Tensor:
    """A median of three, then a Gaussian of one, over all dimensions."""
    calm = scipy.ndimage.median_filter(f64(difference).numpy(), size=3)
    return torch.from_numpy(np.asarray(scipy.ndimage.gaussian_filter(calm, sigma=1)))


def smooth_add(a: Tensor, difference: Tensor, alpha: float) -> Tensor:
    """A + alpha S, always float32."""
    return (f64(a) + alpha * smooth(difference)).to(torch.float32)


def extract(a: Tensor, b: Tensor, c: Tensor, alpha: float, beta: float, gamma: float) -> Tensor:
    """What B and C have in common against A, or have not."""
    if not (0 <= alpha <= 1 and 0 <= beta <= 1 and gamma >= 0 and a.shape == b.shape == c.shape):
        raise ReferenceRefused(f"extract of alpha {alpha}, beta {beta}, gamma {gamma}, shapes {a.shape}, {b.shape}")
    x, y = f64(b) - f64(a), f64(c) - f64(a)
    d = ((cosine(x, y, -1).clamp(-1, 1).unsqueeze(-1) + 1) / 2) ** gamma
    return (f64(a) + ((1 - alpha) * x + alpha * y) * ((1 - beta) * d + beta * (1 - d))).to(a.dtype)


def tensor_rows(a: Tensor, b: Tensor, alpha: float, beta: float, second: bool) -> Tensor | None:
    """Some rows of A replaced by B's (`second`: columns); None for a single number."""
    if a.ndim == 0:
        return None
    columns = second and a.ndim >= 2
    size = a.shape[1] if columns and a.shape[1] > 100 else a.shape[0]
    if alpha + beta <= 1:
        result, other, rows = a.clone(), b, slice(int(size * beta), int(size * (alpha + beta)))
    else:
        result, other, rows = b.clone(), a, slice(int(size * (alpha + beta - 1)), int(size * beta))
    where = (slice(None), rows) if columns else rows
    result[where] = other[where].to(result.dtype)
    return result


def is_skipped_by_self(key: str, alpha: float, run: Mapping[str, Any]) -> bool:
    """Whether `self` and `plus random` leave a key alone."""
    return run["dialect"] != "2023" and (alpha == 0 or any(word in key for word in ("to_out", "proj_out", "norm")))


def normal_like(tensor: Tensor) -> Tensor:
    """The numbers of torch.randn_like on the recording machine: Box and Muller's of torch's uniform numbers.

    They come sixteen at a time. Where some are left over, float32 draws for them too, and then the last sixteen anew.
    """
    count = tensor.numel()
    if count < 16:
        return torch.randn_like(tensor)
    left = count % 16
    uniform = torch.rand(count if tensor.dtype == torch.float32 else count - left).numpy()
    found = np.empty(count, np.float32)
    found[: count - left] = _box_muller(uniform[: count - left])
    if left:
        found[-16:] = _box_muller(torch.rand(16).numpy())
    return torch.from_numpy(found).to(tensor.dtype).reshape(tensor.shape)


def _box_muller(uniform: np.ndarray) -> np.ndarray:
    first, second = np.moveaxis(uniform.reshape(-1, 2, 8), 1, 0)
    radius = np.sqrt(-2 * np.log(1 - first.astype(np.float64)))
    angle = (np.float32(2 * np.pi) * second).astype(np.float64)
    return np.stack((radius * np.cos(angle), radius * np.sin(angle)), axis=1).reshape(-1).astype(np.float32)


def cosine(x: Tensor, y: Tensor, dim: int) -> Tensor:
    """Cosine similarity along one dimension; 0 where a vector is all zeros."""
    floor = 1e-8
    norms = x.norm(dim=dim).clamp(min=floor) * y.norm(dim=dim).clamp(min=floor)
    return (x * y).sum(dim=dim) / norms


def _pair(a: Tensor, b: Tensor, calcmode: str) -> tuple[Tensor, Tensor]:
    """A and B as the cosine modes compare them: with columns of length one for cosineA, as they are for cosineB."""
    x, y = (f64(t).reshape(1) if t.ndim == 0 else f64(t) for t in (a, b))
    if calcmode == "cosineA":
        x, y = (t / t.norm(dim=0).clamp(min=1e-12) for t in (x, y))
    return x, y


def _mean_similarity(x: Tensor, y: Tensor) -> Tensor:
    """Half the cosine of the columns and half that of the whole: NaN where the whole is zero."""
    return (cosine(x, y, 0) + (x * y).sum() / (x.norm() * y.norm())) / 2


def cosine_range(pairs: Sequence[tuple[Tensor, Tensor]], calcmode: str) -> tuple[float, float]:
    """The lowest and the highest similarity over all keys, without the outermost hundredths."""
    found: list[np.ndarray] = []
    for a, b in pairs:
        x, y = _pair(a, b, calcmode)
        similarity = cosine(x, y, 0) if calcmode == "cosineA" else _mean_similarity(x, y)
        found.append(similarity.reshape(-1).numpy())
    values = np.concatenate([np.zeros(0), *found])
    values = values[~np.isnan(values)]
    if not len(values):
        raise ReferenceRefused("no similarities to take a percentile of")
    values = values[values >= np.percentile(values, 1, method="midpoint")]
    values = values[values <= np.percentile(values, 99, method="midpoint")]
    return float(values.min()), float(values.max())


def cosine_merge(a: Tensor, b: Tensor, alpha: float, calcmode: str, low_high: tuple[float, float], old: bool) -> Tensor:
    """B towards A by how alike they are."""
    low, high = low_high
    similarity = _mean_similarity(*_pair(a, b, calcmode))
    shift = abs(alpha) if calcmode == "cosineA" else alpha
    k = ((similarity - low) / torch.tensor(high - low, dtype=torch.float64) - shift).clamp(0, 1)
    if not old:
        return between(b, a, k).to(a.dtype)
    single = k.to(torch.float32)
    from_b = (f64(b) * (1 - k)).to(torch.result_type(b, single))
    from_a = (f64(a) * k).to(torch.result_type(a, single))
    return plus(from_b, from_a)


def adjusted(key: str, tensor: Tensor, values: Sequence[float], run: Mapping[str, Any], xl: bool) -> Tensor:
    """A tensor after Adjust."""
    if key not in ADJUST_KEYS:
        return tensor
    inner, outer, outer2 = values[:3]
    if key.endswith("out.2.bias"):
        added = torch.tensor(_added(values, run, xl), dtype=torch.float64)
        return (f64(tensor) + added).to(torch.float32)
    factors = [1 - 0.01 * inner, 1 + 0.02 * inner, 1 - 0.01 * outer, 1 + 0.02 * outer, 1 - 0.01 * outer2]
    return times(factors[ADJUST_KEYS.index(key)], tensor)


def _added(values: Sequence[float], run: Mapping[str, Any], xl: bool) -> list[float]:
    """What Adjust adds to the four latent channels."""
    if run["dialect"] == "2023":
        return [0.02 * value for value in values[3:7]]
    cont, bri, col1, col2, col3 = values[3:8]
    if xl:
        found = [cont, col1 - col2 - col3, -col2 + col3, bri]
    else:
        found = [cont, -bri + col1 + col3, bri / 3 + col1 - col2, 2 * bri / 3 - col2 + col3]
    return [0.02 * value for value in found]
