"""A VAE at work strip by strip: the same pictures up to rounding, in half the memory, and in any number format.

A strip is some rows of a picture at its full width. Convolutions read a row beyond either edge of their strip, and
norms take their means and variances over the whole picture, so that strips have no seams. Layers run one after the
other; of each, only its input and its output lie in memory whole, and a residual layer writes its output over its
input. Weights are read layer by layer, from wherever the VAE lies, and come in the format that is worked in.

Only diffusers' ``AutoencoderKL`` with the layers of Stable Diffusion is known.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import conv2d, interpolate, pad, silu

STRIP_VALUES = 2**23
"""About how many numbers a strip has: 32 MiB in float32."""

Rows = Callable[[int, int], Tensor]
"""``rows(start, end)``: some rows of what a convolution reads, ``(n, c, end - start, w)``."""


def decoded(vae: Any, latents: Tensor) -> Tensor:
    """Return what a VAE decodes latents over ``scaling_factor`` to, about -1 to 1, in the latents' format.

    Args:
        vae: On any device, with weights in any format.
        latents: ``(n, 4, h, w)`` in the format and on the device that are worked in.

    Raises:
        torch.OutOfMemoryError: A layer does not fit.
    """
    decoder = vae.decoder
    x = _whole(vae.post_quant_conv, latents)
    x = _whole(decoder.conv_in, x)
    x = _whole(decoder.mid_block, x)
    for block in decoder.up_blocks:
        x = _through(block, x, _enlarged, block.upsamplers)
    return _head(decoder, x)


def encoded(vae: Any, pictures: Tensor) -> Tensor:
    """Return the mean of the latents, times ``1 / scaling_factor``, that a VAE encodes pictures to.

    Args:
        vae: As ``decoded``.
        pictures: ``(n, 3, h, w)`` from -1 to 1, in the format and on the device that are worked in.

    Raises:
        torch.OutOfMemoryError: A layer does not fit.
    """
    encoder = vae.encoder
    x = _convolved(encoder.conv_in, pictures)
    for block in encoder.down_blocks:
        x = _through(block, x, _reduced, block.downsamplers)
    x = _whole(encoder.mid_block, x)
    moments = _whole(vae.quant_conv, _head(encoder, x))
    return moments.chunk(2, dim=1)[0]  # the other half is the logarithm of the variance


def _through(block: Any, x: Tensor, resize: Callable[[nn.Conv2d, Tensor], Tensor], resizers: Any) -> Tensor:
    """A level of the VAE: its residual layers, then its change of size, if it has one."""
    for layer in block.resnets:
        x = _residual(layer, x)
    for resizer in resizers or ():
        x = resize(resizer.conv, x)
    return x


def _whole(module: nn.Module, x: Tensor) -> Tensor:
    """A small module at once."""
    return functional_call(module, {name: _like(value, x) for name, value in module.named_parameters()}, (x,))


def _like(weight: Tensor, x: Tensor) -> Tensor:
    return _on(weight, x.device).to(x.dtype)


def _on(weight: Tensor, device: torch.device) -> Tensor:
    """A weight in its own format: a copy that also changes the format changes it on the CPU, and waits for that."""
    return weight.to(device, non_blocking=True)


def _residual(layer: Any, x: Tensor) -> Tensor:
    """A residual layer; its output lies where its input was."""
    inner = _normed(layer.norm1, layer.conv1, x)
    if layer.conv_shortcut is not None:
        x = _narrowed(layer.conv_shortcut, x)
    return _normed(layer.norm2, layer.conv2, inner, onto=x)


def _narrowed(shortcut: nn.Conv2d, x: Tensor) -> Tensor:
    """A convolution of single pixels, written over its input where that is not narrower."""
    weight, bias = (_like(value, x) for value in shortcut.parameters())
    out = x[:, : len(weight)] if len(weight) <= x.shape[1] else x.new_empty(len(x), len(weight), *x.shape[2:])
    for start, end in _strips(x):
        out[:, :, start:end] = conv2d(x[:, :, start:end], weight, bias)
    return out


def _head(part: Any, x: Tensor) -> Tensor:
    """The last norm and convolution."""
    return _normed(part.conv_norm_out, part.conv_out, x)


def _normed(norm: nn.GroupNorm, conv: nn.Conv2d, x: Tensor, onto: Tensor | None = None) -> Tensor:
    """Norm, SiLU and convolution; added to ``onto``, if given, in its place."""
    factor, shift = _norm_terms(norm, x)

    def rows(start: int, end: int) -> Tensor:
        return silu((x[:, :, start:end] * factor).add_(shift), inplace=True).to(x.dtype)

    return _filled(conv, x, rows, onto)


def _convolved(conv: nn.Conv2d, x: Tensor) -> Tensor:
    return _filled(conv, x, lambda start, end: x[:, :, start:end])


def _filled(conv: nn.Conv2d, x: Tensor, rows: Rows, onto: Tensor | None = None) -> Tensor:
    """A 3 x 3 convolution of rows made when they are read."""
    weight, bias = (_like(value, x) for value in conv.parameters())
    height = x.shape[2]
    out = x.new_empty(len(x), len(weight), *x.shape[2:]) if onto is None else onto
    for start, end in _strips(x, len(weight)):
        above, below = int(start > 0), int(end < height)
        strip = pad(rows(start - above, end + below), (0, 0, 1 - above, 1 - below))
        result = conv2d(strip, weight, bias, padding=(0, 1))
        if onto is None:
            out[:, :, start:end] = result
        else:
            out[:, :, start:end] += result
    return out


def _enlarged(conv: nn.Conv2d, x: Tensor) -> Tensor:
    """Twice the size, each number repeated, then a convolution."""
    weight, bias = (_like(value, x) for value in conv.parameters())
    height, width = x.shape[2:]
    out = x.new_empty(len(x), len(weight), 2 * height, 2 * width)
    for start, end in _strips(x, 4 * len(weight)):
        above, below = int(start > 0), int(end < height)
        strip = interpolate(x[:, :, start - above : end + below], scale_factor=2.0, mode="nearest")
        strip = strip[:, :, above : strip.shape[2] - below]  # one row of each pair is read
        strip = pad(strip, (0, 0, 1 - above, 1 - below))
        out[:, :, 2 * start : 2 * end] = conv2d(strip, weight, bias, padding=(0, 1))
    return out


def _reduced(conv: nn.Conv2d, x: Tensor) -> Tensor:
    """Half the size: a convolution of every second place, with a row and a column of zeros at the far edges."""
    weight, bias = (_like(value, x) for value in conv.parameters())
    height, width = (side // 2 for side in x.shape[2:])
    out = x.new_empty(len(x), len(weight), height, width)
    for start, end in _strips(out, 4 * x.shape[1]):
        strip = x[:, :, 2 * start : 2 * end + 1]
        strip = pad(strip, (0, 1, 0, 2 * (end - start) + 1 - strip.shape[2]))
        out[:, :, start:end] = conv2d(strip, weight, bias, stride=2)
    return out


def _norm_terms(norm: nn.GroupNorm, x: Tensor) -> tuple[Tensor, Tensor]:
    """The factor and the shift of each channel by a norm over the whole picture, ``(n, c, 1, 1)`` float32."""
    sums = torch.zeros(2, len(x), norm.num_groups, dtype=torch.float64, device=x.device)
    for start, end in _strips(x):
        groups = x[:, :, start:end].float().reshape(len(x), norm.num_groups, -1)
        variance, mean = torch.var_mean(groups, dim=2, correction=0)
        mean = mean.double()
        sums += torch.stack((mean, variance + mean * mean)) * (end - start)
    mean, square = sums / x.shape[2]
    slope = (square - mean * mean + norm.eps).rsqrt()
    weight, bias = (_on(value, x.device).double() for value in norm.parameters())
    each = x.shape[1] // norm.num_groups
    factor = slope.repeat_interleave(each, dim=1) * weight
    shift = bias - mean.repeat_interleave(each, dim=1) * factor
    return factor.float()[:, :, None, None], shift.float()[:, :, None, None]


def _strips(x: Tensor, channels: int = 0) -> Generator[tuple[int, int]]:
    """First and last row, plus one, of each strip of ``(n, c, h, w)``, or of more channels, from the top."""
    height = x.shape[2]
    values = len(x) * max(channels, x.shape[1]) * x.shape[3]
    rows = max(1, STRIP_VALUES // values)
    edges = [*range(0, height, rows), height]
    yield from pairwise(edges)
