"""A graph of nodes, and its API form: what ComfyUI's server runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.exports.comfy.nodes import NodeType


@dataclass(frozen=True, slots=True)
class Link:
    """An output of a node: the node's number, and which of its outputs."""

    node: int
    slot: int = 0


Value = float | str | Link
"""What an input of a node takes: a number, a text, or what another node gives."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One node.

    Attributes:
        number: from 1; every node stands behind those that it takes from.
        type: its kind.
        title: for people.
        inputs: by name, sockets before widgets; further names may be linked, which the node does not declare.
    """

    number: int
    type: NodeType
    title: str
    inputs: Mapping[str, Value]

    @property
    def links(self) -> dict[str, Link]:
        """The inputs that are linked."""
        return {name: value for name, value in self.inputs.items() if isinstance(value, Link)}

    @property
    def undeclared(self) -> tuple[str, ...]:
        """The linked names that the node does not declare."""
        declared = {*self.type.widgets, *(name for name, _ in self.type.sockets)}
        return tuple(name for name in self.inputs if name not in declared)


class Graph:
    """Nodes, added one by one; an equal one is never added twice.

    Attributes:
        nodes: in order of their numbers.
    """

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self._known: dict[tuple[str, tuple[tuple[str, Value], ...]], Link] = {}

    def add(self, type_: NodeType, title: str, inputs: Mapping[str, Value]) -> Link:
        """Return the first output of a node with these inputs."""
        mark = (type_.name, tuple(inputs.items()))
        if mark not in self._known:
            node = Node(number=len(self.nodes) + 1, type=type_, title=title, inputs=dict(inputs))
            self.nodes.append(node)
            self._known[mark] = Link(node.number)
        return self._known[mark]

    @property
    def undeclared(self) -> bool:
        """Whether a node is given inputs that it does not declare."""
        return any(node.undeclared for node in self.nodes)

    def evaluations(self) -> int:
        """Return how many tensors ComfyUI makes for one of the result: it makes a model again wherever it is used."""
        counts: dict[int, int] = {}
        for node in self.nodes:
            counts[node.number] = 1 + sum(counts[link.node] for link in node.links.values())
        return max(counts.values(), default=0)

    def api(self, about: Mapping[str, Any]) -> dict[str, Any]:
        """Return the API form.

        Args:
            about: facts for people, which the last node carries where ComfyUI looks for nothing but a title.
        """
        found = {str(node.number): _api_node(node) for node in self.nodes}
        found[str(len(self.nodes))]["_meta"].update(about)
        return found


def _api_node(node: Node) -> dict[str, Any]:
    inputs = {
        name: [str(value.node), value.slot] if isinstance(value, Link) else value for name, value in node.inputs.items()
    }
    return {"class_type": node.type.name, "inputs": inputs, "_meta": {"title": node.title}}
