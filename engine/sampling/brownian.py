"""A Brownian path with random access: any increment depends on the seed alone, in whatever order they are asked for.

The path is that of ``torchsde.BrownianTree`` (Li et al. 2020, https://arxiv.org/abs/2001.01328; Apache-2.0), which
AUTOMATIC1111's WebUI uses, bit for bit: intervals are halved until they end where the increment ends, to six decimals;
each half follows a Brownian bridge whose noise has its own seed. It is written here because the noise must come from
either generator, and torchsde's comes from torch's.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from torch import Tensor

PLACE_DECIMALS = 6
"""How many decimals of a place on the path count."""
POOL = 24
"""The size of the entropy pool of numpy's SeedSequence, in words of 32 bits, as torchsde chose it for trees."""
REMEMBERED = 64
"""How many halved intervals are cached: about two paths from the whole interval to a leaf."""

Draw = Callable[[int], Tensor]
"""``draw(seed)``: the first unit noise of a generator with this seed, float32, in memory that may be changed."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Node:
    """One interval of the tree and the path's increment over it.

    Attributes:
        depth: How many halvings it took from the whole interval.
        number: Its number among the intervals of that depth, from the left.
        start: Its start, to six decimals.
        end: Its end.
        increment: The path's increment from start to end.
    """

    depth: int
    number: int
    start: float
    end: float
    increment: Tensor


class BrownianPath:
    """One path on an interval, whose noise is drawn by ``draw``."""

    def __init__(self, low: float, high: float, seed: int, draw: Draw) -> None:
        self._ends = round(low, PLACE_DECIMALS), round(high, PLACE_DECIMALS)
        self._variance = high - low  # torchsde scales the whole by the ends as given
        self._seed, self._draw = seed, draw
        self._halved: OrderedDict[_Node, tuple[_Node, _Node]] = OrderedDict()

    def increment(self, low: float, high: float) -> Tensor:
        """Return the increment between two places of the interval; places beyond its ends count as the ends."""
        first, last = self._ends
        low, high = (min(max(round(place, PLACE_DECIMALS), first), last) for place in (low, high))
        first_piece, *pieces = self._pieces(self._whole, low, high)
        total = first_piece.clone()
        for piece in pieces:
            total += piece
        return total

    @cached_property
    def _whole(self) -> _Node:
        increment = self._draw(self._seed_of()).mul_(math.sqrt(self._variance))
        return _Node(depth=0, number=0, start=self._ends[0], end=self._ends[1], increment=increment)

    def _pieces(self, node: _Node, low: float, high: float) -> list[Tensor]:
        """The increments over the largest nodes that make up an interval inside a node."""
        if (low, high) == (node.start, node.end):
            return [node.increment]
        left, right = self._halves(node)
        pieces = self._pieces(left, low, min(high, left.end)) if low < left.end else []
        return pieces + (self._pieces(right, max(low, right.start), high) if high > right.start else [])

    def _halves(self, node: _Node) -> tuple[_Node, _Node]:
        """Both halves of a node; those used last are cached, in a dictionary that goes with the path."""
        if node in self._halved:
            self._halved.move_to_end(node)
        else:
            self._halved[node] = self._bridge(node)
            if len(self._halved) > REMEMBERED:
                self._halved.popitem(last=False)
        return self._halved[node]

    def _bridge(self, node: _Node) -> tuple[_Node, _Node]:
        """Both halves of a node: the path's middle is normal around the mean of its ends."""
        middle = round((node.start + node.end) / 2, PLACE_DECIMALS)
        before, after = middle - node.start, node.end - middle
        per_length = 1 / (node.end - node.start)
        noise = self._draw(self._seed_of(node.number, node.depth))
        first = node.increment * before
        first.mul_(per_length).add_(noise.mul_(math.sqrt(before * after * per_length)))
        depth, number = node.depth + 1, 2 * node.number
        left = _Node(depth=depth, number=number, start=node.start, end=middle, increment=first)
        second = node.increment - first
        return left, _Node(depth=depth, number=number + 1, start=middle, end=node.end, increment=second)

    def _seed_of(self, *place: int) -> int:
        """The seed of a node's bridge: torchsde names a node by its number and depth; the whole has no place."""
        sequence = np.random.SeedSequence(self._seed, spawn_key=place, pool_size=POOL)
        return int(sequence.generate_state(1)[0])
