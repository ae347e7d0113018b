"""The UI form of a graph: what people drag into ComfyUI's page, laid out in columns from left to right.

The form is LiteGraph's, version 0.4: nodes with places, sockets and values of widgets; links as rows of
``[number, from node, from output, to node, to input, type]``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.exports.comfy.graph import Graph, Link, Node
from engine.exports.comfy.nodes import FLOAT, NUMBER

_WIDTH, _COLUMN, _GAP = 330, 420, 60
_TITLE, _ROW, _PADDING = 30, 24, 16
_NOTE_WIDTH, _NOTE_ROW, _NOTE_LETTERS = 560, 24, 62
_LINKED = 1.0  # what a widget holds whose number is linked


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wire:
    number: int
    source: Link
    node: int
    place: int
    name: str
    type: str

    @property
    def row(self) -> list[Any]:
        return [self.number, self.source.node, self.source.slot, self.node, self.place, self.type]


def ui_form(graph: Graph, note: str, about: Mapping[str, Any]) -> dict[str, Any]:
    """Return the UI form.

    Args:
        graph: without links that nodes do not declare.
        note: a text in Markdown beside the graph; may be empty.
        about: facts that are kept with the workflow.
    """
    wires, places = _wires(graph), _places(graph)
    nodes = [_ui_node(node, wires, places[node.number], order) for order, node in enumerate(graph.nodes)]
    if note:
        nodes.append(_ui_note(len(nodes) + 1, note))
    return {
        "last_node_id": len(nodes),
        "last_link_id": len(wires),
        "nodes": nodes,
        "links": [wire.row for wire in wires],
        "groups": [],
        "config": {},
        "extra": dict(about),
        "version": 0.4,
    }


def _wires(graph: Graph) -> list[_Wire]:
    """All links: those of sockets come before those of widgets, as in the inputs of a node."""
    found: list[_Wire] = []
    for node in graph.nodes:
        types = dict(node.type.sockets)
        names = [*types, *(name for name in node.type.widgets if name in node.links)]
        for place, name in enumerate(names):
            found.append(
                _Wire(
                    number=len(found) + 1,
                    source=node.links[name],
                    node=node.number,
                    place=place,
                    name=name,
                    type=types.get(name, FLOAT),
                )
            )
    return found


def _ui_node(node: Node, wires: Sequence[_Wire], place: tuple[int, int], order: int) -> dict[str, Any]:
    given = [_ui_input(node, wire) for wire in wires if wire.node == node.number]
    values = [node.inputs[name] for name in node.type.widgets]
    return {
        "id": node.number,
        "type": node.type.name,
        "title": node.title,
        "pos": list(place),
        "size": [_WIDTH, _height(node)],
        "flags": {},
        "order": order,
        "mode": 0,
        "inputs": given,
        "outputs": [_ui_output(node, slot, wires) for slot in range(len(node.type.outputs))],
        "properties": {"Node name for S&R": node.type.name},
        "widgets_values": [_LINKED if isinstance(value, Link) else value for value in values],
    }


def _ui_input(node: Node, wire: _Wire) -> dict[str, Any]:
    widget = {"widget": {"name": wire.name}} if wire.name in node.type.widgets else {}
    return {"name": wire.name, "type": wire.type, "link": wire.number, **widget}


def _ui_output(node: Node, slot: int, wires: Sequence[_Wire]) -> dict[str, Any]:
    type_ = node.type.outputs[slot]
    links = [wire.number for wire in wires if wire.source == Link(node.number, slot)]
    return {"name": type_, "type": type_, "links": links, "slot_index": slot}


def _ui_note(number: int, note: str) -> dict[str, Any]:
    rows = sum(1 + len(line) // _NOTE_LETTERS for line in note.splitlines())
    return {
        "id": number,
        "type": "MarkdownNote",
        "title": "Recipe",
        "pos": [-_NOTE_WIDTH - _GAP, 0],
        "size": [_NOTE_WIDTH, rows * _NOTE_ROW + 2 * _TITLE],
        "flags": {},
        "order": number - 1,
        "mode": 0,
        "inputs": [],
        "outputs": [],
        "properties": {"Node name for S&R": "MarkdownNote"},
        "widgets_values": [note],
    }


# -------------------------------------------------------------------------------------------------------------- layout


def _places(graph: Graph) -> dict[int, tuple[int, int]]:
    """The left upper corner of every node: columns by what a node takes from, nodes of a column below each other."""
    columns: dict[int, list[Node]] = defaultdict(list)
    for number, column in _columns(graph).items():
        columns[column].append(graph.nodes[number - 1])
    found: dict[int, tuple[int, int]] = {}
    for column, nodes in columns.items():
        top = 0
        for node in nodes:
            found[node.number] = (column * _COLUMN, top)
            top += _height(node) + _TITLE + _GAP
    return found


def _columns(graph: Graph) -> dict[int, int]:
    """By number of the node: one to the right of all that it takes from; numbers are just left of where they go."""
    found: dict[int, int] = {}
    for node in graph.nodes:
        before = [found[link.node] for link in node.links.values() if not _is_number(graph, link)]
        found[node.number] = 1 + max(before, default=-1)
    for node in graph.nodes:
        for link in node.links.values():
            if _is_number(graph, link):
                found[link.node] = max(found[node.number] - 1, 0)
    return found


def _is_number(graph: Graph, link: Link) -> bool:
    return graph.nodes[link.node - 1].type is NUMBER


def _height(node: Node) -> int:
    rows = max(len(node.type.sockets), len(node.type.outputs))
    return rows * _ROW + len(node.type.widgets) * _ROW + _PADDING
