"""Try it: knobs, stages and candidates. Numbers in, numbers out; no pictures, no tensors.

What a notebook needs can be imported from here. Every name is loaded when it is first asked for.

* ``build_space`` returns a ``Space`` of knobs; ``Frame`` is what all its recipes have in common.
* ``Plan`` says how many trials each stage has, and with which recipes (``Beginning``) it begins.
* ``Suggester`` says what to try next: a ``Proposal``.
* ``Told`` is what it needs to know of a trial.
* ``SearchError`` is what is raised.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

__all__ = [
    "Beginning",
    "Frame",
    "Plan",
    "Proposal",
    "SearchError",
    "Space",
    "Suggester",
    "Told",
    "build_space",
]

if TYPE_CHECKING:
    from search.errors import SearchError
    from search.history import Told
    from search.plan import Beginning, Plan
    from search.space.build import build_space
    from search.space.frame import Frame
    from search.space.space import Space
    from search.suggester import Proposal, Suggester
else:  # type checkers do not see this, so that a misspelt name stays an error for them
    _MODULES = {
        "Beginning": "search.plan",
        "Frame": "search.space.frame",
        "Plan": "search.plan",
        "Proposal": "search.suggester",
        "SearchError": "search.errors",
        "Space": "search.space.space",
        "Suggester": "search.suggester",
        "Told": "search.history",
        "build_space": "search.space.build",
    }

    def __getattr__(name: str) -> object:
        """Import a name from its module when it is first asked for (PEP 562)."""
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(_MODULES[name]), name)

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
