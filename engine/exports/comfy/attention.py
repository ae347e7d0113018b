"""Attentions with numbers of their own: nodes that multiply their tensors and leave the rest of a model as it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from engine.exports.comfy.cells import Cell, CellTable, attention_of
from engine.exports.comfy.graph import Graph, Link
from engine.exports.comfy.nodes import CROSS_ATTENTION, MULTIPLIER, SELF_ATTENTION
from engine.exports.comfy.sums import Ratios, Sums, share_left

_NODES = {"attn1": SELF_ATTENTION, "attn2": CROSS_ATTENTION}
_FACTORS = "attentions are multiplied in a copy (UNet...AttentionMultiply), of which the blocks are taken that need it"
_WEIGHTS = "ratios of attentions: what differs in another merge, without what differs outside of attentions there"


class AttentionNodes:
    """Adds to a graph what the attentions of a table need.

    Attributes:
        outside: by key, ratios beyond 0 to 1.
        beyond: by key, factors that no node takes.
        tricks: what the nodes do that is not plain to see, a sentence each.
    """

    def __init__(self, graph: Graph, sums: Sums, table: CellTable) -> None:
        self._graph, self._sums, self._table = graph, sums, table
        self.outside: dict[str, float] = {}
        self.beyond: dict[str, float] = {}
        self.tricks: dict[str, None] = {}

    # ------------------------------------------------------------------------------------------------------ weights

    def weighted(self, model: Link) -> Link:
        """Give a model's attentions weights of their own, where they have any."""
        for weights, tensors in self._layers().items():
            self.tricks[_WEIGHTS] = None
            title = f"{_titled(tensors)}: "
            keys = {label: self._keys(label, tensors) for label, _ in weights}
            sums = self._sums.for_keys(keys)
            other = sums.weighted(dict(weights), title)
            self.outside |= sums.outside
            self.tricks |= sums.tricks
            differing = self._sums.difference(other, model, 1.0, f"{title}what differs")
            elsewhere = self._multiplied(differing, dict.fromkeys(tensors, 0.0))
            model = self._sums.difference(other, elsewhere, 1.0, f"{title}merged")
        return model

    def _layers(self) -> dict[tuple[tuple[str, tuple[float, ...]], ...], list[str]]:
        """The weights that attention tensors have and their blocks have not: by weights, the tensors."""
        blocks = {label: cell.weights for label, cell in self._table.cells.items()}
        found: dict[tuple[tuple[str, tuple[float, ...]], ...], list[str]] = {}
        for tensor, cells in self._table.attention.items():
            weights = blocks | {label: cell.weights for label, cell in cells.items()}
            if weights != blocks:
                found.setdefault(tuple(weights.items()), []).append(tensor)
        return found

    # ------------------------------------------------------------------------------------------------------ factors

    def scaled(self, model: Link) -> Link:
        """Multiply a model's attentions, by what their factors are beyond those of their blocks."""
        factors = {tensor: self._relative(tensor, cells) for tensor, cells in self._table.attention.items()}
        for grows in (True, False):
            for shares, extremes in _in_one_direction(factors, grows=grows).items():
                model = self._taken(model, dict(shares), extremes)
        return model

    def _relative(self, tensor: str, cells: Mapping[str, Cell]) -> dict[str, float]:
        found: dict[str, float] = {}
        for label, cell in cells.items():
            block = self._table.cells[label].factor
            found[label] = 1.0 if cell.factor == block else cell.factor / block if block else -1.0
            if not 0 <= found[label] <= MULTIPLIER:
                self.beyond |= dict.fromkeys(self._keys(label, [tensor]), cell.factor)
                found[label] = 1.0
        return found

    def _taken(self, model: Link, shares: Ratios, extremes: Mapping[str, float]) -> Link:
        self.tricks[_FACTORS] = None
        other = self._multiplied(model, extremes)
        if not any(shares.values()):
            return other
        everywhere = {label: shares.get(label, 1.0) for label in self._table.cells}
        return self._sums.merged(model, other, everywhere, f"{_titled(extremes)} where multiplied")

    # --------------------------------------------------------------------------------------------------------- both

    def _multiplied(self, model: Link, factors: Mapping[str, float]) -> Link:
        for name, kind in _NODES.items():
            values = {widget: factors.get(f"{name}.{widget}", 1.0) for widget in kind.widgets}
            if set(values.values()) != {1.0}:
                model = self._graph.add(kind, _product(name, values), {"model": model, **values})
        return model

    def _keys(self, label: str, tensors: Sequence[str]) -> list[str]:
        return [key for key in self._table.keys.get(label, ()) if attention_of(key) in tensors]


def _in_one_direction(
    factors: Mapping[str, Mapping[str, float]], *, grows: bool
) -> dict[tuple[tuple[str, float], ...], dict[str, float]]:
    """The factors above 1, or those below: by the shares that blocks keep, the largest or smallest of each tensor."""
    found: dict[tuple[tuple[str, float], ...], dict[str, float]] = {}
    for tensor, blocks in factors.items():
        extreme = max(blocks.values()) if grows else min(blocks.values())
        if extreme > 1 if grows else extreme < 1:
            here = {label: max(one, 1.0) if grows else min(one, 1.0) for label, one in blocks.items()}
            shares = tuple((label, share_left(one, extreme)) for label, one in here.items())
            found.setdefault(shares, {})[tensor] = extreme
    return found


def _product(name: str, values: Mapping[str, float]) -> str:
    distinct = {value for value in values.values() if value != 1}
    number = f"{distinct.pop():g}" if len(distinct) == 1 else "factors"
    return f"{name} x {number}"


def _titled(tensors: Sequence[str] | Mapping[str, float]) -> str:
    return ", ".join(dict.fromkeys(tensor.partition(".")[0] for tensor in tensors))
