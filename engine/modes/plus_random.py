"""plus random: adds normal noise to A, drawn key after key from one stream."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.modes.record import CalculationMode, Operands, Prepass, PrepassKey
from engine.modes.rows import TensorRow, calculated, combined

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from engine.arithmetic.box_muller import Place


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyNoise:
    """The noise of one key: its place in the random stream, and the dtype to draw in."""

    place: Place
    dtype: torch.dtype

    def draw(self, shape: tuple[int, ...]) -> Tensor:
        """The noise itself, on the CPU."""
        from engine.arithmetic.box_muller import NormalStream

        return NormalStream(self.place).draw(shape, self.dtype)


def _places(keys: Iterable[PrepassKey], seed: int) -> dict[str, KeyNoise]:
    """Where in the random stream each key's noise lies, in the order in which SuperMerger draws."""
    import torch

    from engine.arithmetic.box_muller import NormalStream

    stream, found = NormalStream(seed), dict[str, KeyNoise]()
    for key in keys:
        dtype = key.dtype or torch.float32
        found[key.key] = KeyNoise(place=stream.place, dtype=dtype)
        stream.skip(key.shape, dtype)
    return found


def _noise(x: Operands[Tensor]) -> Tensor:
    known: Mapping[str, KeyNoise] = x.known
    return known[x.key].draw(x.shape)


def _exact(x: Operands[Tensor]) -> Tensor:
    from engine.arithmetic.rounding import times

    return x.a + times(x.alpha, _noise(x))


def _folded(x: Operands[TensorRow]) -> TensorRow:
    return combined(((x.a, 1.0), (calculated(_noise, run=x.run), x.alpha)))


PLUS_RANDOM = CalculationMode(
    name="plus random",
    exact=_exact,
    folded=_folded,
    inputs="A",
    seed=True,
    prepass=Prepass(compares=False, find=_places),
    not_in=("2023",),
    seed_note="SuperMerger itself draws the noise of plus random anew",
    not_searched=("adds noise, of which there is nothing to search", "leave it out"),
)
