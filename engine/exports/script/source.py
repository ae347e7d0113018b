"""The source of the functions that a script needs, out of ``engine.exports.script.parts``."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from importlib import import_module
from inspect import getsource

_PARTS = ("formulas", "results", "new_file", "command")
_IMPORTS = """\
from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import struct
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from torch import Tensor
"""


def imports() -> str:
    """Return what every script imports."""
    return _IMPORTS


def functions(names: Iterable[str]) -> str:
    """Return the source of functions, classes and constants, with everything that they need, in order.

    Args:
        names: of what the script calls itself.
    """
    pieces = _pieces()
    needed: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.add(name)
            waiting += [other for other in pieces if other in _names(pieces[name])]
    return "\n\n".join(text for name, text in pieces.items() if name in needed)


def _pieces() -> dict[str, str]:
    """The source of everything that a part defines, by name; a constant with its docstring."""
    found: dict[str, str] = {}
    for part in _PARTS:
        text = getsource(import_module(f"engine.exports.script.parts.{part}"))
        lines, last = text.splitlines(keepends=True), ""
        for node in ast.parse(text).body:
            piece = "".join(lines[node.lineno - 1 : node.end_lineno])
            match node:
                case ast.FunctionDef() | ast.ClassDef():
                    last = node.name
                    found[last] = piece
                case ast.Assign(targets=[ast.Name(id=name)]):
                    last = name
                    found[last] = piece
                case ast.Expr() if last:
                    found[last] += piece
                case _:
                    last = ""
    return found


def _names(source: str) -> set[str]:
    """Every name in a piece of source."""
    return {node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)}
