"""Contractions ``<dL/dW, M>`` of every tensor W and parent M: derivatives by all numbers of a recipe follow from them.

With ``W = sum of c[m] * M[m]``, ``dL/dk = sum over tensors and m of dc[m]/dk * <dL/dW, M[m]>``. So a few numbers a
tensor are all that is kept of a backward pass, however many numbers of the recipe are asked for afterwards: blocks,
elements, sites and Adjust values alike. A tensor's gradient is contracted and freed the moment it is complete.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from engine.architecture.widths import UNET
from engine.errors import RecipeError
from engine.live.weights import LiveWeights
from engine.modes.rows import TensorRow

LARGEST_SHIFT = 64
"""Gradients of tensors up to this size are kept whole: rows may add a number to every single element of a bias."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contracted:
    """What is kept of one tensor's gradient G.

    Attributes:
        first: ``<G, M>`` of the first parent.
        others: by parent, ``<G, M - first parent>``: fine-tunes of one model differ little, so ``<G, M>`` itself would
            cancel.
        whole: G, flat, where the tensor is small.
    """

    first: float
    others: Mapping[str, float]
    whole: tuple[float, ...] | None

    def along(self, direction: TensorRow) -> float:
        """Return ``<G, direction>``, the derivative when the tensor moves in that direction."""
        total = self.first * sum(weight for _, weight in direction.terms)
        total += sum(weight * self.others.get(str(name), 0.0) for name, weight in direction.terms)
        if direction.shift:
            if self.whole is None:
                raise RuntimeError(f"a shift of {len(direction.shift)} elements, and only {LARGEST_SHIFT} are kept")
            total += sum(a * b for a, b in zip(direction.shift, self.whole, strict=True))
        return total


class Contraction:
    """Collects the contractions of some keys of the UNet over one or more backward passes.

    Args:
        weights: the live model and its parents.
        keys: the tensors whose gradients are collected.

    Raises:
        RecipeError: a key lies outside the UNet.
    """

    def __init__(self, weights: LiveWeights, keys: Iterable[str]) -> None:
        self._weights = weights
        self._keys = tuple(keys)
        if outside := [key for key in self._keys if not key.startswith(UNET)]:
            raise RecipeError(
                f"{len(outside)} tensors lie outside the UNet, such as {outside[0]}: derivatives by BASE's "
                "ratio are not known",
                remedy="keep BASE out of what is differentiated",
            )
        self._dots: dict[str, Tensor] = {}
        self._whole: dict[str, Tensor] = {}

    @contextmanager
    def collecting(self) -> Generator[None]:
        """Backward passes within this context are collected; outside, the model has no gradients, as ever."""
        parameters = {key: self._parameter(key) for key in self._keys}
        hooks = [
            p.requires_grad_(True).register_post_accumulate_grad_hook(self._hook(key)) for key, p in parameters.items()
        ]
        try:
            yield
        finally:
            for parameter, hook in zip(parameters.values(), hooks, strict=True):
                hook.remove()
                parameter.requires_grad_(False)
                parameter.grad = None

    def contracted(self) -> dict[str, Contracted]:
        """What the backward passes so far have come to, by key; keys that no gradient reached are not in it."""
        names = self._weights.names
        if not self._dots:
            return {}
        rows: list[list[float]] = torch.stack(list(self._dots.values())).tolist()
        return {
            key: Contracted(first=row[0], others=dict(zip(names[1:], row[1:], strict=True)), whole=self._small(key))
            for key, row in zip(self._dots, rows, strict=True)
        }

    def _small(self, key: str) -> tuple[float, ...] | None:
        return tuple(self._whole[key].tolist()) if key in self._whole else None

    def _parameter(self, key: str) -> nn.Parameter:
        (parameter,) = self._weights.live.parameters_of(key)
        return parameter

    def _hook(self, key: str) -> Callable[[Tensor], None]:
        def contract(parameter: Tensor) -> None:
            gradient, parameter.grad = parameter.grad, None
            if gradient is not None:
                self._add(key, gradient)

        return contract

    @torch.no_grad()
    def _add(self, key: str, gradient: Tensor) -> None:
        kind = torch.promote_types(gradient.dtype, torch.float32)
        flat = gradient.reshape(-1).to(kind)
        first, *others = (self._weights.parent(name, key).reshape(-1).to(kind) for name in self._weights.names)
        dots = torch.stack([flat.dot(first), *(flat.dot(other - first) for other in others)]).double()
        self._dots[key] = self._dots[key] + dots if key in self._dots else dots
        if len(flat) <= LARGEST_SHIFT:
            self._whole[key] = self._whole[key] + flat if key in self._whole else flat
