"""A Python file that rebuilds the checkpoint with torch, NumPy and safetensors alone."""

from __future__ import annotations

from engine.exports.script.target import TARGET

__all__ = ["TARGET"]
