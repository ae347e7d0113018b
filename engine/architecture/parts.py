"""The layers that every architecture consists of: norms, matrices and convolutions, as names and shapes."""

from __future__ import annotations

from collections.abc import Iterator

from engine.architecture.widths import NamedShape


def norm(name: str, width: int) -> Iterator[NamedShape]:
    """Yield the tensors of a normalisation of ``width`` channels."""
    yield f"{name}.weight", (width,)
    yield f"{name}.bias", (width,)


def linear(name: str, width: int, out: int, *, bias: bool = True) -> Iterator[NamedShape]:
    """Yield the tensors of a matrix from ``width`` to ``out`` channels."""
    yield f"{name}.weight", (out, width)
    if bias:
        yield f"{name}.bias", (out,)


def conv(name: str, width: int, out: int, side: int = 3) -> Iterator[NamedShape]:
    """Yield the tensors of a square convolution from ``width`` to ``out`` channels."""
    yield f"{name}.weight", (out, width, side, side)
    yield f"{name}.bias", (out,)
