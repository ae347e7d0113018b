"""What can go wrong in the engine. Every message says what, where, the value seen, and the way out."""

from __future__ import annotations


class EngineError(Exception):
    """The root of all the engine's errors for people."""


class CheckpointError(EngineError):
    """A checkpoint cannot be opened, used, merged or written."""


class RecipeError(EngineError):
    """A recipe, its text or its file does not make sense."""


class RenderError(EngineError):
    """A picture cannot be made, or came out broken."""
