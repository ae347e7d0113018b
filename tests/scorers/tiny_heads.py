"""Heads of every published layout with random weights, as the torch modules that they were published with."""

from __future__ import annotations

import itertools
from pathlib import Path

import torch
from torch import Tensor, nn

HIDDEN = (1024, 128, 64, 16)


def _linears(widths: tuple[int, ...], gap: tuple[type[nn.Module], ...], last: tuple[type[nn.Module], ...]) -> nn.Module:
    """Linear layers with modules between them, ``last`` between the last two."""
    layers: list[nn.Module] = []
    pairs = list(itertools.pairwise(widths))
    for number, (inputs, outputs) in enumerate(pairs, start=1):
        layers.append(nn.Linear(inputs, outputs))
        if number < len(pairs):
            layers += [kind() for kind in (last if number == len(pairs) - 1 else gap)]
    return nn.Sequential(*layers)


class _Named(nn.Module):
    def __init__(self, name: str, layers: nn.Module) -> None:
        super().__init__()
        self.add_module(name, layers)
        self._name = name

    def forward(self, x: Tensor) -> Tensor:
        return getattr(self, self._name)(x)


class _Waifu(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1, self.fc2, self.fc3 = nn.Linear(width, 256), nn.Linear(256, 128), nn.Linear(128, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc3(self.fc2(self.fc1(x).relu()).relu()).sigmoid()


def module(layout: str, width: int) -> nn.Module:
    """A random head of a layout, ready to rate."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        made = _module(layout, width).eval().requires_grad_(False)
        list(made.parameters())[-1].sub_(1)  # below 0, where a ReLU too many would show
        return made


def _module(layout: str, width: int) -> nn.Module:
    widths = (width, *HIDDEN, 1)
    if layout == "five linear layers":
        return _Named("layers", _linears(widths, (nn.Dropout,), ()))
    if layout == "five layers with ReLU":
        return _Named("layers", _linears(widths, (nn.ReLU, nn.Dropout), (nn.ReLU,)))
    if layout == "scoring head":
        return _Named("scoring_head", _linears(widths, (nn.Dropout,), (nn.Dropout,)))
    if layout == "one linear layer":
        return nn.Linear(width, 1)
    return _Waifu(width)


def write_head(path: Path, layout: str, width: int) -> nn.Module:
    """Write a random head and return it."""
    made = module(layout, width)
    torch.save(made.state_dict(), path)
    return made
