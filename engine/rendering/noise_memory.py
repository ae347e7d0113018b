"""Noise that was drawn, kept for the next render: a night renders the same shots again and again.

What is drawn depends on the generator, the seed, the shape and, of a Brownian path, on its levels: on nothing that a
trial changes. Kept noise is therefore the noise that would be drawn again, bit for bit.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from functools import partial

import torch
from torch import Tensor

from engine.sampling.philox import PhiloxStream

KEPT_BYTES = 256 * 2**20
"""How much noise is kept at most: that of 25 pictures of 1024 x 1024 with 40 draws each."""
STALE_RUNS = 64
"""After so many runs without it, a picture's noise may make room for another's. Pictures that come round in turn would
else push each other out, each before its turn."""

NoiseStream = Callable[[tuple[int, ...]], Tensor]
"""``stream(shape)``: the next unit noise of a generator, float32, on the CPU."""
Draw = Callable[[], Tensor]
"""``draw()``: the noise that is asked for."""


def stream_of(rng: str, seed: int) -> NoiseStream:
    """Start a generator, "CPU" or "NV", and return its stream."""
    if rng == "NV":
        philox = PhiloxStream(seed)
        return lambda shape: torch.from_numpy(philox.normal(shape))
    return partial(torch.randn, generator=torch.Generator("cpu").manual_seed(seed))


class NoiseMemory:
    """Noise by the sequence it belongs to (one picture's draws) and its place there; on the CPU.

    Attributes:
        kept: How many bytes are kept.
        drawn: How often noise had to be drawn.
    """

    def __init__(self, most: int = KEPT_BYTES) -> None:
        self._most = most
        self._sequences: OrderedDict[Hashable, dict[Hashable, Tensor]] = OrderedDict()  # that used last is the last
        self._used: dict[Hashable, int] = {}
        self._runs = 0
        self.kept = 0
        self.drawn = 0

    def new_run(self) -> None:
        """Say that other pictures are made from now on, or the same ones again."""
        self._runs += 1

    def noise(self, sequence: Hashable, place: Hashable, draw: Draw) -> Tensor:
        """Return the noise at a place of a sequence, kept or drawn; it must not be changed."""
        known = self._sequences.get(sequence)
        if known is None or place not in known:
            self.drawn += 1
            self._keep(sequence, place, drawn := draw())
            return drawn
        self._touch(sequence)
        return known[place]

    def _keep(self, sequence: Hashable, place: Hashable, noise: Tensor) -> None:
        """Keep noise where there is room, or where there is some after the stale goes."""
        while self.kept + noise.nbytes > self._most:
            oldest = next(iter(self._sequences), None)
            if oldest is None or self._runs - self._used[oldest] <= STALE_RUNS:
                return
            self._drop(oldest)
        self._sequences.setdefault(sequence, {})[place] = noise
        self.kept += noise.nbytes
        self._touch(sequence)

    def _touch(self, sequence: Hashable) -> None:
        self._used[sequence] = self._runs
        self._sequences.move_to_end(sequence)

    def _drop(self, sequence: Hashable) -> None:
        self.kept -= sum(noise.nbytes for noise in self._sequences.pop(sequence).values())
        del self._used[sequence]


class KeptStream:
    """The draws of one generator, all of one shape, in their order: from the memory, or drawn."""

    def __init__(self, memory: NoiseMemory, rng: str, seed: int, shape: tuple[int, ...]) -> None:
        self._memory, self._sequence, self._shape = memory, (rng, seed, shape), shape
        self._stream = stream_of(rng, seed)
        self._asked, self._drawn = 0, 0

    def draw(self) -> Tensor:
        """Return the next noise, ``shape`` in float32; it must not be changed."""
        self._asked += 1
        return self._memory.noise(self._sequence, self._asked, self._caught_up)

    def _caught_up(self) -> Tensor:
        """Draw until the generator has made as many as were asked for, and return the last."""
        for _ in range(self._asked - self._drawn - 1):
            self._stream(self._shape)
        self._drawn = self._asked
        return self._stream(self._shape)
