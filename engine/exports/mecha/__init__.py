"""sd-mecha and comfy-mecha: a .mecha recipe (version 0.1.0), and reading one back."""

from __future__ import annotations

from engine.exports.mecha.target import TARGET

__all__ = ["TARGET"]
