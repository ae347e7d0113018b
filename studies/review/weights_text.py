"""The weights in a study file's text, written over: every other line stays as the person wrote it."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from typing import Any

from studies.errors import StudyError

_HEADER = re.compile(r"\s*\[")
_TABLE = re.compile(r"\s*\[\s*scorers\s*\]\s*(#.*)?$")
_LINE = re.compile(r"\s*weights\s*=\s*\{[^}#]*\}(?P<comment>\s*#.*)?\s*$")
_BARE = re.compile(r"[A-Za-z0-9_-]+")


def weights_line(weights: Mapping[str, float]) -> str:
    """The line of a study file: ``weights = { style = 1.0, clip = 0.2 }``, three digits each."""
    return "weights = { " + ", ".join(f"{_key(name)} = {_rounded(w)!r}" for name, w in weights.items()) + " }"


def with_weights(text: str, weights: Mapping[str, float]) -> str:
    """The text of a study file with other weights in ``[scorers]``.

    Raises:
        StudyError: they cannot be written without touching more, such as a table over several lines; the message has
            the line to put in by hand.
    """
    line = weights_line(weights)
    lines = text.splitlines()
    place = next((number for number, one in enumerate(lines) if _TABLE.match(one)), None)
    if place is None:
        lines += ["", "[scorers]", line]
    else:
        end = next((n for n in range(place + 1, len(lines)) if _HEADER.match(lines[n])), len(lines))
        found = [n for n in range(place + 1, end) if _LINE.match(lines[n])]
        if found:
            match = _LINE.match(lines[found[0]])
            lines[found[0]] = line + ((match["comment"] or "") if match else "")
        else:
            lines.insert(place + 1, line)
    written = "\n".join(lines) + "\n"
    if _read(written) != _expected(text, weights):
        raise StudyError(f"the study file's weights stand where they cannot be replaced; write this instead: {line}")
    return written


def _expected(text: str, weights: Mapping[str, float]) -> dict[str, Any]:
    data = tomllib.loads(text)
    rounded = {name: _rounded(weight) for name, weight in weights.items()}
    return data | {"scorers": data.get("scorers", {}) | {"weights": rounded}}


def _read(text: str) -> dict[str, Any] | None:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return None


def _rounded(weight: float) -> float:
    return float(f"{weight:.3g}")


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else json.dumps(name, ensure_ascii=False)
