"""Which blocks of a pair of checkpoints hold which axis of look, and how much of it.

Every group of blocks holds a share of one axis, and no two axes share a block. So a recipe's block weights say how much
of each axis it has, and every mix, with its amounts, can be trained: not only the two parents.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from engine.recipes.blocks import BLOCKS


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """Some blocks, and how much of an axis they move together when all of them go from A to B."""

    blocks: tuple[str, ...]
    axis: str
    amount: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PairPlan:
    """A pair of parents: what each is like, and where the difference is.

    Attributes:
        name: of the pair.
        seed: of its training.
        first: the amount of each axis of the pair in A, by its name; B has 1 minus that.
        shares: the blocks; each block is in one of them, and the amounts of an axis add up to 1.
        wanted: the axes that the wanted look takes from B; the others come from A.
    """

    name: str
    seed: int
    first: Mapping[str, float]
    shares: tuple[Share, ...]
    wanted: frozenset[str]

    @property
    def axes(self) -> tuple[str, ...]:
        """The names of the axes in which its parents differ."""
        return tuple(self.first)

    def plant(self) -> dict[str, float]:
        """Return the wanted look's ratio for each of ``BLOCKS``: all B or all A, by the axis that the block holds."""
        return {block: float(share.axis in self.wanted) for share in self.shares for block in share.blocks}

    def amounts(self, ratios: torch.Tensor) -> torch.Tensor:
        """Return the amount of each axis, ``(axes,)``, of a mix with a ratio for each of ``BLOCKS``, ``(26,)``."""
        moved = dict.fromkeys(self.axes, 0.0)
        for share in self.shares:
            places = [BLOCKS.index(block) for block in share.blocks]
            moved[share.axis] += share.amount * float(ratios[places].mean())
        towards = [self.first[axis] + (1 - 2 * self.first[axis]) * moved[axis] for axis in self.axes]
        return torch.tensor(towards)


def _numbered(side: str, first: int, last: int) -> tuple[str, ...]:
    return tuple(f"{side}{number:02d}" for number in range(first, last + 1))


MAIN = PairPlan(
    name="main",
    seed=11,
    first={"composition": 0.0, "light": 0.0, "line": 0.0},
    shares=(
        Share(blocks=("BASE",), axis="light", amount=0.2),
        Share(blocks=_numbered("IN", 0, 5), axis="light", amount=0.35),
        Share(blocks=_numbered("IN", 6, 11), axis="composition", amount=0.35),
        Share(blocks=("M00",), axis="composition", amount=0.25),
        Share(blocks=_numbered("OUT", 0, 3), axis="composition", amount=0.4),
        Share(blocks=_numbered("OUT", 4, 7), axis="line", amount=1.0),
        Share(blocks=_numbered("OUT", 8, 11), axis="light", amount=0.45),
    ),
    wanted=frozenset({"light"}),
)
"""The pair that ships. A is close and inked, in pale daylight, B far and soft, by lamplight.

Wanted are close-ups with ink lines by lamplight.
"""

SECOND = PairPlan(
    name="second",
    seed=12,
    first={"mist": 0.0, "chalk": 1.0, "card": 0.0},
    shares=(
        Share(blocks=("BASE",), axis="mist", amount=0.2),
        Share(blocks=_numbered("IN", 0, 3), axis="mist", amount=0.35),
        Share(blocks=_numbered("IN", 4, 8), axis="card", amount=0.5),
        Share(blocks=(*_numbered("IN", 9, 11), "M00", *_numbered("OUT", 0, 1)), axis="chalk", amount=0.4),
        Share(blocks=_numbered("OUT", 2, 5), axis="card", amount=0.5),
        Share(blocks=_numbered("OUT", 6, 8), axis="mist", amount=0.45),
        Share(blocks=_numbered("OUT", 9, 11), axis="chalk", amount=0.6),
    ),
    wanted=frozenset({"mist"}),
)
"""A pair for benchmarks alone: other axes in other blocks, so that nothing is tuned to one world.

A has pale outlines in clear air, up to the edges; B dark ones in mist, on a card. Wanted are pale ones in mist.
"""


def random_ratios(plan: PairPlan, generator: torch.Generator) -> torch.Tensor:
    """Draw the ratios of a mix to train, ``(26,)`` on the CPU.

    In a third of the cases one of the parents, in a sixth a FLAT, half of these with A's BASE, in a quarter each share
    all A or all B, and in a quarter a ratio for each share, with the blocks scattered round it.
    """
    kind, flat, base = torch.rand(3, generator=generator).tolist()
    if kind < 0.33:
        return torch.full((len(BLOCKS),), float(flat < 0.5))
    if kind < 0.5:
        ratios = torch.full((len(BLOCKS),), flat)
        ratios[BLOCKS.index("BASE")] *= base < 0.5  # a recipe's FLAT leaves BASE alone
        return ratios
    by_share = torch.rand(len(plan.shares), generator=generator)
    ratios, scatter = torch.zeros(len(BLOCKS)), torch.zeros(len(BLOCKS))
    if kind < 0.75:
        by_share = by_share.round()
    else:
        scatter = 0.15 * torch.randn(len(BLOCKS), generator=generator)
    for share, ratio in zip(plan.shares, by_share.tolist(), strict=True):
        ratios[[BLOCKS.index(block) for block in share.blocks]] = ratio
    return (ratios + scatter).clamp(0, 1)
