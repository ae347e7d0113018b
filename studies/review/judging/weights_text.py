"""The weights in a study file's text, written over: everything else stays as the person wrote it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tomlkit
from tomlkit.items import InlineTable, Table


def weights_line(weights: Mapping[str, float]) -> str:
    """The line of a study file: ``weights = { style = 1.0, clip = 0.2 }``, three digits each."""
    entries = (f"{tomlkit.key(name).as_string()} = {_rounded(weight)!r}" for name, weight in weights.items())
    return "weights = { " + ", ".join(entries) + " }"


def with_weights(text: str, weights: Mapping[str, float]) -> str:
    """The text of a study file with other weights in ``[scorers]``, whether they are one line there or several."""
    document: Any = tomlkit.parse(text)
    line = weights_line(weights) + "\n"
    if "scorers" not in document:
        return f"{text.rstrip()}\n\n[scorers]\n{line}"
    scorers = document["scorers"]
    entry = tomlkit.parse(line)["weights"]
    found = scorers.get("weights", entry)
    if isinstance(found, InlineTable):
        _put(scorers, "weights", entry)
    else:
        _write_over(found, weights)
    return tomlkit.dumps(document)


def _write_over(table: Any, weights: Mapping[str, float]) -> None:
    """Change a table line by line, so that the comments beside the weights stay."""
    for name, weight in weights.items():
        _put(table, name, _rounded(weight))
    for name in table.keys() - weights.keys():
        del table[name]


def _put(table: Any, name: str, value: object) -> None:
    """Set an entry; a new one goes before the comments at the table's end, which are about the next table."""
    body: list[Any] = table.value.body if isinstance(table, Table) else []
    last = max((index for index, (key, _) in enumerate(body) if key), default=-1)
    tail = body[last + 1 :]
    del body[last + 1 :]
    table[name] = value
    body.extend(tail)


def _rounded(weight: float) -> float:
    return float(f"{weight:.3g}")
