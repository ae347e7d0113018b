"""Weighted sums of models as merge nodes, with ratios from 0 to 1 where there is a way.

``difference(m, m)`` is a model of zeros, so ``merged(m, zero)`` is a part of a model, and ``difference(m, zero, f)`` is
``f`` times a model: with these any weighted sum can be wired. Shorter forms come first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import permutations

from engine.exports.comfy.graph import Graph, Link, Value
from engine.exports.comfy.nodes import MULTIPLIER, NUMBER, MergeNodes, NodeType

Weights = tuple[float, ...]
"""The weight of every model, by its place."""
Ratios = Mapping[str, float]
"""The number of each block, by its label."""

_DIGITS = 12
_DIFFERENCE = "a difference of models is a model of its own (Subtract, Add), of which the ratios take a part"
_ZEROS = "a model minus itself is a model of zeros; merged with it, a model counts in part"
_FACTOR = "a factor is a merge with a model of zeros, or with a multiple of the model (Subtract zeros)"
LINKED = "numbers that no field takes are linked from PrimitiveFloat nodes, which ComfyUI does not document"


class Sums:
    """Adds nodes that merge one part of checkpoints to a graph.

    Attributes:
        outside: by key, ratios beyond 0 to 1; they are linked.
        beyond: by key, factors that no node takes.
        tricks: what the nodes do that is not plain to see, a sentence each.
    """

    def __init__(
        self,
        graph: Graph,
        nodes: MergeNodes,
        sources: Sequence[Link],
        names: Sequence[str],
        keys: Mapping[str, Sequence[str]],
    ) -> None:
        self._graph, self._nodes = graph, nodes
        self._sources, self._names, self._keys = sources, names, keys
        self._labels = nodes.labels
        self.outside: dict[str, float] = {}
        self.beyond: dict[str, float] = {}
        self.tricks: dict[str, None] = {}

    def for_keys(self, keys: Mapping[str, Sequence[str]]) -> Sums:
        """The same nodes and models, for some of the keys of each block."""
        return Sums(self._graph, self._nodes, self._sources, self._names, keys)

    # ------------------------------------------------------------------------------------------------- single nodes

    def merged(self, first: Link, second: Link, ratios: Ratios, title: str) -> Link:
        """``ratio * first + (1 - ratio) * second``, block by block; no node where that is one of them."""
        rounded = {label: round(ratio, _DIGITS) + 0.0 for label, ratio in ratios.items()}
        distinct = set(rounded.values())
        if distinct <= {1.0}:
            return first
        if distinct == {0.0}:
            return second
        if len(distinct) == 1 or self._nodes.blocks is None:
            (ratio,) = distinct
            return self._two(self._nodes.simple, title, first, second, {"ratio": self._number(rounded, ratio)})
        values = {label: self._number([label], rounded.get(label, 1.0)) for label in self._labels}
        values |= {label: self._linked(value) for label, value in rounded.items() if self._differs(label, rounded)}
        return self._two(self._nodes.blocks, title, first, second, values)

    def difference(self, first: Link, second: Link, multiplier: float, title: str) -> Link:
        """``(first - second) * multiplier``."""
        return self._two(self._nodes.subtract, title, first, second, {"multiplier": round(multiplier, _DIGITS)})

    def added(self, first: Link, second: Link, title: str) -> Link:
        """``first + second``."""
        return self._two(self._nodes.add, title, first, second, {})

    def zero(self) -> Link:
        """A model whose weights are all 0."""
        return self.difference(self._sources[0], self._sources[0], 1.0, "zeros")

    def _two(self, kind: NodeType, title: str, first: Link, second: Link, values: Mapping[str, Value]) -> Link:
        (one, _), (two, _) = kind.sockets
        return self._graph.add(kind, title, {one: first, two: second, **values})

    def _number(self, labels: Sequence[str] | Ratios, value: float) -> Value:
        if 0 <= value <= 1:
            return value
        self._note(self.outside, labels, value)
        return self._linked(value)

    def _differs(self, label: str, ratios: Ratios) -> bool:
        """Whether a single key has another ratio than its block."""
        if label in self._labels:
            return False
        block = max((one for one in self._labels if label.startswith(one)), key=len)
        return ratios[label] != ratios[block]

    def _linked(self, value: float) -> Link:
        self.tricks[LINKED] = None
        return self._graph.add(NUMBER, f"{value:g}", {"value": value})

    # ------------------------------------------------------------------------------------------------------- sums

    def weighted(self, table: Mapping[str, Weights], title: str) -> Link:
        """The sum of all models with these weights, by label of the block."""
        used = [place for place in range(len(self._sources)) if any(weights[place] for weights in table.values())]
        if all(abs(sum(weights) - 1) < 1e-9 for weights in table.values()):
            if len(used) == 1:
                return self._sources[used[0]]
            if len(used) == 2 or all(weight >= 0 for weights in table.values() for weight in weights):
                return self._nested(table, used, title)
        differences = list(_differences(table, used))
        inside = [found for found in differences if all(0 <= ratio <= 1 for ratio in found[1].values())]
        if not inside and all(abs(weight) <= 1 for weights in table.values() for weight in weights):
            return self._general(table, used, title)
        if chosen := next(iter(inside or differences), None):
            return self._added_difference(*chosen, title)
        return self._general(table, used, title)

    def _nested(self, table: Mapping[str, Weights], used: Sequence[int], title: str) -> Link:
        """Merge one model after the other: each ratio is the share of what came before."""
        found, before = self._sources[used[0]], {label: weights[used[0]] for label, weights in table.items()}
        for count, place in enumerate(used[1:], start=2):
            after = {label: before[label] + weights[place] for label, weights in table.items()}
            shares = {label: before[label] / after[label] if after[label] else 1.0 for label in table}
            names = " + ".join(self._names[one] for one in used[:count])
            found, before = self.merged(found, self._sources[place], shares, f"{title}{names}"), after
        return found

    def _added_difference(self, places: tuple[int, int, int], ratios: Ratios, title: str) -> Link:
        self.tricks[_DIFFERENCE] = None
        base, plus, minus = (self._sources[place] for place in places)
        a, b, c = (self._names[place] for place in places)
        moved = self.added(base, self.difference(plus, minus, 1.0, f"{b} - {c}"), f"{a} + ({b} - {c})")
        shares = {label: 1 - ratio for label, ratio in ratios.items()}
        return self.merged(base, moved, shares, f"{title}{a} + part of ({b} - {c})")

    def _general(self, table: Mapping[str, Weights], used: Sequence[int], title: str) -> Link:
        """The parts with weights above 0, minus those with weights below 0."""
        self.tricks[_ZEROS] = None
        above, below = self._parts(table, used, 1), self._parts(table, used, -1)
        if above is None:
            above = self.zero()
        return above if below is None else self.difference(above, below, 1.0, f"{title}sum")

    def _parts(self, table: Mapping[str, Weights], used: Sequence[int], sign: int) -> Link | None:
        found: Link | None = None
        for place in used:
            shares = {label: max(sign * weights[place], 0.0) for label, weights in table.items()}
            if not any(shares.values()):
                continue
            part = self.merged(self._sources[place], self.zero(), shares, f"part of {self._names[place]}")
            found = part if found is None else self.added(found, part, "sum of parts")
        return found

    # ----------------------------------------------------------------------------------------------------- factors

    def scaled(self, model: Link, factors: Ratios, title: str) -> Link:
        """A model times a factor, block by block."""
        highest, lowest = max(factors.values(), default=1.0), min(factors.values(), default=1.0)
        if highest > 1:
            model = self._towards(model, {label: max(one, 1.0) for label, one in factors.items()}, highest, title)
        if lowest < 1:
            shrunk = {label: min(one, 1.0) for label, one in factors.items()}
            model = self._towards(model, shrunk, min(lowest, 0.0), title)
        return model

    def _towards(self, model: Link, factors: Ratios, extreme: float, title: str) -> Link:
        """A model times factors between 1 and an extreme one."""
        self.tricks[_FACTOR] = None
        if abs(extreme) > MULTIPLIER:
            self._note(self.beyond, [label for label, one in factors.items() if abs(one) > MULTIPLIER], extreme)
        other = self.difference(model, self.zero(), extreme, f"times {extreme:g}") if extreme else self.zero()
        return self.merged(model, other, {label: share_left(one, extreme) for label, one in factors.items()}, title)

    def _note(self, where: dict[str, float], labels: Iterable[str], value: float) -> None:
        where |= {key: value for label in labels for key in self._keys.get(label, ())}


def share_left(factor: float, other: float) -> float:
    """Return the ratio of a model in a merge with ``other`` times it that gives ``factor`` times it."""
    return 1 - (factor - 1) / (other - 1)


def _differences(
    table: Mapping[str, Weights], used: Sequence[int]
) -> Iterator[tuple[tuple[int, int, int], dict[str, float]]]:
    """The ways to read weights of three models as ``one + ratio * (another - the third)``."""
    if len(used) != 3:
        return
    for base, plus, minus in permutations(used):
        if all(w[base] == 1 and abs(w[plus] + w[minus]) < 1e-9 for w in table.values()):
            yield (base, plus, minus), {label: weights[plus] for label, weights in table.items()}
